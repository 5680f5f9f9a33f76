package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func renderText(t *testing.T, r gate.Report, o Options) string {
	t.Helper()
	var out bytes.Buffer
	if err := Text(&out, r, o); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestTextFitsItsWidth(t *testing.T) {
	for name, r := range reports(t) {
		if name == "injection" { // names as long as these break every table
			continue
		}
		for _, width := range []int{100, 80} {
			lines := strings.Split(strings.TrimSuffix(renderText(t, r, Options{Width: width}), "\n"), "\n")
			for i, line := range lines {
				if n := len([]rune(line)); n > width && i < len(lines)-1 {
					t.Errorf("%s: %d columns at width %d: %s", name, n, width, line)
				}
				if strings.TrimRight(line, " ") != line {
					t.Errorf("%s: spaces at the end of %q", name, line)
				}
			}
		}
	}
}

func TestTextEndsWithTheLastLine(t *testing.T) {
	for name, r := range reports(t) {
		for _, color := range []bool{false, true} {
			text := renderText(t, r, Options{Color: color})
			lines := strings.Split(strings.TrimSuffix(clean(text), "\n"), "\n")
			if last := lines[len(lines)-1]; last != LastLine(r) {
				t.Errorf("%s: the last line is %q", name, last)
			}
			if !color && strings.ContainsAny(text, "\x1b\r\x00") {
				t.Errorf("%s: control characters in plain text", name)
			}
		}
	}
}

// Without its colours the coloured text is the plain one, so no cluster text can bring colours of its own.
func TestColorsAreAllThatDiffers(t *testing.T) {
	for name, r := range reports(t) {
		plain, colored := renderText(t, r, Options{}), renderText(t, r, Options{Color: true})
		for _, code := range []string{bold, dim, red, green, yellow, cyan, bold + ";" + red, bold + ";" + green, bold + ";" + yellow, "0"} {
			colored = strings.ReplaceAll(colored, "\x1b["+code+"m", "")
		}
		if diff := cmp.Diff(plain, colored); diff != "" {
			t.Errorf("%s: the coloured text says something else:\n%s", name, diff)
		}
	}
}

// log is a Folder that writes what it is told.
type foldLog struct{ *bytes.Buffer }

func (l foldLog) Open(title string) { fmt.Fprintf(l, "<%s>\n", title) }
func (l foldLog) Close()            { fmt.Fprint(l, "</>\n") }

func TestOnlyDiffsAreFolded(t *testing.T) {
	for name, r := range reports(t) {
		var out bytes.Buffer
		fold := foldLog{&out}
		if err := Text(&out, r, Options{Fold: fold, BeforeLast: func() { fmt.Fprint(fold, "<before last>\n") }}); err != nil {
			t.Fatal(err)
		}
		folded := strings.Contains(out.String(), "</>\n")
		if folded != (name == "plan") {
			t.Errorf("%s: folded is %v", name, folded)
		}
		if !strings.HasSuffix(out.String(), "<before last>\n\n"+LastLine(r)+"\n") {
			t.Errorf("%s: BeforeLast is not called before the last line", name)
		}
		if folded && !strings.Contains(out.String(), "<secret/web configured>\n--- live/secret/web\n") {
			t.Errorf("%s: the diff is not in the fold:\n%s", name, out.String())
		}
	}
}

func TestTextCutsLongLists(t *testing.T) {
	var r gate.Report
	for i := range 200 {
		ref := manifest.Ref{Kind: "Deployment", Name: fmt.Sprintf("d%d", i)}
		r.Changes = append(r.Changes, gate.Change{Object: ref, Action: "configured"})
		r.Workloads = append(r.Workloads, rollout.Status{Ref: ref, Phase: rollout.Failed, Watched: true, Message: "no"})
		r.Notes = append(r.Notes, "a note")
		r.Findings = append(r.Findings, diagnosis.Finding{Code: "X", Object: ref})
	}
	r.Exit = gate.Exit{Code: 10, Name: "failed", State: "restored"}
	text := renderText(t, r, Options{})
	for _, want := range []string{"… 185 more", "… 160 more", "… 192 more", "197 more findings in the JSON report"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	if n := strings.Count(text, "\n"); n > 200 {
		t.Errorf("the text has %d lines", n)
	}
}

func TestElapsed(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 400 * time.Millisecond: "0s", 12 * time.Second: "12s",
		59*time.Second + 600*time.Millisecond: "1m00s", 130 * time.Second: "2m10s", time.Hour + 2*time.Minute: "1h02m",
	} {
		if got := Elapsed(d); got != want {
			t.Errorf("Elapsed(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestWrap(t *testing.T) {
	for text, want := range map[string]string{
		"":                                       "",
		"short":                                  "short",
		"one two three four five six":            "one two three four\nfive six",
		"a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab b": "a\naaaaaaaaaaaaaaaaaaaa\naaaaaaaaaaaaab b",
		"ää öööööööööööööööööö üü": "ää\nöööööööööööööööööö\nüü",
	} {
		if got := strings.Join(wrap(text, 20), "\n"); got != want {
			t.Errorf("wrap(%q) = %q, want %q", text, got, want)
		}
	}
}
