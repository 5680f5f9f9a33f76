package live

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/internal/eventlog"
)

// inCluster are events as those of one of several clusters, some time later.
func inCluster(t *testing.T, run, cluster string, later time.Duration) []gate.Event {
	t.Helper()
	events, err := eventlog.Read("testdata/" + run + ".json")
	if err != nil {
		t.Fatal(err)
	}
	shift := later - events[0].Time.Sub(time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	for i := range events {
		events[i].Time, events[i].Cluster = events[i].Time.Add(shift), cluster
	}
	return events
}

// TestClusters: a line for each of several clusters, at moments of three recorded runs that go on beside each other.
func TestClusters(t *testing.T) {
	begin := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	all := [][]gate.Event{inCluster(t, "canary", "eu", 0), inCluster(t, "failing", "us", 5*time.Second), inCluster(t, "criteria", "asia", 8*time.Second)}
	var out strings.Builder
	for _, view := range []View{{Width: 40, Height: 24}, {Width: 80, Height: 24}, {Width: 120, Height: 24}, {Width: 80, Height: 4}, {Width: 12, Height: 3}} {
		s := State{Timeout: 10 * time.Minute}
		next := make([]int, len(all))
		for _, at := range []time.Duration{time.Second, 9 * time.Second, 20 * time.Second, 40 * time.Second, 10 * time.Minute} {
			for i, events := range all {
				for ; next[i] < len(events) && !events[next[i]].Time.After(begin.Add(at)); next[i]++ {
					s.Take(events[next[i]])
				}
			}
			block := s.Block(begin.Add(at), view)
			if len(block) >= view.Height {
				t.Errorf("%d lines in a terminal with %d", len(block), view.Height)
			}
			for _, l := range block {
				if runewidth.StringWidth(l) >= view.Width {
					t.Errorf("%q is too wide for %d columns", l, view.Width)
				}
			}
			fmt.Fprintf(&out, "%s\n\n", strings.Join(block, "\n"))
		}
	}
	compare(t, "testdata/clusters.golden", out.String())
}
