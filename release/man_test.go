package main

import (
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite testdata")

func TestManual(t *testing.T) {
	var words reference
	err := json.Unmarshal([]byte(`{"version": "v1.2.3", "short": "Do it", "long": "rolloutgate does it.\n.hidden 'requests' stay text.",
		"commands": [{"name": "run", "use": "rolloutgate run -f FILENAME [flags]", "short": "Does it work?",
			"example": "  rolloutgate run -f deploy/ \\\n    --check 'a ~ \"b\"'",
			"flags": [{"name": "check", "type": "stringArray", "usage": "limit <= 5 … repeatable"}, {"name": "recursive", "shorthand": "R", "type": "bool", "usage": "go deeper"},
				{"name": "timeout", "type": "duration", "default": "10m0s", "usage": "how long."}]}],
		"exits": [{"code": 0, "name": "passed", "meaning": "healthy"}]}`), &words)
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, page := range manuals(words, epoch) {
		all.WriteString("-- " + page.name + " --\n" + string(page.data))
	}
	const golden = "testdata/manual.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", all.String(), want)
	}
}
