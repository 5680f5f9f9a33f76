package diagnosis

import (
	"slices"
	"testing"
)

// TestCausesAreGrouped: every code is there once, families stand together, and those that a pod meets first come first.
func TestCausesAreGrouped(t *testing.T) {
	var codes, families []string
	for _, c := range Causes() {
		codes = append(codes, c.Code)
		if len(families) == 0 || families[len(families)-1] != c.Family {
			if slices.Contains(families, c.Family) {
				t.Errorf("the family %s stands in two places", c.Family)
			}
			families = append(families, c.Family)
		}
		if c.Layer() == "" || c.Scope() == "" || c.Stage() == "" || c.Terminal() == "" || c.Patience() == "" {
			t.Errorf("%s has an empty class: %+v", c.Code, c)
		}
		if decides := c.Terminal() != TerminalContext && c.Stage() != "apply"; decides != (c.Knob() != "") {
			t.Errorf("%s decides: %t, and its knob is %q", c.Code, decides, c.Knob())
		}
	}
	slices.Sort(codes)
	if !slices.Equal(codes, Codes()) {
		t.Errorf("causes %v, codes %v", codes, Codes())
	}
	order := []string{"Applying", "Creating pods", "Scheduling", "Images", "Starting", "Probes"}
	if !slices.IsSortedFunc(order, func(a, b string) int { return slices.Index(families, a) - slices.Index(families, b) }) {
		t.Errorf("families are not in the order in which a pod meets them: %v", families)
	}
}
