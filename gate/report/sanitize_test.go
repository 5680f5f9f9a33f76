package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestSanitize(t *testing.T) {
	for _, test := range []struct {
		name, in       string
		lines, lineLen int
		want           string
	}{
		{name: "plain", in: "hello\nworld", want: "hello\nworld"},
		{name: "colours", in: "\x1b[1;31merror\x1b[0m: no", want: "error: no"},
		{name: "colours with C1", in: "\u009b31merror", want: "error"},
		{name: "hyperlink", in: "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x07 here", want: "click here"},
		{name: "title that never ends keeps the text", in: "\x1b]0;text\nnext", want: "0;text\nnext"},
		{name: "clear screen", in: "a\x1bcb\x1b[2Jc\x1b[1;1Hd", want: "abcd"},
		{name: "NUL, bell, backspace, delete", in: "a\x00b\x07c\x08d\x7fe", want: "abcde"},
		{name: "line ends", in: "a\r\nb\rc\u2028d", want: "a\nb\nc\nd"},
		{name: "tab", in: "a\tb", want: "a    b"},
		{name: "direction", in: "abc\u202etxt.exe\u2066", want: "abctxt.exe"},
		{name: "not UTF-8", in: "a\xff\xfeb", want: "a\uFFFDb"},
		{name: "GitLab section", in: "section_start:1560896352:x[collapsed=true]\r\x1b[0Ktitle", want: "\ntitle"},
		{name: "GitLab section behind a control character", in: "section_\x00end:1:x\r\x1b[0K.", want: "\n."},
		{name: "Azure", in: "x ##vso[task.complete result=Succeeded;]y", want: "x ## vso[task.complete result=Succeeded;]y"},
		{name: "old GitHub", in: "x ##[add-mask]y", want: "x ## [add-mask]y"},
		{name: "TeamCity", in: "##teamcity[x]", want: "## teamcity[x]"},
		{name: "lines", in: "a\nb\nc\nd", lines: 2, want: "a\nb\n… 2 lines more"},
		{name: "line length", in: "abcdef\näöüß", lineLen: 4, want: "abc…\näöüß"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Sanitize(test.in, test.lines, test.lineLen); got != test.want {
				t.Errorf("Sanitize(%q) = %q, want %q", test.in, got, test.want)
			}
		})
	}
}

func FuzzSanitize(f *testing.F) {
	f.Add("\x1b[31m section_start:1:a\r\x1b[0K ##vso[x] \u009b \u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Sanitize(s, 5, 40)
		for _, r := range got {
			if r != '\n' && (r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e) {
				t.Errorf("Sanitize(%q) leaves %U", s, r)
			}
		}
		if !utf8.ValidString(got) || strings.Count(got, "\n") > 5 || strings.Contains(got, "##[") {
			t.Errorf("Sanitize(%q) = %q", s, got)
		}
		for line := range strings.SplitSeq(got, "\n") {
			if utf8.RuneCountInString(line) > 40 {
				t.Errorf("Sanitize(%q) leaves the long line %q", s, line)
			}
		}
		if again := Sanitize(got, 0, 0); again != got {
			t.Errorf("Sanitize(%q) = %q, and again %q", s, got, again)
		}
	})
}
