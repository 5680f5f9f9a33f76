package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// erase moves to the first line of the block and clears the screen below.
func (c *console) erase() string {
	if c.drawn == 0 {
		return ""
	}
	return fmt.Sprintf("\r\x1b[%dA\x1b[J", c.drawn)
}

// block is what is redrawn. No line of it may wrap, because erase counts lines.
func (c *console) block() []string {
	if !c.Live || c.started.IsZero() {
		return nil
	}
	width := max(c.Width()-1, 10)
	shown := c.workloads
	if len(shown) > maxRows {
		// Those that are done need no watching.
		shown = slices.DeleteFunc(slices.Clone(shown), func(s rollout.Status) bool { return s.Phase == rollout.Complete })
	}
	var lines []string
	for _, s := range shown[:min(len(shown), maxRows)] {
		lines = append(lines, c.bar(s, width))
	}
	if more := len(c.workloads) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("  … and %d more\n", more))
	}
	for _, m := range c.criteria[:min(len(c.criteria), maxRows)] {
		lines = append(lines, cut("  "+m.text, width)+"\n")
	}
	clock := "  " + report.Elapsed(time.Since(c.shown))
	if c.Timeout > 0 {
		clock += " of " + report.Duration(c.Timeout)
	}
	return append(lines, c.paint(cut(clock+"  "+c.step, width), "2")+"\n")
}

// bar is one workload in the block: its name, its ready pods, what it waits for.
func (c *console) bar(s rollout.Status, width int) string {
	const cells = 20
	name := fill(cut(flat(s.Ref.String()), min(40, width/3)), min(c.column, width/3))
	full := 0
	if s.Desired > 0 {
		full = int(min(max(s.Ready, 0), s.Desired)) * cells / int(s.Desired)
	}
	bar := strings.Repeat("█", full) + strings.Repeat("░", cells-full)
	text := fmt.Sprintf("  %d of %d ready", s.Ready, s.Desired)
	if s.Reason == rollout.ReasonBeside {
		text = "  " + flat(s.Message)
	} else if s.Phase != rollout.Progressing {
		text += "  " + strings.ToLower(string(s.Phase))
	}
	if s.Message != "" && s.Phase != rollout.Complete {
		text += "  " + flat(s.Message)
	}
	room := width - utf8.RuneCountInString(name) - cells - 4
	if room < 1 {
		return cut("  "+name+text, width) + "\n"
	}
	return "  " + name + "  " + c.paint(bar, phaseStyle(s.Phase)) + cut(text, room) + "\n"
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
