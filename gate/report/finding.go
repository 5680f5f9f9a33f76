package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// maxFindings is how many causes a person is asked to read; the rest is counted.
const maxFindings = 3

// logLines is how much of a log a person is shown; the JSON report has all that was read.
const logLines = 20

// depth is how much of a finding is quoted: what helps for the headline, less for those after it.
type depth struct {
	proofs, logLines, fixes, changes int
	roomy                            bool // with empty lines between what to do, what proves it, and the rest
}

// diagnosis explains a bad end. The headline stands below the lesser findings, because a log is read from its end. Why
// the undo did not succeed comes last: that is what a person has to repair first.
func (p *page) diagnosis(r gate.Report) {
	if explains(r) {
		shown := r.Findings[:min(len(r.Findings), maxFindings)]
		for i := len(shown) - 1; i > 0; i-- {
			p.rule("─", beside(shown[i])+": "+subject(shown[i]), breadth(shown[i]), yellow)
			p.finding(shown[i], depth{proofs: 2, logLines: 5, fixes: 1, changes: 1}, r.Run.Started, nil)
		}
		p.rule("━", subject(shown[0]), breadth(shown[0]), bold, verdictColor(r))
		p.finding(shown[0], depth{proofs: 6, logLines: logLines, fixes: 5, changes: 4, roomy: true}, r.Run.Started, r.Layers)
		if rest := restWords(r.Findings); rest != "" {
			p.labelled("also", rest+"; all in the JSON report")
		}
	}
	if r.Undo != nil && r.Undo.Result != gate.UndoVerified && len(r.Undo.Findings) > 0 {
		f := r.Undo.Findings[0]
		p.rule("━", "undo: "+subject(f), breadth(f), bold, red)
		p.finding(f, depth{proofs: 2, logLines: 10, fixes: 3}, r.Run.Started, nil)
	}
}

// finding tells what is wrong, what changed, where and what to do about it; then what proves it; then why the gate
// decided so and how to disagree.
func (p *page) finding(f diagnosis.Finding, d depth, started time.Time, layers []diagnosis.Layered) {
	for _, line := range wrap(oneLine(f.Cause), p.Width) {
		p.line("%s", p.paint(line, bold))
	}
	p.line("")
	p.changed(f, d.changes)
	if f.File != "" || f.FieldPath != "" {
		p.labelled("manifest", strings.TrimSpace(place(f.File, f.Line)+"  "+oneLine(f.FieldPath)), bold)
	}
	for i, fix := range f.Fix[:min(len(f.Fix), d.fixes)] {
		label := ""
		if i == 0 {
			label = "fix"
		}
		if len(f.Fix) > 1 && d.fixes > 1 {
			fix = fmt.Sprintf("%d. %s", i+1, fix)
		}
		p.labelled(label, oneLine(fix), cyan)
	}
	if d.roomy {
		p.line("")
	}
	if f.Object.Name != "" {
		p.labelled("where", whereabouts(f, started))
	}
	proofs := otherProofs(f)
	for _, proof := range proofs[:min(len(proofs), d.proofs)] {
		p.proof(proof, d.logLines, started)
	}
	if d.roomy {
		p.line("")
	}
	p.layers(f, layers)
	if f.Rule != "" && f.Terminal != diagnosis.TerminalContext {
		p.labelled("rule", oneLine(f.Rule))
	}
	if f.Knob != "" {
		p.labelled("to tune", oneLine(f.Knob))
	}
}

// changed tells what the rollout changed at the place of the trouble.
func (p *page) changed(f diagnosis.Finding, n int) {
	changes := changedWords(f)
	if len(changes) == 0 || n == 0 {
		return
	}
	for i, change := range changes[:min(len(changes), n)] {
		label := ""
		if i == 0 {
			label = "changed"
		}
		p.labelled(label, change, bold, yellow)
	}
	if missing := len(changes) - n; missing > 0 {
		p.labelled("", fmt.Sprintf("and %s there", count(missing, "more change")))
	}
}

