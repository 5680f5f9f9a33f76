package report

import "strings"

// escapeMarkdown makes text from a cluster one line of plain words in GitHub's Markdown: no HTML, no emphasis, no table
// cells, no images and no links, also not those that GitHub makes of bare addresses. A reader of a CI summary must not
// be led anywhere by what a container printed.
func escapeMarkdown(s string) string {
	s = strings.NewReplacer(
		"&", "&amp;", "<", "&lt;", ">", "&gt;", "@", "&#64;",
		`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`, "[", `\[`, "]", `\]`, "#", `\#`, "|", `\|`, "$", `\$`,
		"://", `\://`,
	).Replace(oneLine(s))
	return patterns.www.ReplaceAllString(s, `${1}\.`)
}

// codeSpan quotes text as code on one line.
func codeSpan(s string) string {
	s = oneLine(s)
	if s == "" {
		return ""
	}
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") {
		s = " " + s + " "
	}
	return fence + s + fence
}

// codeCell is codeSpan for a table. Its rows are cut into cells before code is recognised, so that a bar would end the
// code, and a backslash before the bar undo its escape.
func codeCell(s string) string {
	if strings.ContainsAny(s, `|\`) {
		return "<code>" + escapeMarkdown(s) + "</code>"
	}
	return codeSpan(s)
}

// codeBlock quotes lines as they are, behind a fence that none of them can close.
func codeBlock(language string, lines []string) string {
	text := strings.Join(lines, "\n")
	fence := strings.Repeat("`", max(3, longestRun(text, '`')+1))
	return fence + language + "\n" + text + "\n" + fence + "\n"
}

// longestRun is the length of the longest sequence of c in s.
func longestRun(s string, c rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}
