package main

import (
	"fmt"
	"io"
	"slices"
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
//     engine decides when that is.
//   - On a terminal that a person looks at, a small block below the lines is redrawn in place: a bar of ready pods for
//     every workload, the last value of every criterion, the time used and the time given. It disappears when the run
//     is over. What it tells is in the report as well.
//   - Everywhere else nothing is ever redrawn, and no control characters are printed but colours.
//   - Colours repeat what the words say. No emoji, no spinner, no sound.
//   - Text from the cluster is sanitised before it is printed, and never begins a line.

const (
	maxRows          = 8                // of a kind in the redrawn block, which has to fit in a small terminal
	measurementEvery = 30 * time.Second // between lines about the value of one criterion
	maxUnread        = 256 << 10        // bytes that nobody has read yet: more progress would only bury what matters
)

// consoleOptions say what w can do.
type consoleOptions struct {
	Live    bool // redraw in place
	Color   bool
	Width   func() int    // of the terminal, which may change; needed when Live
	Unread  func() int    // bytes that the reader has not taken yet; nil: he takes all at once
	Timeout time.Duration // of the gate, for the clock; 0 is not shown
}

// console prints the events of a run. Its methods may be called from any goroutine; one mutex owns the output.
type console struct {
	consoleOptions
	w    io.Writer
	stop func() // ends the redrawing and waits for it

	mu        sync.Mutex
	started   time.Time // the time of the first event
	shown     time.Time // when that was, on this machine's clock
	column    int       // width of the column of objects
	workloads []rollout.Status
	criteria  []measurement // by order of first appearance
	last      map[manifest.Ref]string
	step      string
	drawn     int // lines of the block on the screen
	missed    int // lines that were not printed since the last one, because nobody read
}

// measurement is the last one of a criterion.
type measurement struct {
	name, text string
	printed    time.Time // when one was last worth a line
}

func newConsole(w io.Writer, o consoleOptions) *console {
	c := &console{
		consoleOptions: o, w: w, stop: func() {}, column: 14,
		last: map[manifest.Ref]string{},
	}
	if c.Unread == nil {
		c.Unread = func() int { return 0 }
	}
	if o.Live {
		c.stop = c.tick()
	}
	return c
}

// tick redraws the block every second, for its clock, until the returned function is called.
func (c *console) tick() (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		ticker := time.NewTicker(time.Second)
		defer ticker.Stop()
		for {
			select {
			case <-quit:
				return
			case <-ticker.C:
				c.mu.Lock()
				c.draw("")
				c.mu.Unlock()
			}
		}
	}()
	return sync.OnceFunc(func() { close(quit); <-done })
}

// close removes the block. The output then belongs to whoever prints next.
func (c *console) close() {
	c.stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	io.WriteString(c.w, c.erase()+c.skipped())
	c.drawn, c.Live = 0, false
}

// event shows what happened. Progress that cannot be written is lost, and is no reason to fail a deploy.
func (c *console) event(e gate.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.started.IsZero() {
		c.started, c.shown = e.Time, time.Now()
	}
	line := ""
	if c.note(e) {
		line = c.line(e)
	}
	c.draw(line)
}

// note remembers what the block shows and says whether the event is worth a line.
func (c *console) note(e gate.Event) (permanent bool) {
	text := wordsOf(e)
	switch p := e.Payload.(type) {
	case gate.Started:
		return false // the first step says it
	case gate.Step:
		c.step = text
	case gate.Asked:
		c.step = fmt.Sprintf("waiting for rolloutgate approve %s (stage %s)", flat(p.Run), flat(p.Stage))
	case gate.Waiting:
		return !c.Live // the block says it
	case gate.Measured:
		return c.noteMeasurement(p.Criterion, text, e.Time)
	case gate.Status:
		c.noteStatus(p.Status)
		if c.last[e.Object] == text {
			return false
		}
		c.last[e.Object] = text
		return !c.Live || p.Phase != rollout.Progressing
	}
	return true
}

// noteMeasurement keeps the last text of every criterion.
func (c *console) noteMeasurement(name, text string, at time.Time) (permanent bool) {
	i := slices.IndexFunc(c.criteria, func(m measurement) bool { return m.name == name })
	if i < 0 {
		i, c.criteria = len(c.criteria), append(c.criteria, measurement{name: name})
	}
	m := &c.criteria[i]
	m.text = text
	if c.Live || !m.printed.IsZero() && at.Sub(m.printed) < measurementEvery {
		return false
	}
	m.printed = at
	return true
}

func (c *console) noteStatus(s rollout.Status) {
	if !s.Watched {
		return
	}
	i := slices.IndexFunc(c.workloads, func(other rollout.Status) bool { return other.Ref == s.Ref })
	if i < 0 {
		i, c.workloads = len(c.workloads), append(c.workloads, s)
	}
	c.workloads[i] = s
	c.widen(flat(s.Ref.String()))
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
	return fmt.Sprintf("%6s  %s%s\n", report.Elapsed(e.Time.Sub(c.started)), object, c.paint(label+wordsOf(e), style))
}

// draw replaces the block on the screen by a permanent line, if it is not empty, and a new block below it, in one write
// so that no half of it is ever seen. For a reader who does not keep up, it leaves out blocks, and lines in the end.
func (c *console) draw(line string) {
	switch unread := c.Unread(); {
	case line == "" && unread > 0:
		return
	case unread > maxUnread:
		c.missed++
		return
	}
	block := c.block()
	io.WriteString(c.w, c.erase()+c.skipped()+line+strings.Join(block, ""))
	c.drawn = len(block)
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
