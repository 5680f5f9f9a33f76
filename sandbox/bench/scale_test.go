package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestScaleSizes(t *testing.T) {
	var sizes []size
	for name, text := range scaleSizes {
		some, err := parseSizes(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		sizes = append(sizes, some...)
	}
	for _, want := range []size{
		{workloads: 1, pods: 5000, rounds: 1, apart: true},
		{workloads: 500, pods: 1, rounds: 1, peers: true, apart: true},
		{workloads: 1, pods: 3, rounds: 1, contexts: 10},
		{workloads: 500, pods: 1, rounds: 1, alone: true, bad: oneBad},
		{workloads: 1, pods: 5000, rounds: 1, alone: true, bad: crash},
	} {
		if !slices.Contains(sizes, want) {
			t.Errorf("there is no %+v among %+v", want, sizes)
		}
	}
	for _, bad := range []string{"3:1:contexts", "3:1:contexts=0", "3:1:contexts=a"} {
		if sizes, err := parseSizes(bad); err == nil {
			t.Errorf("parseSizes(%q) = %v, want an error", bad, sizes)
		}
	}
}

// TestGrowth: what costs twice as much for twice as many is linear, whatever a run costs in any case.
func TestGrowth(t *testing.T) {
	measured := func(workloads, pods int, cpu time.Duration) group {
		return group{size: size{workloads: workloads, pods: pods}, tracks: []*track{{command: command{name: gateName}, samples: []sample{
			{cpu: cpu, rss: 40 << 20, traffic: traffic{received: cpu.Milliseconds()}}}}}}
	}
	r := results{groups: []group{
		measured(1, 3, 200*time.Millisecond), measured(1, 1000, 1200*time.Millisecond), measured(1, 2000, 2200*time.Millisecond),
		measured(100, 1, 1200*time.Millisecond), measured(200, 1, 4200*time.Millisecond),
		{size: size{workloads: 1, pods: 4000, bad: crash}}, {size: size{workloads: 1, pods: 9, contexts: 3}},
	}}
	rows := r.growth()
	if len(rows) != 6 {
		t.Fatalf("got %q", rows)
	}
	if want := []string{"CPU, pods", "1000, 2000", "1.00 ms", "n^1.00"}; !slices.Equal(rows[0], want) {
		t.Errorf("got %q, want %q", rows[0], want)
	}
	if want := []string{"CPU, workloads", "100, 200", "30.00 ms", "n^2.00"}; !slices.Equal(rows[3], want) {
		t.Errorf("got %q, want %q", rows[3], want)
	}
	if got := (results{}).growth(); got != nil {
		t.Errorf("without a smallest run: %q", got)
	}
	if slope := leastSquares([]float64{1, 2, 3}, []float64{2, 4, 6}); math.Abs(slope-2) > 1e-9 {
		t.Errorf("the slope is %v", slope)
	}
}

func TestSpoil(t *testing.T) {
	const crashes = "behavior: crash-loop"
	for _, c := range []struct {
		size size
		want int
	}{{size{workloads: 5, pods: 1, bad: oneBad}, 1}, {size{workloads: 1, pods: 9, bad: crash}, 1}, {size{workloads: 3, pods: 1, bad: crash}, 3}} {
		k := track{size: c.size, replicas: 1, spoiled: true}
		if got := strings.Count(k.manifest(), crashes); got != c.want {
			t.Errorf("%s: %d crash, want %d", c.size, got, c.want)
		}
		if k.spoiled = false; strings.Contains(k.manifest(), crashes) {
			t.Errorf("%s: a good release crashes", c.size)
		}
	}
}

func TestChart(t *testing.T) {
	chart, err := writeChart(t.TempDir(), "kind: List\n")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(chart, "templates", "web.yaml"))
	if err != nil || string(text) != "kind: List\n" {
		t.Errorf("got %q, %v", text, err)
	}
	c := command{args: []string{"helm", "%chart", "-f", "%s"}}
	if got := c.with("a.yaml", chart); !slices.Equal(got, []string{"helm", chart, "-f", "a.yaml"}) {
		t.Errorf("got %q", got)
	}
}

func TestSeveralContexts(t *testing.T) {
	const one = `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: s, user: u, namespace: default}}],
  clusters: [{name: s, cluster: {server: "https://127.0.0.1:1"}}], users: [{name: u, user: {token: t}}]}`
	text, err := severalContexts(one, 2, func(n int) string { return []string{"a", "b"}[n] })
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"name: cluster-0", "name: cluster-1", "namespace: a", "namespace: b", "cluster: cluster-1"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if _, err := severalContexts("{apiVersion: v1, kind: Config}", 2, nil); err == nil {
		t.Error("a kubeconfig without a context was taken")
	}
}
