package report

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func renderMarkdown(t *testing.T, r gate.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := Markdown(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// withoutCode removes code blocks and code spans as GitHub recognises them; what is left can act.
func withoutCode(t *testing.T, markdown string) string {
	t.Helper()
	var rest strings.Builder
	fence := ""
	for line := range strings.Lines(markdown) {
		ticks := len(line) - len(strings.TrimLeft(line, "`"))
		switch {
		case fence == "" && ticks >= 3 && !strings.Contains(line[ticks:], "`"):
			fence = line[:ticks]
		case fence != "" && ticks >= len(fence) && strings.TrimSpace(line[ticks:]) == "":
			fence = ""
		case fence == "":
			rest.WriteString(withoutSpans(line))
		}
	}
	if fence != "" {
		t.Error("a code block is never closed")
	}
	return rest.String()
}

func withoutSpans(line string) string {
	runs := regexp.MustCompile("\\\\`|`+")
	var out strings.Builder
	for {
		open := runs.FindStringIndex(line)
		if open == nil {
			return out.String() + line
		}
		if line[open[0]] == '\\' {
			out.WriteString(line[:open[1]])
			line = line[open[1]:]
			continue
		}
		ticks := line[open[0]:open[1]]
		after := line[open[1]:]
		end := -1
		for _, run := range regexp.MustCompile("`+").FindAllStringIndex(after, -1) {
			if after[run[0]:run[1]] == ticks {
				end = run[1]
				break
			}
		}
		if end < 0 {
			return out.String() + line
		}
		out.WriteString(line[:open[0]])
		line = after[end:]
	}
}

// bad is what evil text must not bring into a page.
var bad = []string{"<script", "</summary></details>", "![x](", "https://", "www.evil", "@octocat", "\x1b", "| a | b |"}

func TestMarkdownInjection(t *testing.T) {
	rest := withoutCode(t, renderMarkdown(t, reports(t)["injection"]))
	for _, bad := range bad {
		if strings.Contains(rest, bad) {
			t.Errorf("outside of code there is %q:\n%s", bad, rest)
		}
	}
	if open, closed := strings.Count(rest, "<details"), strings.Count(rest, "</details>"); open != 4 || closed != 4 { // a diff, a long log, the layers, the criteria
		t.Errorf("%d <details> and %d </details>", open, closed)
	}
}

// TestNoStringGetsThrough: whatever string of a report is evil, no rendering passes it on.
func TestNoStringGetsThrough(t *testing.T) {
	all := reports(t)
	var r gate.Report
	fill(reflect.ValueOf(&r).Elem(), all["injection"].Criteria[0].Name)
	r.Exit.Name = "criteria" // one of ours
	c := &r.Criteria[0]
	c.Plot = all["criteria-failed"].Criteria[0].Plot
	r.Backtest = append(r.Backtest, r.Backtest[0])
	r.Backtest[1].Problem = ""
	for _, command := range []string{"run", "plan"} {
		r.Run.Command = command
		text, page := renderText(t, r, Options{}), renderMarkdown(t, r)
		for name, got := range map[string]string{"text": text, "page": page} {
			if clean(got) != got || strings.ContainsAny(got, "\x1b\r\x00") {
				t.Errorf("the %s is not clean", name)
			}
		}
		rest := withoutCode(t, page)
		for _, bad := range bad {
			if strings.Contains(rest, bad) {
				t.Errorf("outside of code there is %q:\n%s", bad, rest)
			}
		}
		if open, closed := strings.Count(rest, "<details"), strings.Count(rest, "</details>"); open != closed || open == 0 {
			t.Errorf("%d <details> and %d </details>", open, closed)
		}
	}
}

func TestMarkdownTablesKeepTheirColumns(t *testing.T) {
	cell := regexp.MustCompile(`(?:\\.|[^|\\])*\|`)
	for name, r := range reports(t) {
		columns := 0
		for line := range strings.Lines(renderMarkdown(t, r)) {
			if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| a | b |") {
				columns = 0
				continue
			}
			n := len(cell.FindAllString(line, -1))
			if columns != 0 && n != columns {
				t.Errorf("%s: %d cells in a table of %d: %s", name, n, columns, line)
			}
			columns = n
		}
	}
}

func TestCodeCell(t *testing.T) {
	for in, want := range map[string]string{
		"":            "",
		"plain":       "`plain`",
		"a`b":         "``a`b``",
		"`a`":         "`` `a` ``",
		`a|b`:         `<code>a\|b</code>`,
		`a\|<b>|c`:    `<code>a\\\|&lt;b&gt;\|c</code>`,
		"two\nlines":  "`two lines`",
		"\x1b[31mred": "`red`",
	} {
		if got := codeCell(in); got != want {
			t.Errorf("codeCell(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestMarkdownIsCapped(t *testing.T) {
	r := gate.Report{Exit: gate.Exit{Code: 10, Name: "failed", State: "restored"}}
	lines := strings.Repeat(strings.Repeat("`x", 100)+"\n", 300)
	for i := range 30 {
		r.Findings = append(r.Findings, diagnosis.Finding{
			Code: fmt.Sprintf("Code%d", i), Evidence: []diagnosis.Proof{{Type: "log", Text: lines}},
		})
	}
	for i := range 30 {
		r.Changes = append(r.Changes, gate.Change{Object: manifest.Ref{Kind: "ConfigMap", Name: fmt.Sprint(i)}, Diff: lines})
	}
	text := renderMarkdown(t, r)
	if len(text) > MaxMarkdown || len(text) < MaxMarkdown*9/10 {
		t.Errorf("the page has %d bytes, the cap is %d", len(text), MaxMarkdown)
	}
	if !strings.HasPrefix(text, "| ❌ rolloutgate") || !strings.Contains(text, "Code0") || !strings.Contains(text, "parts left out") {
		t.Error("the verdict, the headline or the last words are missing")
	}
	withoutCode(t, text)
}

func TestAnnotations(t *testing.T) {
	all := reports(t)
	for name, want := range map[string][]Annotation{
		"passed": nil,
		"plan":   nil,
		"undo-failed": {
			{Title: "ImageNotFound in deployment/web", File: "deploy/web.yaml", Line: 32, Message: all["undo-failed"].Findings[0].Cause +
				"\nFix: " + all["undo-failed"].Findings[0].Fix[0] + "\n" + all["undo-failed"].Exit.State},
			{Title: "AdmissionDenied in deployment/web", Message: "The cluster refused to put deployment/web back: an admission " +
				"webhook denied the request.\nFix: " + all["undo-failed"].Undo.Findings[0].Fix[0] + "\n" + all["undo-failed"].Exit.State},
		},
		"superseded": {{Title: "rolloutgate: superseded", Message: all["superseded"].Exit.State}},
	} {
		if diff := cmp.Diff(want, Annotations(all[name])); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	criteria := all["criteria"]
	criteria.Findings = nil
	if got := Annotations(criteria); len(got) != 1 || got[0].Title != "criterion errors failed" {
		t.Errorf("criteria without findings: %+v", got)
	}
	reported := all["criteria-report-only"]
	reported.Exit = gate.Exit{Code: 10, Name: "failed"}
	if got := Annotations(reported); len(got) != 1 || got[0].Title != "rolloutgate: failed" {
		t.Errorf("a criterion that decides nothing: %+v", got)
	}
	for _, a := range Annotations(all["injection"]) {
		if len([]rune(a.Message)) > 4096 || strings.ContainsAny(a.Title, "\n\x1b") || strings.Contains(a.Message, "\x1b") {
			t.Errorf("not sanitised: %+v", a)
		}
	}
	got := Annotations(all["crash-loop"])
	if len(got) != 3 {
		t.Errorf("%d annotations for 3 causes and 2 circumstances", len(got))
	}
	for _, want := range []string{"\nChanged in this rollout: env[name=DATABASE_URL].value", "\n2 more remarks: ProbeFailing on pod/"} {
		if !strings.Contains(got[0].Message, want) {
			t.Errorf("the annotation lacks %q:\n%s", want, got[0].Message)
		}
	}
	crowd := all["crash-loop"]
	for range 9 {
		crowd.Findings = append(crowd.Findings, crowd.Findings[0])
	}
	if n := len(Annotations(crowd)); n != maxFindings {
		t.Errorf("%d annotations for 12 causes", n)
	}
}
