package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// What can be shown where the output goes.

// parseColor reads the value of --color. With auto the environment decides (NO_COLOR, then CLICOLOR_FORCE and
// FORCE_COLOR), then whether w is a terminal or the log of a CI system that shows colours.
func parseColor(value string, getenv func(string) string, ci ciSystem, w io.Writer) (bool, error) {
	switch value {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "", "auto":
	default:
		return false, fmt.Errorf("reading --color: %q is none of auto, always, never", value)
	}
	forced := func(name string) bool { v := getenv(name); return v != "" && v != "0" && v != "false" }
	switch {
	case getenv("NO_COLOR") != "":
		return false, nil
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return true, nil
	case ci.name != ciNone:
		return ci.colors, nil
	}
	return isTerminal(w) && getenv("TERM") != "dumb", nil
}

// isLive says whether progress may be redrawn in place: on a real terminal that a person looks at.
func isLive(getenv func(string) string, ci, detected ciSystem, w io.Writer) bool {
	return ci.name == ciNone && detected.name == ciNone && getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is 100 where there is no terminal to ask: Jenkins and small windows wrap longer lines.
func terminalWidth(w io.Writer) int {
	if f := fileOf(w); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 100
}

// fileOf is the file that w writes to, nil when it is none.
func fileOf(w io.Writer) *os.File {
	if o, ok := w.(*outlet); ok {
		w = o.w
	}
	f, _ := w.(*os.File)
	return f
}
