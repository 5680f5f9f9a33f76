package report

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Sanitize makes text from a cluster safe to print: terminal escapes, control characters, characters that reorder the
// line, and the marks by which CI systems recognise sections and commands are gone or broken. Line ends become \n.
//
// Text longer than maxLines keeps its first lines and says how many are missing; lines longer than maxLineLen
// characters are cut. Zero or less means no cap. What it returns is still data: a sink with its own syntax (Markdown,
// workflow commands) has to escape it.
func Sanitize(s string, maxLines, maxLineLen int) string {
	lines := strings.Split(clean(s), "\n")
	if maxLines > 0 && len(lines) > maxLines {
		missing := len(lines) - maxLines
		lines = append(lines[:maxLines:maxLines], fmt.Sprintf("… %s more", count(missing, "line")))
	}
	for i, line := range lines {
		lines[i] = clip(strings.TrimRight(line, " "), maxLineLen)
	}
	return strings.Join(lines, "\n")
}

// clean removes what no sink may see and leaves \n and printable text.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = patterns.section.ReplaceAllString(s, "")
	if strings.ContainsAny(s, escapes) { // most text has none, and the pattern is slow on a long log
		s = patterns.escape.ReplaceAllString(s, "")
	}
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u2028", "\n", "\u2029", "\n", "\t", "    ").Replace(s)
	s = strings.Map(printable, s)
	// A mark that was hidden inside a control character has become whole only now.
	s = patterns.section.ReplaceAllString(s, "")
	return patterns.command.ReplaceAllString(s, "## $1[")
}

// escapes are the characters that begin a terminal sequence.
const escapes = "\x1b\u0090\u0098\u009b\u009d\u009e\u009f"

// patterns are compiled once and never change.
var patterns = struct{ escape, section, command, www *regexp.Regexp }{
	// CSI, OSC and other string sequences with their terminators, and two-character escapes; introduced by ESC or by
	// the C1 character that means the same.
	escape: regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]?" +
		"|(?:\x1b[\\]PX^_]|[\u009d\u0090\u0098\u009e\u009f])[^\x07\x1b\u009c\n]*(?:\x07|\x1b\\\\|\u009c)" +
		"|\x1b[ -/]*[0-~]?"),
	// The collapsible sections of GitLab.
	section: regexp.MustCompile(`section_(?:start|end):\d+:[\w.-]+(?:\[[^\]\n]*\])?`),
	// The commands of Azure Pipelines and TeamCity, and the old form of GitHub's, are recognised anywhere in a line.
	command: regexp.MustCompile(`##(\w*)\[`),
	// GitHub makes a link of what begins like this, without any scheme.
	www: regexp.MustCompile(`(?i)\b(www)\.`),
}

// printable drops C0 and C1 control characters and those that change the direction of text, by which a line can be
// made to read differently from what it says.
func printable(r rune) rune {
	switch {
	case r == '\n':
		return r
	case r < 0x20, r >= 0x7f && r < 0xa0,
		r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == 0x200e, r == 0x200f, r == 0xfeff:
		return -1
	}
	return r
}

// clip cuts a line to n characters, the last of which says so.
func clip(line string, n int) string {
	if n <= 0 || utf8.RuneCountInString(line) <= n {
		return line
	}
	runes := []rune(line)
	return string(runes[:n-1]) + "…"
}

// oneLine is Sanitize for places that have one line: names, messages, table cells.
func oneLine(s string) string {
	return clip(strings.Join(strings.Fields(clean(s)), " "), 1000)
}

// count is "1 line", "2 lines".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
