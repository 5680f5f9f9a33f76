package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// buildkite has groups in its log, which begin with a line of their own and end where the next one begins.
func buildkite() ciSystem {
	return ciSystem{
		name: "buildkite", colors: true,
		detect: func(getenv func(string) string) bool { return getenv("BUILDKITE") == "true" },
		pipeline: func(getenv func(string) string) record.Pipeline {
			return record.Pipeline{URL: getenv("BUILDKITE_BUILD_URL"), Commit: getenv("BUILDKITE_COMMIT"), Actor: getenv("BUILDKITE_BUILD_CREATOR")}
		},
		log: func(w io.Writer, _ func(string) string) ciLog {
			g := &buildkiteGroups{w: w}
			return ciLog{text: g, folder: g}
		},
	}
}

// buildkiteGroups is a log in which details are folded. Because a group has no end, what follows one gets a group of its own,
// which is open; it begins with the first text, so that there is no empty one between two that are folded.
//
// Text from the cluster begins no line, so it begins no group.
type buildkiteGroups struct {
	w io.Writer

	mu      sync.Mutex
	folded  bool // text goes into a group that is folded
	closed  bool // that group is over, and nothing was printed since
	midLine bool
}

// Write prints text.
func (g *buildkiteGroups) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed && len(p) > 0 {
		g.closed = false
		if _, err := io.WriteString(g.w, "+++ rolloutgate\n"); err != nil {
			return 0, fmt.Errorf("writing to Buildkite: %w", err)
		}
	}
	n, err := g.w.Write(p)
	if n > 0 {
		g.midLine = p[n-1] != '\n'
	}
	return n, err
}

// Open begins a group that is folded until somebody clicks on it.
func (g *buildkiteGroups) Open(title string) { g.begin("--- " + flat(title)) }

// Close ends the group.
func (g *buildkiteGroups) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed, g.folded = g.closed || g.folded, false
}

// begin prints the line of a group. A failure to write is not lost: whatever is written next to the same log reports it.
func (g *buildkiteGroups) begin(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.midLine {
		line = "\n" + line
	}
	g.folded, g.closed, g.midLine = true, false, false
	fmt.Fprintln(g.w, line)
}
