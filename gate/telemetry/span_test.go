package telemetry

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestSpans(t *testing.T) {
	for name, run := range map[string]func() (gate.Report, []gate.Event){"good": goodRun, "bad": badRun} {
		r, events := run()
		got := drawn(Spans(r, events))
		path := filepath.Join("testdata", name+".spans")
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
		}
	}
}

// drawn is a trace as a tree.
func drawn(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		depth := 0
		for p := s.Parent; p >= 0; p = spans[p].Parent {
			depth++
		}
		indent := strings.Repeat("  ", depth)
		fmt.Fprintf(&b, "%s%s  %s to %s", indent, s.Name, s.Start.Sub(began), s.End.Sub(began))
		if s.Failed {
			fmt.Fprintf(&b, "  ERROR %s", s.Error)
		}
		b.WriteString("\n")
		for _, a := range s.Attributes {
			fmt.Fprintf(&b, "%s    %s = %v\n", indent, a.Key, a.Value)
		}
		for _, e := range s.Events {
			fmt.Fprintf(&b, "%s    at %s: %s %v\n", indent, e.Time.Sub(began), e.Name, e.Attributes)
		}
	}
	return b.String()
}

// A run that ended before its first step is a trace, too.
func TestSpansOfNothing(t *testing.T) {
	r := gate.Report{Run: gate.Run{Command: "run"}, Exit: gate.Exit{Code: 2, Name: "invalid", State: "nothing was changed"}}
	spans := Spans(r, nil)
	if len(spans) != 1 || !spans[0].Failed || spans[0].Error != "nothing was changed" {
		t.Errorf("got %+v", spans)
	}
}

// Each child lies within its parent and comes behind it, however many steps and stages there are.
func TestSpansAreATree(t *testing.T) {
	r, _ := goodRun()
	var events []gate.Event
	for i := range 3 * maxSpans {
		events = append(events, at(i/100, manifest.Ref{}, gate.Step{Name: gate.StepApply, Stage: fmt.Sprint("s", i/3)}))
		for range 2 * maxSpanEvents / 100 {
			events = append(events, at(i/100, web, gate.Trouble{Text: "x"}))
		}
	}
	r.Run.Finished = began.Add(time.Hour)
	spans := Spans(r, events)
	if len(spans) > maxSpans {
		t.Errorf("%d spans", len(spans))
	}
	for i, s := range spans {
		if len(s.Events) > maxSpanEvents {
			t.Errorf("span %d has %d events", i, len(s.Events))
		}
		if s.Parent >= i || s.End.Before(s.Start) {
			t.Fatalf("span %d: %+v", i, s)
		}
		if s.Parent >= 0 && (s.Start.Before(spans[s.Parent].Start) || s.End.After(spans[s.Parent].End)) {
			t.Fatalf("span %d is not within its parent: %+v, %+v", i, s, spans[s.Parent])
		}
	}
}

func TestParseParent(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for text, want := range map[string]bool{
		"00-" + trace + "-" + span + "-01":                   true,
		"00-" + trace + "-" + span + "-00":                   true,
		"cc-" + trace + "-" + span + "-01-what-the-future":   true,
		"00-" + trace + "-" + span + "-01-more":              false,
		"ff-" + trace + "-" + span + "-01":                   false,
		"00-" + strings.ToUpper(trace) + "-" + span + "-01":  false,
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01": false,
		"00-" + trace + "-0000000000000000-01":               false,
		"00-" + trace + "00-" + span + "-01":                 false,
		"00-" + trace[2:] + "-" + span + "-01":               false,
		"00-" + trace + "-" + span:                           false,
		"00-" + trace + "-" + span + "-zz":                   false,
		"":                                                   false,
	} {
		p, ok := ParseParent(text, "a=b")
		if ok != want {
			t.Errorf("%q: %t", text, ok)
		}
		if ok && (p.Span != [8]byte{0xb7, 0xad, 0x6b, 0x71, 0x69, 0x20, 0x33, 0x31} || p.Unsampled != strings.HasSuffix(text, "-00")) {
			t.Errorf("%q: %+v", text, p)
		}
	}
}

func FuzzParseParent(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	f.Fuzz(func(t *testing.T, text string) { ParseParent(text, text) })
}

func FuzzRejected(f *testing.F) {
	f.Add([]byte{0x0a, 0x04, 0x08, 0x02, 0x12, 0x00})
	f.Fuzz(func(t *testing.T, answer []byte) { rejected(answer) })
}
