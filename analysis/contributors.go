package analysis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mostContributors is how many pods and series are named.
const mostContributors = 3

// contributors says where the bad events of a failed criterion come from: which pods, and which series. It asks once
// more; without an answer there is less to say.
func (w *asking) contributors(ctx context.Context) []string {
	if w.c.Counts == nil {
		return nil
	}
	var out []string
	if text := w.tracker.worstPods(); text != "" {
		out = append(out, "bad events by pod: "+text)
	}
	if text := w.worstSeries(ctx); text != "" {
		out = append(out, "most bad events: "+text)
	}
	return out
}

// worstPods lists the pods with the most bad events.
func (t *tracker) worstPods() string {
	byPod := map[string]*process{}
	for _, p := range t.processes {
		if byPod[p.pod] == nil {
			byPod[p.pod] = &process{pod: p.pod}
		}
		byPod[p.pod].bad += max(p.bad-p.allowed, 0)
		byPod[p.pod].all += max(p.all-p.allowed, 0)
	}
	var pods []*process
	for _, p := range byPod {
		if p.bad > 0 {
			pods = append(pods, p)
		}
	}
	slices.SortFunc(pods, func(a, b *process) int { return cmp.Or(cmp.Compare(b.bad, a.bad), cmp.Compare(a.pod, b.pod)) })
	var parts []string
	for _, p := range pods[:min(len(pods), mostContributors)] {
		parts = append(parts, fmt.Sprintf("%s %s of %s", p.pod, plain(math.Round(p.bad)), plain(math.Round(p.all))))
	}
	if len(pods) > mostContributors {
		parts = append(parts, fmt.Sprintf("and %d more", len(pods)-mostContributors))
	}
	return strings.Join(parts, ", ")
}

// dull are labels that say where a series is from, not what it counts.
var dull = []string{"instance", "job", "namespace", "node", "service", "endpoint", "container", "app",
	"pod_template_hash", "controller_revision_hash", "topology_kubernetes_io_zone", "topology_kubernetes_io_region"}

// worstSeries names what the series with the most bad events have in common.
func (w *asking) worstSeries(ctx context.Context) string {
	if w.c.Counts.Bad == "" {
		return ""
	}
	vars, pods := w.vars(), w.pods()
	var chosen []*matcher
	if w.byPod() {
		chosen = w.facts.Naming.matchers(vars.Namespace, names(pods.New))
	}
	parts, err := w.c.Counts.parts(vars, chosen)
	if err != nil {
		return ""
	}
	without := append([]string{w.facts.Naming.Pod}, dull...)
	a, err := w.ask(ctx, fmt.Sprintf("topk(%d, sum without (%s) (increase(%s[%s])))", mostContributors, joined(slices.Compact(without)), parts["bad"],
		promSeconds(max(w.Timing.Window, leastScrapes*w.scrape()))), time.Now())
	if err != nil {
		return ""
	}
	slices.SortFunc(a.Samples, func(x, y Sample) int { return cmp.Compare(y.Value, x.Value) })
	var texts []string
	for _, s := range a.Samples {
		var pairs []string
		for name, value := range s.Labels {
			pairs = append(pairs, name+"="+strconv.Quote(value))
		}
		slices.Sort(pairs)
		if s.Value >= 0.5 {
			texts = append(texts, fmt.Sprintf("{%s} %s", strings.Join(pairs, ","), plain(math.Round(s.Value))))
		}
	}
	return strings.Join(texts, ", ")
}
