package messages

import (
	"regexp"
	"strings"
)

// trace is one block of a log in which a runtime says how a program failed: the error, and where it happened.
type trace struct {
	from, to int // the lines of the block, to excluded
	// head is the line that says best what went wrong. Errors that wrap others end, or begin, with their root.
	head int
}

// grammar is how the traces of one language look. A block begins with a line that opens it and goes on for as long as
// its lines belong to it.
type grammar struct {
	opens   func(lines []string, i int) (head int, ok bool)
	belongs *regexp.Regexp
	// root matches the line of an error that caused the one above it; the last one in the block is the head.
	root *regexp.Regexp
}

// The exceptions of languages whose stack frames begin with "at": the JVM, Node.js and .NET.
var (
	frame     = regexp.MustCompile(`^\s+at \S`)
	exception = regexp.MustCompile(`(?:^|[\s"(])(?:[\w$]+\.)*(?:[A-Z][\w$]*)?(?:Error|Exception|Throwable|Rejection)\b`)
)

// IsFrame reports whether a line is a stack frame that begins with "at".
func IsFrame(line string) bool { return frame.MatchString(line) }

var grammars = []grammar{
	{ // Go: panics and what the runtime gives up about. A panic that a deferred function repeats stands below the first.
		opens:   opened(`^panic: |^fatal error: |^runtime: goroutine stack exceeds`),
		belongs: regexp.MustCompile(`^\s|^$|^goroutine \d+ |^\[signal |^[\w./*()$·-]+\(.*\)$|^[\w./*()\[\]·-]+\.[\w.()*\[\]·-]+\(.*$|^created by |^exit status |^fatal error: |^panic: |^runtime[.:]`),
	},
	{ // Python. Where one error is raised from another, the first is the cause; where it is raised while the other is
		// handled, the last says more (docs.python.org, "Exception chaining").
		opens:   pythonOpens,
		belongs: regexp.MustCompile(`^\s|^$`),
	},
	{ // Ruby
		opens:   opened(`^\S+\.(?:rb|ru):\d+:in ['\x60].+': .*\(\w[\w:]*\)`),
		belongs: regexp.MustCompile(`^\s+(?:\d+: )?from |^\s*$`),
	},
	{ // PHP
		opens:   opened(`^(?:PHP )?Fatal error: `),
		belongs: regexp.MustCompile(`^Stack trace:|^#\d+ |^\s+thrown in |^Next `),
	},
	{ // Rust
		opens:   rustOpens,
		belongs: regexp.MustCompile(`^\s|^stack backtrace:|^note: |^called |^assertion `),
	},
	{ // C++
		opens:   opened(`^terminate called after throwing`),
		belongs: regexp.MustCompile(`^\s+what\(\): `),
		root:    regexp.MustCompile(`^\s+what\(\): `),
	},
	{ // Spring Boot's own words, which replace the trace
		opens:   springOpens,
		belongs: regexp.MustCompile(`.`),
	},
	{ // JVM, Node.js and .NET
		opens:   framesOpen,
		belongs: regexp.MustCompile(`^\s+at \S|^\s+\.\.\. \d+ (?:more|common frames)|^\s*(?:Caused by|Suppressed): |^ ---> |^\s+--- End of |^--- End of |^\s*\[(?:cause|errors)\]: |^\s+\S.*|^[}\]]|^$|^Node\.js v`),
		root:    regexp.MustCompile(`^Caused by: |^ ---> [^(]|^\s*\[cause\]: `),
	},
}

// opened opens a block at a line that matches, which is its head.
func opened(pattern string) func([]string, int) (int, bool) {
	re := regexp.MustCompile(pattern)
	return func(lines []string, i int) (int, bool) { return i, re.MatchString(lines[i]) }
}

// traces finds the blocks in lines without time stamps, from the oldest to the newest.
func traces(lines []string) []trace {
	var found []trace
	for i := 0; i < len(lines); i++ {
		if t, ok := traceAt(lines, i); ok {
			found = append(found, t)
			i = t.to - 1
		}
	}
	return found
}

// traceAt reads the block that begins at line i.
func traceAt(lines []string, i int) (trace, bool) {
	for _, g := range grammars {
		head, ok := g.opens(lines, i)
		if !ok {
			continue
		}
		t := trace{from: i, head: head, to: max(i, head) + 1}
		for t.to < len(lines) && g.belongs.MatchString(lines[t.to]) {
			if g.root != nil && g.root.MatchString(lines[t.to]) {
				t.head = t.to
			}
			t.to++
		}
		if next, follows := chained(lines, t); follows {
			return next, true
		}
		return t, true
	}
	return trace{}, false
}

// pythonOpens reads a traceback as far as its error, the first line after the frames.
func pythonOpens(lines []string, i int) (int, bool) {
	if !strings.HasPrefix(lines[i], "Traceback (most recent call last)") || i > 0 && strings.HasPrefix(lines[i-1], "Exception ignored in") {
		return 0, false
	}
	for n := i + 1; n < len(lines); n++ {
		if lines[n] != "" && !strings.HasPrefix(lines[n], " ") && !strings.HasPrefix(lines[n], "\t") {
			return n, true
		}
	}
	return i, true
}

// chained joins a Python traceback with the one that follows from it.
func chained(lines []string, t trace) (trace, bool) {
	if t.to+1 >= len(lines) {
		return t, false
	}
	caused := strings.HasPrefix(lines[t.to], "The above exception was the direct cause")
	if !caused && !strings.HasPrefix(lines[t.to], "During handling of the above exception") {
		return t, false
	}
	for n := t.to + 1; n < min(t.to+3, len(lines)); n++ {
		if next, ok := traceAt(lines, n); ok {
			next.from = t.from
			if caused {
				next.head = t.head
			}
			return next, true
		}
	}
	return t, false
}

var rustPanic = regexp.MustCompile(`^thread '.*'(?: \(\d+\))? panicked at `)

// rustOpens knows that since Rust 1.73 the message is on the line after the place.
func rustOpens(lines []string, i int) (int, bool) {
	if !rustPanic.MatchString(lines[i]) {
		return 0, false
	}
	if strings.HasSuffix(lines[i], ":") && i+1 < len(lines) {
		return i + 1, true
	}
	return i, true
}

// springOpens finds the description in the banner of a Spring Boot application that does not start
// (org.springframework.boot.diagnostics.LoggingFailureAnalysisReporter).
func springOpens(lines []string, i int) (int, bool) {
	if strings.TrimSpace(lines[i]) != "APPLICATION FAILED TO START" {
		return 0, false
	}
	described := false
	for n := i + 1; n < min(i+10, len(lines)); n++ {
		text := strings.TrimSpace(lines[n])
		if described && text != "" {
			return n, true
		}
		described = described || text == "Description:"
	}
	return i, true
}

// framesOpen finds the error above the first frame. Its message may have several lines, and .NET puts the errors that
// it wraps between it and the frames.
func framesOpen(lines []string, i int) (int, bool) {
	if !exception.MatchString(lines[i]) || frame.MatchString(lines[i]) {
		return 0, false
	}
	for n := i + 1; n < min(i+8, len(lines)); n++ {
		switch {
		case frame.MatchString(lines[n]):
			return i, true
		case strings.HasPrefix(lines[n], " ---> "):
		case exception.MatchString(lines[n]) && !strings.HasPrefix(lines[n], " "):
			return 0, false // a later line is nearer to the frames
		}
	}
	return 0, false
}
