package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// commandWords are how a command went, in a few words.
func commandWords(c *gate.CommandReport) string {
	took := Elapsed(time.Duration(c.Duration * float64(time.Second)))
	switch {
	case c.Failure != "":
		return fmt.Sprintf("failed in %s: %s", took, c.Failure)
	case c.Duration == 0:
		return "was not begun"
	}
	return "ended well in " + took
}

// command is one that has made the release, or taken it back.
func (p *page) command(title string, c *gate.CommandReport) {
	if c == nil {
		return
	}
	style := ""
	if c.Failure != "" {
		style = red
	}
	p.table([]string{title}, 0, []row{{cells: []string{oneLine(commandWords(c))}, below: []string{oneLine(strings.Join(c.Argv, " "))}, style: style}})
}

func (d *document) command(title string, c *gate.CommandReport) {
	if c == nil {
		return
	}
	d.titled("### "+title, []string{"Command", "Exit code", "Result"},
		[][]string{{codeCell(strings.Join(c.Argv, " ")), fmt.Sprint(c.ExitCode), escapeMarkdown(commandWords(c))}})
}

func commandSection(title markup, c *gate.CommandReport) markup {
	if c == nil {
		return ""
	}
	return tableSection(title, "How the command went", columns("Command", "#Exit code", "Result"),
		[]gridRow{{cells: []markup{code(strings.Join(c.Argv, " ")), text(fmt.Sprint(c.ExitCode)), line(commandWords(c))}}})
}

func undoCommandOf(u *gate.Undo) *gate.CommandReport {
	if u == nil {
		return nil
	}
	return u.Command
}
