package main

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func example() results {
	samples := func(wall time.Duration, received int64) []sample {
		return []sample{{
			wall: wall, cpu: wall / 10, rss: 50 << 20, lag: 40 * time.Millisecond,
			traffic: traffic{connections: 1, received: received, sent: 7000},
		}}
	}
	g := group{size: smallRollout, tracks: []*track{
		{command: command{name: kubectlCold}, samples: samples(2*time.Second, 100_000)},
		{command: command{name: gateName}, samples: samples(2200*time.Millisecond, 140_000)},
	}}
	crowd := group{size: smallRollout, neighbours: 5000, tracks: []*track{
		{command: command{name: gateName}, samples: samples(2*time.Second, 140_000)},
	}}
	return results{groups: []group{g}, crowd: &crowd, keeps: &keeping{5, 30 * time.Millisecond}, binary: binary{44_000_000, 31 * time.Millisecond}}
}

func TestCosts(t *testing.T) {
	want := `| pods | command | rounds | wall, s | CPU, s | peak RSS, MiB | received, kB | sent, kB | connections | lag, ms |
|---|---|---|---|---|---|---|---|---|---|
| 3 | kubectl, no cache | 1 | 2.00 | 0.20 | 50.0 | 100 | 7.0 | 1 | 40 |
| 3 | rolloutgate | 1 | 2.20 | 0.22 | 50.0 | 140 | 7.0 | 1 | 40 |
| 3 beside 5000 others | rolloutgate | 1 | 2.00 | 0.20 | 50.0 | 140 | 7.0 | 1 | 40 |
`
	if got := example().costs(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBudgets(t *testing.T) {
	want := []budget{
		{"wall, 3 pods, by kubectl, no cache", "1.10×", "≤ 1.05×", false},
		{"bytes received, 3 pods, by kubectl, no cache", "1.40×", "≤ 1.50×", true},
		{"bytes received beside 5000 unrelated pods, by bytes without", "1.00×", "≤ 1.10×", true},
		{"requests for lock and record of a plain run", "5", "≤ 3", false},
		{"time of these requests", "30 ms", "≤ 60 ms", true},
		{"lag, p95 of all rounds of one workload", "40 ms", "≤ 100 ms", true},
		{"binary", "44.0 MB", "≤ 45.0 MB", true},
		{"cold start of `version`", "31 ms", "≤ 30 ms", false},
	}
	got := example().budgets()
	if len(got) != len(want) {
		t.Fatalf("got %d budgets, want %d: %v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("got %v, want %v", got[i], want[i])
		}
	}
}

// TestManyWorkloads: with many workloads at once the lag is compared with kubectl's, and does not count among the others.
func TestManyWorkloads(t *testing.T) {
	samples := func(lag time.Duration, rss int64) []sample {
		return []sample{{wall: time.Minute, cpu: time.Second, rss: rss, lag: lag, traffic: traffic{connections: 1, received: 1, sent: 1}}}
	}
	r := example()
	r.groups = append(r.groups, group{size: manyRollouts, tracks: []*track{
		{command: command{name: kubectlCold}, samples: samples(time.Second, 80<<20)},
		{command: command{name: gateName}, samples: samples(1600*time.Millisecond, 150<<20)},
	}})
	got := r.budgets()
	for _, want := range []budget{
		{"peak RSS, 200 workloads, worst round", "150.0 MiB", "≤ 160.0 MiB", true},
		{"lag, 200 workloads, by kubectl, no cache", "1.60×", "≤ 1.50×", false},
		{"lag, p95 of all rounds of one workload", "40 ms", "≤ 100 ms", true},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %v among %v", want, got)
		}
	}
}

func TestBudgetsOfLargeRollouts(t *testing.T) {
	measured := func(s size, cpu time.Duration, mebibytes int64) group {
		return group{size: s, tracks: []*track{{command: command{name: gateName}, samples: []sample{{cpu: cpu, rss: mebibytes << 20}}}}}
	}
	r := results{groups: []group{measured(largeRollout, 2*time.Second, 50), measured(hugeRollout, 12*time.Second, 170), measured(manyRollouts, time.Second, 100)}}
	want := []budget{
		{"peak RSS, 1,000 pods, worst round", "50.0 MiB", "≤ 80.0 MiB", true},
		{"CPU, 1,000 pods, worst round", "2.00 s", "≤ 3.00 s", true},
		{"peak RSS, 5,000 pods, worst round", "170.0 MiB", "≤ 160.0 MiB", false},
		{"CPU a pod, 5000 pods, by 1000", "1.20×", "≤ 1.10×", false},
		{"peak RSS, 200 workloads, worst round", "100.0 MiB", "≤ 160.0 MiB", true},
	}
	if got := r.budgets()[:len(want)]; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
}

func TestParseSizes(t *testing.T) {
	got, err := parseSizes("3:5,1000:2:no-probe,200x1:3,5000:1:alone:no-probe")
	want := []size{{workloads: 1, pods: 3, rounds: 5}, {workloads: 1, pods: 1000, rounds: 2, noProbe: true}, {workloads: 200, pods: 1, rounds: 3}, {workloads: 1, pods: 5000, rounds: 1, noProbe: true, alone: true}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if _, err := parseSizes(defaultSizes); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "3", "3:0", "0:1", "a:1", "3:b", "3:1,", "x3:1", "0x3:1", "3x:1", "3:1:probe"} {
		if sizes, err := parseSizes(bad); err == nil {
			t.Errorf("parseSizes(%q) = %v, want an error", bad, sizes)
		}
	}
}

func TestManifest(t *testing.T) {
	k := track{size: size{workloads: 3, pods: 2, noProbe: true}, replicas: 2, revision: 7}
	text := k.manifest()
	for part, want := range map[string]int{"kind: Deployment": 3, "kind: Service": 3, "---": 5, "name: web-2\n": 2, ":r7": 3, "readinessProbe": 0} {
		if got := strings.Count(text, part); got != want {
			t.Errorf("%d times %q, want %d", got, part, want)
		}
	}
	k.size.noProbe = false
	if strings.Count(k.manifest(), "readinessProbe") != 3 {
		t.Error("there is no probe")
	}
}

func TestSpread(t *testing.T) {
	for want, values := range map[string][]float64{
		"2.5 (1.0–9.0)": {9, 2.5, 1}, "2.0": {2.01, 1.99}, "0.0": nil,
	} {
		if got := spread(values, 1); got != want {
			t.Errorf("spread(%v) = %q, want %q", values, got, want)
		}
	}
}
