package analysis

import (
	"math"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// Pod is what is known about one pod besides its metrics.
type Pod struct {
	Name string
	// Ready is since when the pod serves; zero while it never did.
	Ready time.Time
	// Probes is how many requests its own kubelet may have sent it before it was ready. Programs count these, too, and
	// answer them with errors until they are ready, so as many events are not held against the pod.
	Probes float64
	// Reused is set when the series of this name are not only about what is judged: an older pod had the same name, as in
	// a StatefulSet, or the pod itself is older than the change. Its events count from the first look on.
	Reused bool
}

// Pods are the pods of the two versions now.
type Pods struct{ New, Old []Pod }

func names(pods []Pod) []string {
	out := make([]string, len(pods))
	for i, p := range pods {
		out[i] = p.Name
	}
	return out
}

// tracker adds up what raw counters grew, process by process, over the measurements of one criterion. A counter that
// shrinks has begun anew. It remembers processes that are gone.
type tracker struct {
	// fromBirth says that everything a new process has counted since it began is counted, the burst before its first
	// scrape included, which no increase() shows.
	fromBirth bool
	// since is how long a pod has to be ready before its events count.
	since time.Duration
	// scrape is how old a sample may be.
	scrape time.Duration

	processes map[string]*process
	groups    map[string]*group
	order     []string // of the groups, as they were first seen
	olds      *tracker // of the old pods, where they are compared side by side

	extrapolated bool // the counts are those of increase()

	// span is how much time a part of the course has at least. Looks that come closer together add to the same part, so
	// that looking more often costs no evidence; see [stats.LateEvidence].
	span   time.Duration
	opened time.Time // when the last part was closed; zero before the first look
}

// process is one counter that begins at zero when its process does.
type process struct {
	group, pod        string
	lastBad, lastAll  float64
	bad, all, allowed float64
	settled           bool      // a sample was taken after the pod was ready
	taken             time.Time // when its newest sample was taken
	told              float64   // how many of its bad events the group has counted
}

// group are the counts of one value of the labels of Each; the only one is "" when there are none.
type group struct {
	bad, all float64
	// byLook is the growth of bad from look to look, except that what comes within oneBurst is counted at the first of
	// these looks, which is the one with the number burstLook. Its sample was taken at burstAt.
	byLook    []float64
	burstLook int
	burstAt   time.Time
	newest    time.Time // when the newest sample was taken that has shown new bad events
	// The course: the growth of bad and of all from part to part, which are looks or, where these follow the data, some
	// looks each. open says that the last part is not over.
	badByPart, allByPart []float64
	open                 bool

	// Of a comparison with the old pods: how far it has looked, and what both counted at the same time.
	seen, ours, theirs struct{ bad, all float64 }
	versus             *stats.Comparison
}

func newTracker(c Criterion, settle, scrape, span time.Duration) *tracker {
	t := &tracker{fromBirth: true, scrape: scrape, span: span, processes: map[string]*process{}, groups: map[string]*group{}}
	if c.Counts.Histogram != "" {
		// A program that warms up is slow at first; one that fails at first has failed somebody.
		t.fromBirth, t.since = false, settle
	}
	if c.scope() == ScopeOld {
		t.fromBirth, t.since = false, 0 // they have been counting for long
	}
	return t
}

// observe takes one look at the new pods' counters.
func (t *tracker) observe(at time.Time, tallies []tally, pods []Pod) {
	known := map[string]Pod{}
	for _, p := range pods {
		known[p.Name] = p
	}
	before := t.counts()
	for _, now := range tallies {
		pod, ok := known[now.pod]
		if !ok || pod.Ready.IsZero() || at.Before(pod.Ready.Add(t.since)) || pod.Reused && at.Before(pod.Ready.Add(2*t.scrape)) {
			continue
		}
		key := now.group + "\x00" + now.process
		taken := now.taken
		if taken.IsZero() {
			taken = at.Add(-time.Duration(now.age * float64(time.Second)))
		}
		p := t.processes[key]
		if p == nil {
			p = &process{group: now.group, pod: now.pod, lastBad: now.bad, lastAll: now.total}
			p.settled, p.taken = !t.fromBirth || pod.Reused, taken
			if !p.settled {
				p.bad, p.all = now.bad, now.total
				p.allow(at, now, pod)
			}
			t.processes[key] = p
			continue
		}
		if now.total < p.lastAll { // it has begun anew, with all its counters
			p.bad, p.all = p.bad+now.bad, p.all+now.total
		} else {
			p.bad, p.all = p.bad+max(now.bad-p.lastBad, 0), p.all+now.total-p.lastAll
		}
		p.lastBad, p.lastAll, p.taken = now.bad, now.total, taken
		p.allow(at, now, pod)
	}
	t.sum(at, before)
}

// allow leaves out what the kubelet may have caused, until a sample was taken after the pod was ready: all of it is in
// the counters by then, and what comes later is somebody else's.
func (p *process) allow(at time.Time, now tally, pod Pod) {
	if p.settled {
		return
	}
	p.allowed = min(pod.Probes, p.bad)
	taken := at.Add(-time.Duration(now.age * float64(time.Second)))
	p.settled = !taken.Before(pod.Ready.Add(time.Second)) // the API server's times are whole seconds
}

func (t *tracker) group(name string) *group {
	g := t.groups[name]
	if g == nil {
		g = &group{}
		t.groups[name] = g
		t.order = append(t.order, name)
	}
	return g
}

// sum makes the groups' counts of those of the processes. What the kubelet may have caused is left out.
func (t *tracker) sum(at time.Time, before map[string][2]float64) {
	for _, g := range t.groups {
		g.bad, g.all = 0, 0
	}
	keys := make([]string, 0, len(t.processes))
	for key := range t.processes {
		keys = append(keys, key)
	}
	slices.Sort(keys) // the sum of floats, and the order of the groups, must not depend on a map
	for _, key := range keys {
		p := t.processes[key]
		g := t.group(p.group)
		bad := max(p.bad-p.allowed, 0)
		if bad > p.told && p.taken.After(g.newest) {
			g.newest = p.taken
		}
		p.told = bad
		g.bad += bad
		g.all += max(p.all-p.allowed, bad)
	}
	t.grown(at, before)
}

// counts are the groups' counts now.
func (t *tracker) counts() map[string][2]float64 {
	out := map[string][2]float64{}
	for name, g := range t.groups {
		out[name] = [2]float64{g.bad, g.all}
	}
	return out
}

// grown notes what the groups have grown since the last look.
func (t *tracker) grown(at time.Time, before map[string][2]float64) {
	// Looks come a little early or late; two that are a span apart are never one part.
	closes := at.Sub(t.opened) >= t.span-t.span/10
	if closes {
		t.opened = at
	}
	for name, g := range t.groups {
		bad := max(g.bad-before[name][0], 0)
		all := max(g.all-before[name][1], bad)
		if t.extrapolated {
			g.newest = at
		}
		g.burst(bad, t.span)
		if last := len(g.badByPart) - 1; g.open {
			g.badByPart[last], g.allByPart[last] = g.badByPart[last]+bad, g.allByPart[last]+all
		} else {
			g.badByPart, g.allByPart = append(g.badByPart, bad), append(g.allByPart, all)
		}
		g.open = !closes
	}
}

// oneBurst is how far apart the samples that show bad events of one pod have to be at least to show two times: a burst may
// lie across a scrape, and then two samples show it. When we have looked at them says nothing about that.
const oneBurst = 2 * time.Second

// burst notes what bad events have come at a look. Where looks are closer together than oneBurst because somebody wanted
// it, two of their samples are enough. Samples are taken a little early or late.
func (g *group) burst(bad float64, span time.Duration) {
	g.byLook = append(g.byLook, 0)
	least := min(oneBurst, span)
	if bad > 0 && (g.burstAt.IsZero() || g.newest.Sub(g.burstAt) >= least-least/10) {
		g.burstLook, g.burstAt = len(g.byLook)-1, g.newest
	}
	g.byLook[g.burstLook] += bad
}

// setTotals takes counts that the server has added up itself, over the time since the window began.
func (t *tracker) setTotals(at time.Time, tallies []tally) {
	before := t.counts()
	for _, g := range t.groups {
		g.bad, g.all = 0, 0
	}
	for _, now := range tallies {
		g := t.group(now.group)
		g.bad += math.Round(now.bad) // increase() extrapolates, events are whole
		g.all += math.Round(now.total)
	}
	for _, g := range t.groups {
		g.bad = min(g.bad, g.all)
	}
	t.extrapolated = true
	t.grown(at, before)
}

// bursts are the looks at which bad events came. Extrapolated counts wobble by some events from look to look; these are
// not new ones.
func (t *tracker) bursts(g *group) []float64 {
	if !t.extrapolated || len(g.byLook) == 0 {
		return g.byLook
	}
	least := slices.Max(g.byLook) / 10
	out := slices.Clone(g.byLook)
	for i, bad := range out {
		if bad < least {
			out[i] = 0
		}
	}
	return out
}

// podsWithBad counts the pods of a group that have caused bad events.
func (t *tracker) podsWithBad(name string) int {
	pods := map[string]bool{}
	for _, p := range t.processes {
		if p.group == name && p.bad > p.allowed {
			pods[p.pod] = true
		}
	}
	return len(pods)
}
