package stats

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/statistics.md")

// TestStatisticsDocument: docs/statistics.md is testdata/statistics.md with
// the tables that the functions of this package give today.
func TestStatisticsDocument(t *testing.T) {
	t.Parallel()
	const document = "../../docs/statistics.md"
	text, err := os.ReadFile("testdata/statistics.md")
	if err != nil {
		t.Fatal(err)
	}
	low0, high0 := Interval(0, 300, 0.95)
	low9, high9 := Interval(9, 300, 0.95)
	parts := map[string]func() string{
		"windows": windowTable, "every request": everyRequestTable, "looks": looksTable, "trickle": trickleTable,
		"bursts": burstTable, "early pass": earlyPassTable, "split": splitTable, "comparison": comparisonTable,
		"late": lateTable, "between": betweenTable,
		"placebo":                   placeboTable,
		"needed":                    func() string { return fmt.Sprint(EventsNeeded(0.01, 0.95)) },
		"needed for half a percent": func() string { return fmt.Sprint(EventsNeeded(0.005, 0.95)) },
		"needed for a thousandth":   func() string { return fmt.Sprint(EventsNeeded(0.001, 0.95)) },
		"none of 300":               func() string { return fmt.Sprintf("%.2f to %.2f %%", 100*low0, 100*high0) },
		"9 of 300":                  func() string { return fmt.Sprintf("%.2f to %.2f %%", 100*low9, 100*high9) },
	}
	made := map[string]string{}
	var all sync.WaitGroup
	var mu sync.Mutex
	for name, part := range parts { // each has a seed of its own
		all.Go(func() {
			text := part()
			mu.Lock()
			defer mu.Unlock()
			made[name] = text
		})
	}
	all.Wait()
	want := regexp.MustCompile(`\{\{[^}]*\}\}`).ReplaceAllFunc(text, func(match []byte) []byte {
		name := string(match[2 : len(match)-2])
		part, ok := made[name]
		if !ok {
			t.Fatalf("testdata/statistics.md asks for %q", name)
		}
		delete(parts, name)
		return []byte(part)
	})
	for name := range parts {
		t.Errorf("testdata/statistics.md does not use %q", name)
	}
	if *update {
		if err := os.WriteFile(document, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("docs/statistics.md is not what the code gives; run\n%s", command)
	}
}
