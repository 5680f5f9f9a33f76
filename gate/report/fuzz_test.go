package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/rolloutgate/rolloutgate/gate"
)

// FuzzMachineForms: whatever a cluster says, and wherever, machines read what is written, and no terminal or CI system is told
// what to do.
func FuzzMachineForms(f *testing.F) {
	for _, text := range []string{
		"", "plain", "]]><x>&amp;\"'", "\x1b[31mred\x1b[0m", "a\nb\r\nc\u2028d", "\x00\x0b\ufffe\uffff\xff\xfe", "\u202eabc\u2066", "::error::x",
		"##vso[task.x]y", "\x1b]0;t\x07", "section_start:1:x\r", "{a=\"b\",c=`d`} \\", strings.Repeat("long ", 500),
	} {
		f.Add(text)
	}
	series := regexp.MustCompile(`^(# (HELP|TYPE) rolloutgate_[a-z_]+ .+|# EOF|rolloutgate_[a-z_]+\{([a-z]+="([^"\\\n]|\\["\\n])*",?)*\} -?[0-9.]+)$`)
	f.Fuzz(func(t *testing.T, text string) {
		r := everythingWith(text)
		var out bytes.Buffer
		if err := JUnit(&out, r); err != nil {
			t.Fatal(err)
		}
		harmless(t, out.String())
		for d := xml.NewDecoder(&out); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("JUnit: %v", err)
			}
		}
		out.Reset()
		r.Timeline = nil
		for _, p := range []gate.Payload{gate.Trouble{Text: text}, gate.Said{Line: text}, gate.Printed{Line: text}, gate.Ran{Command: text, Failure: text}, gate.Measured{Criterion: text, Note: text}, gate.Judged{Cause: text}} {
			r.Timeline = append(r.Timeline, gate.NewEvent(r.Run.Started, r.Workloads[0].Ref, p))
		}
		if err := NDJSON(&out, r); err != nil {
			t.Fatal(err)
		}
		harmless(t, out.String())
		if n := strings.Count(out.String(), "\n"); n != len(r.Timeline)+2 {
			t.Errorf("NDJSON has %d lines", n)
		}
		for line := range strings.Lines(out.String()) {
			if !json.Valid([]byte(line)) || !strings.HasPrefix(line, "{") {
				t.Errorf("NDJSON has the line %q", line)
			}
		}
		out.Reset()
		r.Run.Command = "run"
		if err := OpenMetrics(&out, r); err != nil {
			t.Fatal(err)
		}
		harmless(t, out.String())
		for line := range strings.Lines(out.String()) {
			if !series.MatchString(strings.TrimSuffix(line, "\n")) {
				t.Errorf("OpenMetrics has the line %q", line)
			}
		}
	})
}

// everythingWith is a report with a text in every field that can hold one.
func everythingWith(text string) gate.Report {
	r := everything()
	r.Run.Namespace, r.Run.Pipeline.URL, r.Exit.State, r.Exit.Error, r.Exit.File = text, text, text, text, text
	for i := range r.Findings {
		r.Findings[i].Code, r.Findings[i].Cause, r.Findings[i].Fix, r.Findings[i].Evidence[0].Text = text, text, []string{text}, text
	}
	for i := range r.Criteria {
		r.Criteria[i].Name, r.Criteria[i].Reason, r.Criteria[i].Query = text, text, text
	}
	r.Workloads[0].Message, r.Workloads[0].Ref.Name, r.Workloads[0].Ref.Group, r.Workloads[0].Ref.Kind = text, text, "apps", "Deployment"
	r.Stages[0].Name, r.Undo.Objects[0].Result, r.Drill[0].Why = text, text, text
	return r
}

// harmless demands that a text has nothing that a terminal or a CI system obeys.
func harmless(t *testing.T, text string) {
	t.Helper()
	for _, c := range text {
		if unicode.IsControl(c) && c != '\n' || c == '\u202e' || c == '\u2066' {
			t.Errorf("there is a %U in\n%q", c, text)
			return
		}
	}
	for _, mark := range []string{"##vso[", "##[", "section_start:1"} {
		if strings.Contains(text, mark) {
			t.Errorf("there is a %q in\n%q", mark, text)
		}
	}
}
