package diagnosis

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// licences is the rule of a made-up family: an event of a made-up controller says that a licence is over.
func licences(s *scene) []Finding {
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

// extend declares one more family, as a file of its own would, for as long as a test runs.
func extend(t *testing.T, r rule, c Cause) {
	t.Helper()
	before := catalogue
	catalogue.causes = maps.Clone(before.causes)
	t.Cleanup(func() { catalogue = before })
	family("Licences", r, c)
}

// TestOneMoreCause holds the promise of CONTRIBUTING.md: a cause is one file with its fixtures. Nothing but the family's
// declaration makes it found, ranked, tunable and documented.
func TestOneMoreCause(t *testing.T) {
	dir := filepath.Join("testdata", "extension")
	cause := Cause{Code: "LicenceExpired", class: after("start", LayerPod, ScopeSpec, 2, 30*time.Second),
		Meaning: "The licence is over.", Signals: "An event LicenceCheck.", Remedy: "Renew it."}

	t.Run("before what it explains", func(t *testing.T) {
		extend(t, licences, cause)
		ev := load(t, dir)
		found := Explain(ev)
		got := render(found) + "# decides when it stays so for three minutes: " + outlook(ev) + "\n" + renderLayers(Layers(ev, found))
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
		if !slices.Contains(Codes(), "LicenceExpired") || Describe("LicenceExpired") != "fails after 2 attempts and 30s" {
			t.Error("flags do not know the code")
		}
		if !slices.ContainsFunc(Causes(), func(c Cause) bool { return c.Code == "LicenceExpired" && c.Family == "Licences" }) {
			t.Error("docs/causes.md would not have it")
		}
	})
	t.Run("after what explains it", func(t *testing.T) {
		late := cause
		late.class = after("traffic", LayerService, ScopeSpec, 2, 30*time.Second)
		extend(t, licences, late)
		found := Explain(load(t, dir))
		if len(found) != 1 || found[0].Code != "AppCrash" || !slices.Contains(found[0].Suppresses, "LicenceExpired") {
			t.Errorf("what fails earlier comes first:\n%s", render(found))
		}
	})
	t.Run("gone again", func(t *testing.T) {
		if found := render(Explain(load(t, dir))); !strings.HasPrefix(found, "AppCrash") || Describe("LicenceExpired") != "" {
			t.Errorf("without the family there is no such cause:\n%s", found)
		}
	})
}
