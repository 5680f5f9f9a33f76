package diagnosis

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestExplain runs every case of testdata twice, while watching and when the time is up. Most cases were recorded from
// a real kubelet (v1.36) with containerd; the others were written by hand from the sources of other versions.
func TestExplain(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/*/evidence.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			ev := load(t, dir)
			watching := render(strict.Explain(ev))
			ev.TimedOut = true
			timedOut := render(strict.Explain(ev))
			ev.TimedOut = false
			got := "# while watching\n" + watching + "# decides when it stays so for three minutes: " + outlook(strict, ev) + "\n"
			if timedOut != watching {
				got += "# when the time is up\n" + timedOut
			}
			golden := filepath.Join(dir, "want.golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("findings differ (-want +got):\n%s", diff)
			}
		})
	}
}

// outlook is the code that would end the gate, and when, if the evidence stayed as it is.
func outlook(c *Catalogue, ev Evidence) string {
	var s Confirmer
	start := ev.Workload.Now
	for now := start; now.Sub(start) <= 3*time.Minute; now = now.Add(5 * time.Second) {
		ev.Workload.Now = now
		if f, _ := s.Confirm(c.Explain(ev), now, Patience{}); f != nil {
			return f.Code + " after " + short(now.Sub(start))
		}
	}
	return "nothing"
}

// TestExplainOrder reads the same evidence in another order: the answer must not depend on how a cache is sorted.
func TestExplainOrder(t *testing.T) {
	for _, name := range []string{"crash-half", "quota-deadlock", "evicted-pressure", "still-progressing", "volume-config-map-missing"} {
		ev := load(t, folder(t, name))
		ev.TimedOut = true
		want := render(strict.Explain(ev))
		slices.Reverse(ev.Workload.Pods)
		slices.Reverse(ev.Workload.ReplicaSets)
		slices.Reverse(ev.Events)
		slices.Reverse(ev.Nodes)
		if diff := cmp.Diff(want, render(strict.Explain(ev))); diff != "" {
			t.Errorf("%s: findings depend on the order of the evidence:\n%s", name, diff)
		}
	}
}

// TestExplainNothing has no evidence at all, as when everything was refused.
func TestExplainNothing(t *testing.T) {
	if got := strict.Explain(Evidence{}); len(got) != 0 {
		t.Errorf("got %s", render(got))
	}
	if got := strict.Explain(Evidence{TimedOut: true, Unreadable: []string{"pods"}}); len(got) != 1 || got[0].Code != "Unexplained" {
		t.Errorf("got %s", render(got))
	}
}
