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
		r.Findings = append(r.Findings, diagnosis.Finding{Code: "X", Object: diagnosis.Subject{Ref: ref}})
	}
	r.Exit = gate.Exit{Code: 10, Name: "failed", State: "restored"}
	text := renderText(t, r, Options{})
	for _, want := range []string{"… 185 more", "… 160 more", "… 192 more", "also      197 more causes: X on deployment/d3, X on deployment/d4, X on deployment/d5,", "…; all in the JSON"} {
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

// TestTextShowsTheHeadlineOfALog: a panic is followed by pages of stacks, an error in the last lines by nothing.
func TestTextShowsTheHeadlineOfALog(t *testing.T) {
	log := func(headline int) gate.Report {
		var lines []string
		for i := range 200 {
			lines = append(lines, fmt.Sprintf("line %d", i+1))
		}
		return gate.Report{Exit: gate.Exit{Code: 10}, Findings: []diagnosis.Finding{{
			Code: "AppCrash", Evidence: []diagnosis.Proof{{Type: "log", Text: strings.Join(lines, "\n"), Headline: headline}},
		}}}
	}
	for headline, want := range map[int][]string{
		0:   {"last 20 of 200 lines", "      │ line 181\n", "      │ line 200\n"},
		195: {"last 20 of 200 lines", "      │ line 181\n", "    ▶ │ line 195\n", "      │ line 200\n"},
		40:  {"lines 35 to 54 of 200", "      │ line 35\n", "    ▶ │ line 40\n", "      │ line 54\n"},
		2:   {"lines 1 to 20 of 200", "      │ line 1\n", "    ▶ │ line 2\n"},
		999: {"last 20 of 200 lines", "      │ line 200\n"},
	} {
		text := renderText(t, log(headline), Options{})
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("headline %d: the text lacks %q:\n%s", headline, w, text)
			}
		}
		if n := strings.Count(text, "│ line "); n != logLines {
			t.Errorf("headline %d: %d lines", headline, n)
		}
		if page := renderMarkdown(t, log(headline)); !strings.Contains(page, "\nline 1\nline 2\n") || !strings.Contains(page, "<summary>200 lines") {
			t.Errorf("headline %d: the page lacks the whole log", headline)
		}
	}
	carriage := diagnosis.Proof{Type: "log", Text: "10%\r20%\r\n30%\r\nthe error\r\nafter\n\n", Headline: 3}
	if lines, at := proofLines(carriage); at < 0 || lines[at] != "the error" || lines[len(lines)-1] != "after" {
		t.Errorf("the headline of %q is line %d", lines, at)
	}
}

// TestTextLayers: no layer takes more than its line, and none is shown where nothing is blamed.
func TestTextLayers(t *testing.T) {
	r := reports(t)["memory"]
	for i := range r.Layers {
		for range 9 {
			r.Layers[i].Healthy = append(r.Layers[i].Healthy, strings.Repeat("a long fact ", 9))
		}
	}
	block := func(r gate.Report) int { return strings.Count(renderText(t, r, Options{}), "\n") }
	if all, none := block(r), block(without(r)); all != none+5 {
		t.Errorf("five layers take %d lines", all-none)
	}
	for line := range strings.Lines(renderText(t, r, Options{})) {
		if n := len([]rune(line)); n > 101 && !strings.HasPrefix(line, "rolloutgate:") {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	r.Findings[0].Terminal = diagnosis.TerminalContext
	if strings.Contains(renderText(t, r, Options{}), "  layers ") || strings.Contains(renderMarkdown(t, r), "Layers") {
		t.Error("a remark blames no layer")
	}
}

func without(r gate.Report) gate.Report { r.Layers = nil; return r }

func TestChangedWords(t *testing.T) {
	f := diagnosis.Finding{
		FieldPath: "spec.template.spec.containers[name=app].resources.limits.memory",
		Changes: []diagnosis.Change{
			{Path: "spec.template.spec.containers[name=app].image", Before: "web:1", After: "web:2"},
			{Path: "spec.template.spec.containers[name=app].resources.limits.memory", Before: "512Mi", After: "64Mi"},
			{Path: "spec.template.spec.containers[name=app].env[name=KEY].value"},
		},
		Evidence: []diagnosis.Proof{
			{Type: "status", Text: "terminated"}, {Type: "diff", Text: "changed in this rollout: resources.limits.memory: 512Mi → 64Mi"},
			{Type: "diff", Text: "changed in this run: configmap/web, key a"}, {Type: "diff", Text: "-a\n+b"},
		},
	}
	want := []string{"resources.limits.memory: 512Mi → 64Mi", "image: web:1 → web:2", "env[name=KEY].value (not shown: it may be secret)", "configmap/web, key a"}
	if diff := cmp.Diff(want, changedWords(f)); diff != "" {
		t.Error(diff)
	}
	if rest := otherProofs(f); len(rest) != 2 || rest[1].Text != "-a\n+b" {
		t.Errorf("told twice, or not at all: %+v", rest)
	}
}

// TestDiagnosisJudgesNothing: what is broken did not pass, whatever the exit code is.
func TestDiagnosisJudgesNothing(t *testing.T) {
	r := gate.Report{
		Run:      gate.Run{Command: "diagnose"},
		Exit:     gate.Exit{Name: "passed", State: "1 of 2 workloads is broken: deployment/web (CrashLoop)"},
		Findings: []diagnosis.Finding{{Code: "CrashLoop", Terminal: diagnosis.TerminalAfter}},
	}
	if got, want := LastLine(r), "rolloutgate: 1 of 2 workloads is broken: deployment/web (CrashLoop) (exit 0)"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if page := renderMarkdown(t, r); strings.Contains(page, "passed") || !strings.Contains(page, "❌ rolloutgate diagnose | **broken** (exit 0)") {
		t.Errorf("got %s", page)
	}
	r.Exit = gate.Exit{Code: gate.Denied.Code(), Name: gate.Denied.Name(), State: "nothing was changed"}
	if got := LastLine(r); got != "rolloutgate: denied (exit 77): nothing was changed" {
		t.Errorf("got %s", got)
	}
}
