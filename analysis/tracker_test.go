package analysis

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// history feeds a tracker looks, a second apart, and returns the counts of the group without labels.
func tracked(c Criterion, pods []Pod, looks ...Answer) *group {
	t := newTracker(c, 0, time.Second, 0)
	for i, a := range looks {
		tallies, err := c.Counts.tallies(a, c.Each, "pod")
		if err != nil {
			panic(err)
		}
		t.observe(time.Unix(int64(1e9+i), 0), tallies, pods)
	}
	g := t.groups[""]
	if g == nil {
		return &group{}
	}
	return g
}

// What the counters of pods add up to.
func TestTracker(t *testing.T) {
	ready := time.Unix(1e9-100, 0)
	a, b := Pod{Name: "a", Ready: ready}, Pod{Name: "b", Ready: ready}
	starting, reused, probed := Pod{Name: "a"}, Pod{Name: "a", Ready: ready, Reused: true}, Pod{Name: "a", Ready: ready, Probes: 10}
	late := Pod{Name: "a", Ready: time.Unix(1e9+1, 0)}
	young := Pod{Name: "a", Ready: time.Unix(1e9-1, 0), Reused: true}
	ratio := Criterion{Counts: &Counts{Bad: "b", Total: "t"}}
	slow := Criterion{Counts: &Counts{Histogram: "h", Over: 0.5}}
	native := Criterion{Counts: &Counts{Histogram: "h", Over: 0.5, Native: true}}
	old := Criterion{Counts: &Counts{Bad: "b", Total: "t"}, Scope: ScopeOld}
	for name, tt := range map[string]struct {
		c      Criterion
		pods   []Pod
		looks  []Answer
		want   string // bad of all
		looked int    // in how many looks there were bad events
	}{
		"all that a new pod has counted":   {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10")}, "3 of 10", 1},
		"nothing is counted twice":         {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10"), counted("a bad 3", "a total 10")}, "3 of 10", 1},
		"growth":                           {ratio, []Pod{a}, []Answer{counted("a total 10"), counted("a bad 1", "a total 20"), counted("a bad 2", "a total 30")}, "2 of 30", 2},
		"a restart":                        {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10"), counted("a bad 1", "a total 4")}, "4 of 14", 2},
		"a restart without bad events":     {ratio, []Pod{a}, []Answer{counted("a bad 3", "a total 10"), counted("a total 4")}, "3 of 14", 1},
		"one of two containers restarts":   {ratio, []Pod{a}, []Answer{counted("a/x total 10", "a/y total 100", "a/y bad 5"), counted("a/x total 3", "a/y total 110", "a/y bad 5")}, "5 of 123", 1},
		"a counter that is born late":      {ratio, []Pod{a}, []Answer{vector(), counted("a total 10"), counted("a total 20", "a bad 7")}, "7 of 20", 1},
		"a counter that is away for once":  {ratio, []Pod{a}, []Answer{counted("a bad 1", "a total 10"), vector(), counted("a bad 2", "a total 30")}, "2 of 30", 2},
		"a pod that is gone":               {ratio, []Pod{a, b}, []Answer{counted("a bad 5", "a total 10", "b total 10"), counted("b total 20")}, "5 of 30", 1},
		"a pod of somebody else":           {ratio, []Pod{a}, []Answer{counted("x bad 5", "x total 10", "a total 3")}, "0 of 3", 0},
		"a pod that is not ready":          {ratio, []Pod{starting}, []Answer{counted("a bad 5", "a total 10")}, "0 of 0", 0},
		"a pod that becomes ready":         {ratio, []Pod{late}, []Answer{counted("a bad 5", "a total 10"), counted("a bad 6", "a total 20")}, "6 of 20", 1},
		"its probes":                       {ratio, []Pod{probed}, []Answer{counted("a bad 8", "a total 50")}, "0 of 42", 0},
		"more than its probes":             {ratio, []Pod{probed}, []Answer{counted("a bad 14", "a total 14")}, "4 of 4", 1},
		"probes are forgiven once":         {ratio, []Pod{probed}, []Answer{counted("a bad 8", "a total 50"), counted("a bad 14", "a total 60")}, "6 of 52", 1},
		"a name that was there before":     {ratio, []Pod{reused}, []Answer{counted("a bad 500", "a total 1000"), counted("a bad 501", "a total 1100")}, "1 of 100", 1},
		"the series of its predecessor":    {ratio, []Pod{young}, []Answer{counted("a bad 500", "a total 1000"), counted("a total 5"), counted("a total 9")}, "0 of 4", 0},
		"the past of old pods":             {old, []Pod{a}, []Answer{counted("a bad 500", "a total 1000"), counted("a bad 501", "a total 1100")}, "1 of 100", 1},
		"latency, from the first look on":  {slow, []Pod{a}, []Answer{counted("a good 1", "a total 10"), counted("a good 9", "a total 20")}, "2 of 10", 1},
		"native, a rounding is no restart": {native, []Pod{a}, []Answer{counted("a good 43", "a total 43"), counted("a good 43.99999999999999", "a total 64"), counted("a good 45", "a total 65")}, "20 of 22", 1},
		"native, coarser buckets":          {native, []Pod{a}, []Answer{counted("a good 40", "a total 40"), counted("a good 50", "a total 60"), counted("a good 61", "a total 70")}, "10 of 30", 1},
	} {
		g := tracked(tt.c, tt.pods, tt.looks...)
		looked := 0
		for _, n := range g.byLook {
			if n > 0 {
				looked++
			}
		}
		if got := fmt.Sprintf("%s of %s", plain(g.bad), plain(g.all)); got != tt.want || looked != tt.looked {
			t.Errorf("%s: got %s in %d looks, want %s in %d", name, got, looked, tt.want, tt.looked)
		}
	}
}

// The order of pods, containers and series makes no difference to what is counted.
func TestTrackerOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	c := Criterion{Counts: &Counts{Bad: "b", Total: "t"}, Each: []string{"path"}, Limit: Limit{Value: 0.01}}
	pods := []Pod{{Name: "a", Ready: time.Unix(1, 0)}, {Name: "b", Ready: time.Unix(1, 0)}}
	for range 300 {
		straight, shuffled := newTracker(c, 0, time.Second, 0), newTracker(c, 0, time.Second, 0)
		for look := range 4 {
			var a Answer
			for _, pod := range []string{"a/x:/one", "a/y:/one", "b/x:/two", "b/x:/one"} {
				total := random.IntN(200)
				a.Samples = append(a.Samples, counted(fmt.Sprintf("%s total %d", pod, total), fmt.Sprintf("%s bad %d", pod, random.IntN(total+1)/20)).Samples...)
			}
			at := time.Unix(int64(1e9+look), 0)
			for _, tracker := range []*tracker{straight, shuffled} {
				tallies, err := c.Counts.tallies(a, c.Each, "pod")
				if err != nil {
					t.Fatal(err)
				}
				tracker.observe(at, tallies, pods)
				random.Shuffle(len(a.Samples), func(i, j int) { a.Samples[i], a.Samples[j] = a.Samples[j], a.Samples[i] })
			}
			x, y := c.share(at, straight, 0.01, nil), c.share(at, shuffled, 0.01, nil)
			if x.State != y.State || x.Group != y.Group || x.Bad != y.Bad || x.Events != y.Events || x.Evidence != y.Evidence || x.Spread != y.Spread {
				t.Fatalf("%+v\nand in another order\n%+v", x, y)
			}
		}
	}
}

// Bad events came at two times when the samples that show them are two seconds apart, whenever somebody looks at these.
func TestOneBurstIsAboutSamples(t *testing.T) {
	c := Criterion{Counts: &Counts{Bad: "b", Total: "t"}}
	pods := []Pod{{Name: "a", Ready: time.Unix(1e9-100, 0)}}
	for name, tt := range map[string]struct {
		looks, taken [2]time.Duration
		skew         time.Duration // of the server's clock
		want         int
	}{
		"looked at late and then at once":   {[2]time.Duration{900 * time.Millisecond, 2300 * time.Millisecond}, [2]time.Duration{0, 2 * time.Second}, 0, 2},
		"looked at at once and then late":   {[2]time.Duration{100 * time.Millisecond, 2 * time.Second}, [2]time.Duration{0, time.Second}, 0, 1},
		"the answer took its time":          {[2]time.Duration{100 * time.Millisecond, 5 * time.Second}, [2]time.Duration{0, time.Second}, 0, 1},
		"a sample comes a little early":     {[2]time.Duration{300 * time.Millisecond, 2300 * time.Millisecond}, [2]time.Duration{0, 1990 * time.Millisecond}, 0, 2},
		"a server whose clock is elsewhere": {[2]time.Duration{300 * time.Millisecond, 2300 * time.Millisecond}, [2]time.Duration{0, time.Second}, time.Hour, 1},
	} {
		began := time.Unix(1e9, 0)
		tracker := newTracker(c, 0, time.Second, 15*time.Second)
		for i, look := range []tally{{pod: "a", process: "a", bad: 3, total: 10}, {pod: "a", process: "a", bad: 9, total: 20}} {
			look.taken = began.Add(tt.taken[i] + tt.skew)
			tracker.observe(began.Add(tt.looks[i]), []tally{look}, pods)
		}
		times := 0
		for _, bad := range tracker.groups[""].byLook {
			if bad > 0 {
				times++
			}
		}
		if times != tt.want {
			t.Errorf("%s: bad events came at %d times, want %d", name, times, tt.want)
		}
	}
}
