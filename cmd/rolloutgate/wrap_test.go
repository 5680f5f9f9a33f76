package main

import (
	"slices"
	"strings"
	"testing"
)

// TestWords: a command as one text is read as a shell reads it, and what only a shell could do is refused.
func TestWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":                                    nil,
		"  helm   rollback\tweb\n":            {"helm", "rollback", "web"},
		`sh -c 'a | b; c "$X"'`:               {"sh", "-c", `a | b; c "$X"`},
		`a "b c" d\ e "f\"g" ''`:              {"a", "b c", "d e", `f"g`, ""},
		`a "one\two" 'one\two'`:               {"a", `one\two`, `one\two`},
		`--set name="a b"c`:                   {"--set", "name=a bc"},
		`a "x; y"`:                            {"a", "x; y"},
		`echo \$HOME 'it'"'"'s'`:              {"echo", "$HOME", "it's"},
		"helm upgrade web ./chart -n ünïcode": {"helm", "upgrade", "web", "./chart", "-n", "ünïcode"},
	} {
		if got, err := words("--command", text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q %v, want %q", text, got, err, want)
		}
	}
	for text, why := range map[string]string{
		"a | b": "means something to a shell", "a && b": "means something to a shell", "a > f": "means something to a shell",
		"a $HOME": "means something to a shell", "a `b`": "means something to a shell", `a "$B"`: "means something to a shell",
		"a 'b": "a quote is not closed", `a "b`: "a quote is not closed", `a \`: "a quote is not closed",
	} {
		if _, err := words("--command", text); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
	}
}