// beside tells another cause from a remark.
func beside(f diagnosis.Finding) string {
	if f.Terminal == diagnosis.TerminalContext {
		return "noted"
	}
	return "also"
}

// restWords counts the findings that are not shown, and names them.
func restWords(findings []diagnosis.Finding) string {
	const named = 5
	var parts []string
	for _, kind := range []struct {
		noun    string
		context bool
	}{{"more cause", false}, {"more remark", true}} {
		var names []string
		for _, f := range findings[min(len(findings), maxFindings):] {
			if kind.context != (f.Terminal == diagnosis.TerminalContext) {
				continue
			}
			name := oneLine(f.Code)
			if f.Object.Name != "" {
				name += " on " + oneLine(f.Object.String())
			}
			names = append(names, name)
		}
		if n := len(names); n > named {
			names = append(names[:named], "…")
			parts = append(parts, count(n, kind.noun)+": "+strings.Join(names, ", "))
		} else if n > 0 {
			parts = append(parts, count(n, kind.noun)+": "+strings.Join(names, ", "))
		}
	}
	return strings.Join(parts, "; ")
}

// About is the workload that a finding explains; findings of the whole run have their object only.
func About(f diagnosis.Finding) manifest.Ref {
	if f.Workload.Name != "" {
		return f.Workload
	}
	return f.Object.Ref
}

// subject names the cause and the workload; a finding about no object, such as a criterion, is named by its detail.
func subject(f diagnosis.Finding) string {
	switch about := About(f); {
	case about.Name != "":
		return oneLine(f.Code + " in " + about.String())
	case f.Detail != "":
		return Sanitize(f.Code+": "+f.Detail, 1, 60)
	}
	return oneLine(f.Code)
}

// breadth says how sure the finding is and how many pods it hit.
func breadth(f diagnosis.Finding) string {
	words := oneLine(string(f.Confidence))
	if f.PodsTotal > 0 {
		words += fmt.Sprintf(", %d of %s", f.PodsAffected, count(f.PodsTotal, "pod"))
	}
	return strings.TrimPrefix(words, ", ")
}

// whereabouts says what a finding is about, how often it was seen and since when.
func whereabouts(f diagnosis.Finding, started time.Time) string {
	words := oneLine(f.Object.String())
	if f.Container != "" {
		words += ", container " + oneLine(f.Container)
	}
	if n := len(f.Nodes); n > 0 {
		words += ", on " + oneLine(strings.Join(f.Nodes[:min(n, 3)], ", "))
		if n > 3 {
			words += fmt.Sprintf(" and %s", count(n-3, "more node"))
		}
	}
	if f.Count > 1 {
		words += fmt.Sprintf("; seen %d times", f.Count)
		if since := sinceStart(f.FirstSeen, started); since != "" {
			words += ", first " + since
		}
	}
	return words
}

// sinceStart places a moment in the run; empty when that would say nothing.
func sinceStart(t, started time.Time) string {
	if t.IsZero() || started.IsZero() || t.Before(started) {
		return ""
	}
	return "at " + Elapsed(t.Sub(started))
}

// proof quotes one piece of evidence behind a bar, so that nobody takes the words of a cluster for ours.
func (p *page) proof(proof diagnosis.Proof, logLines int, started time.Time) {
	title := proofTitle(proof, started, oneLine)
	split, limit := wrap, 12
	if proof.Type == "log" || proof.Type == "diff" {
		split, limit = hardWrap, logLines
	}
	q := quoteLines(proof, limit)
	if part := q.part(); part != "" {
		title = append(title, part)
	}
	p.labelled("evidence", strings.Join(title, ", "))
	for n, line := range q.lines {
		bar, styles := "      │", []string(nil)
		if n == q.headline {
			bar, styles = "    ▶ │", []string{bold, red}
		}
		for i, part := range split(line, p.Width-10) {
			indent := " "
			if i > 0 {
				indent = "   "
			}
			p.line("%s%s%s", p.paint(bar, dim), indent, p.paint(part, styles...))
			bar = "      │"
		}
	}
}
