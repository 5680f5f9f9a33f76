//go:build prometheus

package promtest

import (
	"flag"
	"os"
	"testing"
)

// TestMain lets more tests run at once than there are processors: most of their
// time they wait for a scrape.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func empty(r Result) bool { return len(r.Series) == 0 }

func some(r Result) bool { return len(r.Series) > 0 }

func is(value float64) func(Result) bool {
	return func(r Result) bool { return r.Is(value) }
}

// near allows for what happened between two scrapes.
func near(value, by float64) func(Result) bool {
	return func(r Result) bool {
		values := r.Values()
		return len(values) == 1 && values[0] >= value-by && values[0] <= value+by
	}
}
