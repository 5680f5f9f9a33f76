package live

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// cluster is one part of a run in several clusters.
type cluster struct {
	name string
	State
}

// inCluster takes in what has happened in one of several clusters.
func (s *State) inCluster(e gate.Event) {
	i := slices.IndexFunc(s.clusters, func(c *cluster) bool { return c.name == e.Cluster })
	if i < 0 {
		i, s.clusters = len(s.clusters), append(s.clusters, &cluster{name: e.Cluster})
	}
	c := s.clusters[i]
	e.Cluster = ""
	if _, again := e.Payload.(gate.Started); again && c.judged != nil { // its undo, after it had passed
		return
	}
	c.Take(e)
}

// clusterLines are a line for each cluster. Where there are too many, those are shown in which something happens.
func (d drawing) clusterLines(height int) []line {
	room := max(height-height/4-2, 1)
	shown := slices.Clone(d.clusters)
	if len(shown) > room {
		slices.SortStableFunc(shown, func(a, b *cluster) int { return cmp.Compare(a.rank(), b.rank()) })
		shown = shown[:max(room-1, 1)]
	}
	for _, c := range shown {
		d.names = max(d.names, min(measure(d.flat(c.name)), d.width/3))
	}
	lines := []line{d.clusterTitle()}
	for _, c := range shown {
		lines = append(lines, d.cluster(c))
		if c.asked != nil && len(lines) < room {
			lines = append(lines, line{{"    rolloutgate approve " + d.flat(c.asked.Run) + " --context " + d.flat(c.name), bold}})
		}
	}
	if more := len(d.clusters) - len(shown); more > 0 {
		lines = append(lines, line{{fmt.Sprintf("  +%d more clusters", more), dim}})
	}
	return lines[:min(len(lines), max(height-1, 1))]
}

// clusterTitle counts how the clusters are.
func (d drawing) clusterTitle() line {
	counts := map[string]int{}
	for _, c := range d.clusters {
		counts[c.word()]++
	}
	var parts []string
	for _, word := range []string{"failed", "undoing", "going on", "waiting", "passed"} {
		if counts[word] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", counts[word], word))
		}
	}
	clock := report.Elapsed(max(0, d.now.Sub(d.started)))
	what := map[bool]string{true: "cluster", false: "clusters"}[len(d.clusters) == 1]
	text := fmt.Sprintf("%d %s: %s", len(d.clusters), what, strings.Join(parts, ", "))
	edge := strings.Repeat(d.rule, 2)
	room := d.width - 2*measure(edge) - 3 - measure(clock)
	if room < 12 {
		return line{{clock + "  " + text, bold}}
	}
	head := line{{text, bold}}.fit(room-2, d.more)
	between := strings.Repeat(d.rule, max(1, room-head.width()-1))
	return slices.Concat(line{{edge + " ", dim}}, head, line{{" " + between + " ", dim}, {clock, ""}, {" " + edge, dim}})
}

// word is how a cluster is, in the words that the title counts.
func (c *cluster) word() string {
	switch {
	case c.undoing():
		return "undoing"
	case c.judged != nil && c.judged.Outcome == gate.Passed:
		return "passed"
	case c.judged != nil || c.broken != "":
		return "failed"
	case c.step.Name == "" || c.step.Name == gate.StepPlan || c.step.Name == gate.StepPreflight:
		return "waiting"
	}
	return "going on"
}

// rank is low for what a person wants to see.
func (c *cluster) rank() int {
	return slices.Index([]string{"failed", "undoing", "going on", "waiting", "passed"}, c.word())
}

// cluster is one of them: its name, what it does, and the pods of all its workloads.
func (d drawing) cluster(c *cluster) line {
	there := drawing{State: &c.State, glyphs: d.glyphs, width: d.width, names: d.names, now: d.now}
	l := d.named(c.name)
	var desired, ready, old, starting int
	for _, w := range c.workloads {
		desired, ready, old = desired+int(w.Desired), ready+int(w.Ready), old+int(w.Old)
		starting += int(max(w.Updated-w.Ready, 0))
	}
	l = append(l, d.bar([]share{{ready, d.ready, green}, {starting, d.starting, yellow}, {old, d.old, dim}}, max(desired, ready+starting+old))...)
	word, style := c.word(), ""
	switch word {
	case "passed":
		style = green
	case "failed":
		style = red
	case "undoing":
		style = yellow
	}
	what := word
	switch {
	case c.asked != nil:
		what, style = "waits for you: stage "+d.flat(c.asked.Stage), yellow
	case word == "going on":
		what = string(c.step.Name) + there.left()
		if c.step.Stage != "" {
			what += " (stage " + d.flat(c.step.Stage) + ")"
		}
	}
	l = append(l, part{"  " + what, style})
	if d.width >= wideEnough && desired > 0 {
		l = append(l, part{fmt.Sprintf("  %d/%d ready", ready, desired), dim})
	}
	for _, w := range c.workloads {
		if w.Phase == rollout.Failed && d.width >= wideEnough {
			l = append(l, part{"  " + d.flat(w.Message), red})
			break
		}
	}
	return l
}
