package main

import (
	"fmt"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate/drill"
)

// TestDrillPage: the page has the faults of the code.
func TestDrillPage(t *testing.T) {
	table := "| fault | what is wrong with the variant |\n|---|---|\n"
	for _, f := range drill.Faults() {
		what := f.What
		if f.NeedsCriteria {
			what += "; only when it is asked for"
		}
		table += fmt.Sprintf("| `%s` | %s |\n", f.Name, what)
	}
	generated(t, "docs/drill.md", "faults", table)
}
