package main

import (
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
	g := group{pods: 3, tracks: []*track{
		{command: command{name: kubectlCold}, samples: samples(2*time.Second, 100_000)},
		{command: command{name: gateName}, samples: samples(2200*time.Millisecond, 140_000)},
	}}
	crowd := group{pods: 3, neighbours: 5000, tracks: []*track{
		{command: command{name: gateName}, samples: samples(2*time.Second, 140_000)},
	}}
	return results{groups: []group{g}, crowd: &crowd, binary: binary{44_000_000, 31 * time.Millisecond}}
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
		{"lag, p95 of all rounds", "40 ms", "≤ 100 ms", true},
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

func TestBetween(t *testing.T) {
	document := "# Title\n\n" + beginMark + "\nold\n" + endMark + "\nrest\n"
	got, err := between(document, "\nnew\n\n")
	if want := strings.Replace(document, "old", "new", 1); err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", beginMark, endMark + beginMark} {
		if _, err := between(bad, "new"); err == nil {
			t.Errorf("between(%q) found both marks", bad)
		}
	}
}

func TestParseSizes(t *testing.T) {
	got, err := parseSizes("3:5,1000:2")
	if err != nil || len(got) != 2 || got[0] != (size{3, 5}) || got[1] != (size{1000, 2}) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "3", "3:0", "0:1", "a:1", "3:b", "3:1,"} {
		if sizes, err := parseSizes(bad); err == nil {
			t.Errorf("parseSizes(%q) = %v, want an error", bad, sizes)
		}
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
