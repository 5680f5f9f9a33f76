package diagnosis

import (
	"os"
	"path/filepath"
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

// TestCauses: every code is declared once, belongs to a stage that exists, and says what it means, where it is read and
// what helps.
func TestCauses(t *testing.T) {
	declared := map[string]bool{}
	for _, r := range rules {
		for _, c := range r.Causes {
			if declared[c.Code] {
				t.Errorf("code %s is declared twice", c.Code)
			}
			declared[c.Code] = true
			if c.InUndo != "" && undoWords[c.InUndo] == "" {
				t.Errorf("%s: an undo has no cause %q", c.Code, c.InUndo)
			}
			if !slices.Contains(stages, c.stage) {
				t.Errorf("%s: there is no stage %q", c.Code, c.stage)
			}
			for name, text := range map[string]string{"Meaning": c.Meaning, "Signals": c.Signals, "Remedy": c.Remedy} {
				if len(text) < 20 || !strings.HasSuffix(text, ".") {
					t.Errorf("%s: %s is not a sentence: %q", c.Code, name, text)
				}
			}
		}
	}
}

// TestRulesAreRows: a rule that is declared in a file but is no row of rules would never be asked.
func TestRulesAreRows(t *testing.T) {
	files, err := filepath.Glob("rule_*.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		declared += strings.Count(string(data), " = Rule{")
	}
	if declared != len(rules) {
		t.Errorf("%d rules are declared in rule_*.go, and %d are rows of rules in catalogue.go", declared, len(rules))
	}
}
