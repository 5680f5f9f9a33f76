package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// The rules of what a person sees while a run goes on.
//
//   - Progress and the final text go to stdout. With -o json or ndjson stdout is for the machine, and progress goes to
//     stderr.
//   - Every line begins with the time since the start of the run, then the object, then what happened to it. It is
//     written in lower case, without a full stop, and fits in 100 columns where the cluster's own words do.
//   - A line is printed when something changed, and when nothing changed for so long that a reader would wonder; the
//     engine decides when that is. Of many objects it is printed when something was written, undone or has ended.
//   - On a terminal that a person looks at, a block below the lines is redrawn in place: gate/live makes it. It
//     disappears when the run is over. What it tells is in the report as well.
//   - Everywhere else nothing is ever redrawn, and no control characters are printed but colours.
//   - Colours repeat what the words say. No emoji, no spinner, no sound.
//   - Text from the cluster is sanitised before it is printed, and never begins a line.

const (
	measurementEvery = 30 * time.Second // between lines about the value of one criterion
	maxCluster       = 30               // characters of the name of a cluster
	manyObjects      = 50               // in a run of more than these, a line says what was done and how it ended, and not each step between
	maxUnread        = 256 << 10        // bytes that nobody has read yet: more progress would only bury what matters
)

// consoleOptions say what w can do.
type consoleOptions struct {
	Live    *liveOptions // redraw in place; nil: nothing is ever redrawn
	Color   bool
	Unread  func() int    // bytes that the reader has not taken yet; nil: he takes all at once
	Timeout time.Duration // of the gate, for the clock; 0 is not shown
}

// console prints the events of a run. Its methods may be called from any goroutine; one mutex owns what it remembers.
type console struct {
	consoleOptions
	w    io.Writer
	live *redrawing // nil: lines are printed as they come

	mu       sync.Mutex
	started  time.Time            // the time of the first event
	column   int                  // width of the column of objects
	clusters int                  // width of the column of clusters; 0: there is only one
	criteria map[string]time.Time // when each was last worth a line
	last     map[topic]string
	missed   int  // lines that were not printed since the last one, because nobody read
	plans    bool // what would change is all that is asked for
	many     bool // the run has more than manyObjects
}

// topic is what something is said about.
type topic struct {
	cluster string
	object  manifest.Ref
}

func newConsole(w io.Writer, o consoleOptions) *console {
	c := &console{consoleOptions: o, w: w, column: 14, criteria: map[string]time.Time{}, last: map[topic]string{}}
	if c.Unread == nil {
		c.Unread = func() int { return 0 }
	}
	if o.Live != nil {
		c.live = redraw(c)
	}
	return c
}

// close removes the block. The output then belongs to whoever prints next.
func (c *console) close() {
	if c.live != nil {
		c.live.close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	io.WriteString(c.w, c.skipped())
}

// event shows what happened. Progress that cannot be written is lost, and is no reason to fail a deploy.
func (c *console) event(e gate.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started.IsZero() {
		c.started = e.Time
	}
	line := ""
	if c.worthALine(e) {
		line = c.line(e)
	}
	if c.live != nil {
		c.live.event(e, line)
	} else if line != "" {
		c.print(line)
	}
}

// print prints a line, unless too many wait for their reader already.
func (c *console) print(line string) {
	if c.Unread() > maxUnread {
		c.missed++
		return
	}
	io.WriteString(c.w, c.skipped()+line)
}

// worthALine says whether an event is told for good. Where there is a block, that says what changes often.
func (c *console) worthALine(e gate.Event) bool {
	live := c.live != nil
	switch p := e.Payload.(type) {
	case gate.Started:
		c.plans = p.Command == "plan"
		return false // the first step says it
	case gate.Step:
		c.many = c.many || max(p.Objects, p.Workloads) > manyObjects
	case gate.Planned:
		return !c.many || c.plans
	case gate.Waiting:
		return !live
	case gate.Measured:
		name := e.Cluster + "/" + p.Criterion
		last, measured := c.criteria[name]
		if live || measured && e.Time.Sub(last) < measurementEvery {
			return false
		}
		c.criteria[name] = e.Time
	case gate.Status:
		if p.Watched {
			c.widen(flat(p.Ref.String()))
		}
		text := wordsOf(e)
		about := topic{e.Cluster, e.Object}
		if c.last[about] == text {
			return false
		}
		c.last[about] = text
		return !live && !c.many || p.Phase != rollout.Progressing
	}
	return true
}

// widen gives the column of objects room for one more, and returns its width.
func (c *console) widen(object string) int {
	c.column = min(max(c.column, utf8.RuneCountInString(object)), 40)
	return c.column
}

// wordsOf is what an event says, on one line.
func wordsOf(e gate.Event) string { return flat(report.EventText(e)) }

// line is an event on a line of its own.
func (c *console) line(e gate.Event) string {
	label, style := "", ""
	switch e.Type {
	case gate.EventStep:
		label, style = "→ ", "1"
	case gate.EventWarning:
		label, style = "warning: ", "33"
	case gate.EventVerdict:
		label, style = "verdict: ", "1"
	case gate.EventUndo:
		label = "undo: "
	case gate.EventWaiting:
		style = "2"
	case gate.EventStatus:
		if s, ok := e.Payload.(gate.Status); ok {
			style = phaseStyle(s.Phase)
		}
	}
	object := ""
	if e.Object != (manifest.Ref{}) {
		object = flat(e.Object.String())
		object = fill(object, c.widen(object)) + "  "
	}
	if e.Cluster != "" {
		name := cut(flat(e.Cluster), maxCluster)
		c.clusters = max(c.clusters, utf8.RuneCountInString(name))
		object = fill(name, c.clusters) + "  " + object
	}
	return fmt.Sprintf("%6s  %s%s\n", report.Elapsed(e.Time.Sub(c.started)), object, c.paint(label+wordsOf(e), style))
}

func phaseStyle(p rollout.Phase) string {
	switch p {
	case rollout.Complete:
		return "32"
	case rollout.Failed:
		return "31"
	case rollout.Superseded, rollout.Paused:
		return "33"
	}
	return ""
}

func (c *console) paint(text, style string) string {
	if !c.Color || style == "" {
		return text
	}
	return "\x1b[" + style + "m" + text + "\x1b[0m"
}

// skipped says once how many lines are missing before the next one.
func (c *console) skipped() string {
	n := c.missed
	c.missed = 0
	switch n {
	case 0:
		return ""
	case 1:
		return "        … 1 line is missing: nobody read it in time\n"
	}
	return fmt.Sprintf("        … %d lines are missing: nobody read them in time\n", n)
}

// flat is text from a cluster on one line.
func flat(s string) string {
	return cut(strings.Join(strings.Fields(report.Sanitize(s, 0, 0)), " "), 500)
}

// cut shortens text to n characters.
func cut(text string, n int) string { return report.Sanitize(text, 1, n) }

// fill pads text to n characters.
func fill(text string, n int) string {
	return text + strings.Repeat(" ", max(0, n-utf8.RuneCountInString(text)))
}
