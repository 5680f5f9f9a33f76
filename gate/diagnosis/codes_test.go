package diagnosis

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestCodesOnlyGrow: people and programs rely on a code, so one that was published stays. testdata/codes holds every
// code there ever was; -update adds new ones and never removes any.
func TestCodesOnlyGrow(t *testing.T) {
	const path = "testdata/codes"
	data, err := os.ReadFile(path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	known := strings.Fields(string(data))
	now := Codes()
	for _, code := range known {
		if !slices.Contains(now, code) {
			t.Errorf("code %s is gone; a renamed code keeps its old name", code)
		}
	}
	for _, code := range now {
		if !slices.Contains(known, code) {
			known = append(known, code)
			if !*update {
				t.Errorf("code %s is new: add it with -update", code)
			}
		}
	}
	slices.Sort(known)
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(known, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCauses: every cause says what it means, where it is read and what helps.
func TestCauses(t *testing.T) {
	for _, code := range Codes() {
		c := catalogue.causes[code]
		for name, text := range map[string]string{"Meaning": c.Meaning, "Signals": c.Signals, "Remedy": c.Remedy} {
			if len(text) < 20 || !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %s is not a sentence: %q", code, name, text)
			}
		}
	}
}
