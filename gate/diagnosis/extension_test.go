package diagnosis

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// licences is the rule of a made-up family: an event of a made-up controller says that a licence is over.
func licences(s *facts) []Finding {
	var found []Finding
	for _, c := range s.containers {
		events := s.eventsAbout(c, "LicenceCheck", "expired")
		if len(events) == 0 {
			continue
		}
		f := s.in(c, "LicenceExpired")
		f.Count = occurrences(events)
		f.Confidence = Proven
		f.Evidence = proofs(events, 1)
		f.Cause = "the licence of container " + c.spec.Name + " is over: " + quote(events[len(events)-1].Message)
		f.Fix = []string{"renew the licence"}
		found = append(found, f)
	}
	return found
}

// TestOneMoreCause holds the promise of CONTRIBUTING.md: a cause is one file with its fixtures, and its rule one row of
// rules. Nothing but that makes it found, ranked, tunable and documented.
func TestOneMoreCause(t *testing.T) {
	dir := filepath.Join("testdata", "extension")
	with := func(c class) *Catalogue {
		return NewCatalogue(append(slices.Clone(rules), Rule{Family: "Licences", Find: licences, Causes: []Cause{
			{Code: "LicenceExpired", class: c, LooksUp: []string{"Secret"}, ReadsLogs: true, InUndo: "UndoBlocked", Meaning: "The licence is over.", Signals: "An event LicenceCheck.", Remedy: "Renew it."},
		}}))
	}

	t.Run("before what it explains", func(t *testing.T) {
		catalogue := with(after("start", LayerPod, ScopeSpec, 2, 30*time.Second))
		ev := load(t, dir)
		found := catalogue.Explain(ev)
		got := render(found) + "# decides when it stays so for three minutes: " + outlook(catalogue, ev) + "\n" + renderLayers(Layers(ev, found))
		golden := filepath.Join(dir, "want.golden")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("findings differ (-want +got):\n%s", diff)
		}
		if len(found) != 1 || !slices.Contains(found[0].Suppresses, "AppCrash") {
			t.Errorf("a program that crashes for want of a licence is no other cause:\n%s", render(found))
		}
		if p, err := catalogue.ParsePatience("LicenceExpired=2m", ""); err != nil || p.Grace["LicenceExpired"] != 2*time.Minute {
			t.Error("flags do not know the code:", err)
		}
		if !slices.ContainsFunc(catalogue.Causes(), func(c Cause) bool {
			return c.Code == "LicenceExpired" && c.Family == "Licences" && c.Patience() == "fails after 2 attempts and 30s"
		}) {
			t.Error("docs/causes.md would not have it")
		}
	})
	t.Run("what others know of it", func(t *testing.T) {
		catalogue := with(after("start", LayerPod, ScopeSpec, 2, 30*time.Second))
		ev := load(t, dir)
		need := catalogue.Needs(ev)
		if !slices.Equal(need.Names, []string{"Secret"}) || len(need.Logs) == 0 {
			t.Errorf("what it needs is not read: %+v", need)
		}
		ev.Undoing = true
		if found := catalogue.Explain(ev); found[0].Code != "UndoBlocked" || found[0].Detail != "LicenceExpired" {
			t.Errorf("an undo that it stops is not told:\n%s", render(found))
		}
	})
	t.Run("after what explains it", func(t *testing.T) {
		found := with(after("traffic", LayerService, ScopeSpec, 2, 30*time.Second)).Explain(load(t, dir))
		if len(found) != 1 || found[0].Code != "AppCrash" || !slices.Contains(found[0].Suppresses, "LicenceExpired") {
			t.Errorf("what fails earlier comes first:\n%s", render(found))
		}
	})
	t.Run("without it", func(t *testing.T) {
		_, err := standard.ParsePatience("LicenceExpired=2m", "")
		if found := render(Explain(load(t, dir))); !strings.HasPrefix(found, "AppCrash") || err == nil {
			t.Errorf("without the rule there is no such cause:\n%s", found)
		}
	})
}
