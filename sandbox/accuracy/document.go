package main

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// cellWidth is how many characters of a text from the cluster a table shows.
const cellWidth = 120

const introduction = `# Accuracy

How often rolloutgate names the right cause of a bad rollout, how long that takes, and whether it fails healthy ones.
This file is written by ` + "`make accuracy`" + `, which plays every case of [sandbox/accuracy/cases](../sandbox/accuracy/cases)
against a real Kubernetes control plane: on simulated nodes (tier *simulated*), or with a real kubelet, containerd and
containers (tier *realnode*). A case is made of manifests, of what happens around the rollout, and of the answer that a
person who knows that has written down. ` + "`kubectl rollout status`" + ` runs beside it with the same timeout. Cases that rolloutgate
answered wrongly were kept and the rules corrected, so the share of right answers tells that they stay right, not how many
of your rollouts will be understood: send the ones that are not.

`

// Document is docs/accuracy.md. It has no dates, so that its changes are those of the answers.
func (r *results) Document() string {
	var b strings.Builder
	b.WriteString(introduction)
	fmt.Fprintf(&b, "Kubernetes %s; %s.\n\n", r.Kubernetes, r.Machine)
	b.WriteString("## Summary\n\n")
	b.WriteString(harness.Table([]string{"", ""}, r.summarize().rows()))
	b.WriteString(`
A case is right when the first finding has the expected code (and detail and field, where the case names them) and the exit
code is not 0. *Signal → verdict* counts from the first moment at which the API server showed anything unusual: a Warning
event, a container that waits for another reason than its creation or that ended badly, a pod that cannot be scheduled, a
condition that says failed. It is empty when there was no such sign, or when nothing was applied. What kubectl says counts
as naming the cause when its last line says more than that the time is up; where the API server refused the manifest, it
is the line of ` + "`kubectl apply --server-side`" + `.

## Bad rollouts

`)
	var rows [][]string
	for _, c := range r.played(bad) {
		rows = append(rows, c.row())
	}
	b.WriteString(harness.Table([]string{"case", "tier", "expected", "top-1", "rank", "signal → verdict, s", "rolloutgate, s",
		"kubectl said (after s)", "newest Warning event"}, rows))
	b.WriteString("\n## Healthy rollouts that look bad\n\n")
	rows = nil
	for _, c := range r.played(healthy) {
		verdict := "passed"
		if !c.Right {
			verdict = "**" + cell(c.Why) + "**"
		}
		rows = append(rows, []string{cell(c.Title), c.Tier, verdict, harness.Whole(c.Seconds), cell(c.Event)})
	}
	b.WriteString(harness.Table([]string{"case", "tier", "verdict", "rolloutgate, s", "newest Warning event"}, rows))
	b.WriteString(`
## A world that moves

Others write while the run goes on, or did before; the run is ended, or nobody reads what it prints. Here rolloutgate undoes
what is bad. A case is right when the exit code is one of those that the case allows, the first finding has the code that it
names, and the objects in the cluster are what they have to be: what the run changed is back, what others wrote is still there.

`)
	rows = nil
	for _, c := range r.played(moving) {
		verdict := "right"
		if !c.Right {
			verdict = "**" + cell(c.Why) + "**"
		}
		rows = append(rows, []string{cell(c.Title), c.Tier, verdict, fmt.Sprint(c.Exit), cmp.Or(c.topOne(), "-"), harness.Whole(c.Seconds)})
	}
	b.WriteString(harness.Table([]string{"case", "tier", "afterwards", "exit", "first finding", "rolloutgate, s"}, rows))
	return b.String()
}

func (s summary) rows() [][]string {
	times := func(values []float64) string {
		return fmt.Sprintf("median %s s, 90th percentile %s s", harness.Whole(harness.Percentile(values, 50)), harness.Whole(harness.Percentile(values, 90)))
	}
	return [][]string{
		{"cases", fmt.Sprintf("%d: %d bad rollouts, %d healthy ones, %d in a world that moves", s.bad+s.quiet+s.moving, s.bad, s.quiet, s.moving)},
		{"right cause first", fmt.Sprintf("%d of %d, %.1f %%", s.right, s.bad, s.topOne())},
		{"false alarms", fmt.Sprintf("%d of %d", s.alarms, s.quiet)},
		{"right in a world that moves", fmt.Sprintf("%d of %d", s.kept, s.moving)},
		{"signal → verdict", times(s.signToVerdict)},
		{"`kubectl rollout status` named the cause", fmt.Sprintf("%d of %d; in %d it was still waiting when rolloutgate had answered, and was stopped", s.named, s.applied, s.waiting)},
		{"rolloutgate ended for the same cases after", times(s.total)},
		{"`kubectl apply` named the cause where the API server refused", fmt.Sprintf("%d of %d", s.refusedNamed, s.refused)},
	}
}

func (r *result) row() []string {
	top, rank, sign := cmp.Or(r.topOne(), "nothing"), "-", ""
	if !r.Right {
		top = "**" + top + "**"
		if r.topOne() == r.Expect {
			top += " " + cell(r.Why)
		}
	}
	if r.Rank > 0 {
		rank = fmt.Sprint(r.Rank)
	}
	if r.SignToVerdict != nil {
		sign = harness.Whole(*r.SignToVerdict)
	}
	said := fmt.Sprintf("%s (%s)", cell(r.Kubectl.Line), harness.Whole(r.Kubectl.Seconds))
	if r.Kubectl.Waiting {
		said = "still waiting: " + said
	}
	if r.Kubectl.Command == "apply" {
		said = "apply: " + said
	}
	return []string{cell(r.Title), r.Tier, r.Expect, top, rank, sign, harness.Whole(r.Seconds), said, cell(r.Event)}
}

// sandboxPath is a path in the folder of the sandbox that played a case: it is of the machine and says nothing.
var sandboxPath = regexp.MustCompile(`/[^\s"']*/rolloutgate/sandbox/[^/\s"']+`)

// cell makes a text from the cluster harmless in a Markdown table, and short.
func cell(text string) string {
	text = sandboxPath.ReplaceAllString(strings.Join(strings.Fields(text), " "), "…")
	if utf8.RuneCountInString(text) > cellWidth {
		text = string([]rune(text)[:cellWidth-1]) + "…"
	}
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "]", `\]`,
		"@", "&#64;", "://", "&#58;//").Replace(text)
}
