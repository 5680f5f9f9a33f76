package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func renderHTML(t *testing.T, r gate.Report) string {
	t.Helper()
	var out bytes.Buffer
	if err := HTML(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// unstyled is the page without its styles, which are a file of their own.
func unstyled(w io.Writer, r gate.Report) error {
	var out bytes.Buffer
	if err := HTML(&out, r); err != nil {
		return err
	}
	_, err := io.WriteString(w, strings.Replace(out.String(), styles, "html.css\n", 1))
	return err
}

// TestHTMLIsWellFormed reads each page with a strict parser: every element is closed, every attribute quoted, no id is
// there twice, and what others refer to is there.
func TestHTMLIsWellFormed(t *testing.T) {
	all := reports(t)
	all["everything"], all["nothing"], all["crowd"] = everything(), gate.Report{}, crowd(1000)
	all["hostile"] = hostile(t)
	for name, r := range all {
		page := renderHTML(t, r)
		ids, wanted := elements(t, name, page)
		for id, n := range ids {
			if n > 1 {
				t.Errorf("%s: the id %q is there %d times", name, id, n)
			}
		}
		for _, id := range wanted {
			if ids[id] == 0 {
				t.Errorf("%s: there is no id %q", name, id)
			}
		}
	}
}

var void = regexp.MustCompile(`<(meta|link|br|wbr)\b([^>]*)>`)

// elements reads a page and returns its ids and those it refers to.
func elements(t *testing.T, name, page string) (ids map[string]int, wanted []string) {
	t.Helper()
	// The parser is one of XML: it knows no attributes without a value, and no elements without an end.
	page = strings.NewReplacer(" open>", ` open="">`, " hidden>", ` hidden="">`, "<!DOCTYPE html>", "").Replace(page)
	d := xml.NewDecoder(strings.NewReader(void.ReplaceAllString(page, "<$1$2/>")))
	d.Entity = xml.HTMLEntity
	ids = map[string]int{}
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			if depth != 0 {
				t.Errorf("%s: %d elements stay open", name, depth)
			}
			return ids, wanted
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch e := token.(type) {
		case xml.EndElement:
			depth--
		case xml.StartElement:
			depth++
			for _, a := range e.Attr {
				switch {
				case a.Name.Local == "id":
					ids[a.Value]++
				case a.Name.Local == "aria-labelledby":
					wanted = append(wanted, strings.Fields(a.Value)...)
				case strings.HasPrefix(a.Name.Local, "on"), a.Name.Local == "src", a.Name.Local == "style":
					t.Errorf("%s: <%s> has the attribute %s", name, e.Name.Local, a.Name.Local)
				case a.Name.Local == "href" && !strings.HasPrefix(a.Value, "https://") && !strings.HasPrefix(a.Value, "./") && a.Value != "data:,":
					t.Errorf("%s: a link to %s", name, a.Value)
				}
			}
			if e.Name.Local == "script" || e.Name.Local == "img" || e.Name.Local == "iframe" {
				t.Errorf("%s: there is a <%s>", name, e.Name.Local)
			}
		}
	}
}

// TestLinksToFiles: only what lies beside the page can be reached.
func TestLinksToFiles(t *testing.T) {
	for file, want := range map[string]markup{
		"logs/web-1_app.log":  `<a href="./logs/web-1_app.log">`,
		"logs/a b?.log":       `<a href="./logs/a%20b%3F.log">`,
		"javascript:alert(1)": `<a href="./javascript:alert%281%29">`,
		"../../etc/passwd":    "../../etc/passwd",
		"logs/../../secret":   "logs/../../secret",
		"/etc/passwd":         "/etc/passwd",
		`logs/"><script>`:     `<a href="./logs/%22%3E%3Cscript%3E">`,
		"":                    "",
	} {
		if got := besides(file); !strings.HasPrefix(string(got), string(want)) || want == "" && got != "" {
			t.Errorf("%q is %s, want %s", file, got, want)
		}
	}
}

// hostile is a report all of whose strings are evil.
func hostile(t *testing.T) gate.Report {
	t.Helper()
	evil := reports(t)["injection"].Criteria[0].Name + "\"' onload=alert(1) x='</style></title></svg><svg onload=alert(1)> javascript:alert(1) &lt;script&gt; <!-- ]]> \u202e\x00\x1b[31m"
	var r gate.Report
	fill(reflect.ValueOf(&r).Elem(), evil)
	c := &r.Criteria[0]
	c.Plot = reports(t)["criteria-failed"].Criteria[0].Plot
	c.Courses = append(c.Courses, analysis.Course{Version: "new", Plot: c.Plot}, analysis.Course{Group: evil, Plot: c.Plot})
	r.Run.Finished = r.Run.Started.Add(time.Minute)
	for _, e := range []gate.EventType{gate.EventStep, gate.EventWarning, gate.EventVerdict, gate.EventUndo} {
		event := r.Timeline[0]
		event.Type = e
		r.Timeline = append(r.Timeline, event)
	}
	r.Marks.Undone = r.Run.Started.Add(40 * time.Second)
	r.Run.Pipeline.URL = "javascript:alert(1)//" + evil
	return r
}

func TestHTMLInjection(t *testing.T) {
	for _, command := range []string{"run", "plan", "diagnose"} {
		r := hostile(t)
		r.Run.Command = command
		page := renderHTML(t, r)
		if clean(page) != page || strings.ContainsAny(page, "\x1b\r\x00\u202e") {
			t.Errorf("the page is not clean")
		}
		rest := strings.Replace(page, styles, "", 1)
		for _, bad := range []string{"<script", "</style><", "<!--", " onload=alert(1) x='</", "<svg onload", "href=\"javascript", "<a href"} {
			if strings.Contains(strings.Replace(rest, "</style>\n</head>", "", 1), bad) {
				t.Errorf("there is %q in the page", bad)
			}
		}
	}
}

func TestLink(t *testing.T) {
	for in, want := range map[string]string{
		"":                                       "",
		"https://ci.example/1":                   `<a href="https://ci.example/1"`,
		"http://ci.example/1?a=b&c=d":            `<a href="http://ci.example/1?a=b&amp;c=d"`,
		"HTTPS://ci.example":                     `<a href="https://ci.example"`,
		"https://ann:secret@ci.example/1":        `<a href="https://ci.example/1"`,
		"javascript:alert(1)":                    "javascript:alert(1)",
		" javascript:alert(1)":                   "javascript:alert(1)",
		"java\tscript:alert(1)":                  "java script:alert(1)",
		"data:text/html,<b>":                     "data:text/html,&lt;b&gt;",
		"//evil.example":                         "//evil.example",
		"https:evil":                             "https:evil",
		`https://x.example/"onmouseover="x`:      `<a href="https://x.example/%22onmouseover=%22x"`,
		"https://x.example/'><script>":           `<a href="https://x.example/%27%3E%3Cscript%3E"`,
		"vbscript:https://x.example":             "vbscript:https://x.example",
		"https://x.example/\x1b[31m\u202e\x00ok": `<a href="https://x.example/ok"`,
	} {
		if got := string(link(in)); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("link(%q) = %s, want %s…", in, got, want)
		}
		if strings.Contains(string(link(in)), "secret") {
			t.Errorf("link(%q) shows a password", in)
		}
	}
}

func TestPipelineLink(t *testing.T) {
	r := reports(t)["passed"]
	r.Run.Pipeline = record.Pipeline{System: "github", URL: "https://github.com/shop/web/actions/runs/1", Commit: "0f3c9a1", Actor: "ann"}
	page := renderHTML(t, r)
	for _, want := range []string{`<a href="https://github.com/shop/web/actions/runs/1" rel="noopener noreferrer nofollow">`, "github</dd>", "0f3c9a1", "ann</dd>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// crowd is the report of a run of so many pods in which much went wrong.
func crowd(n int) gate.Report {
	began := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	at := func(s int) time.Time { return began.Add(time.Duration(s) * time.Second) }
	ref := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "crowd"}
	r := gate.Report{SchemaVersion: "1", Exit: gate.Exit{Code: 10, Name: "failed", State: "deployment/crowd is back at its previous version (verified)"}}
	r.Run = gate.Run{ID: "20261120-164000-7f3a", Command: "run", Version: "v1.0.0", Started: began, Finished: at(1200), Namespace: "shop"}
	r.Marks = gate.Marks{Applied: at(3), Undone: at(900)}
	r.Timeline = append(r.Timeline, gate.NewEvent(at(0), manifest.Ref{}, gate.Step{Name: gate.StepPlan, Objects: 1}),
		gate.NewEvent(at(3), manifest.Ref{}, gate.Step{Name: gate.StepApply}), gate.NewEvent(at(4), manifest.Ref{}, gate.Step{Name: gate.StepWatch, Workloads: 1, Limit: 20 * time.Minute}))
	for i := range 500 {
		p := gate.Pods{Time: at(5 + i*2), Object: ref, Desired: int32(n), Old: int32(n - n*i/500), New: int32(n * (i + 1) / 500)}
		p.OldReady, p.NewReady = p.Old, p.New*9/10
		r.Pods = append(r.Pods, p)
	}
	long := strings.Repeat("the container app of this pod keeps exiting & says <why>; ", 20)
	for i := range 1990 {
		pod := manifest.Ref{Kind: "Pod", Namespace: "shop", Name: fmt.Sprintf("crowd-6d8f7c9b5-%05d", i%n)}
		r.Timeline = append(r.Timeline, gate.NewEvent(at(5+i/2), pod, gate.Warning{Code: "ContainerExits", Cause: long}))
	}
	for i := range 40 {
		w := rollout.Status{Ref: manifest.Ref{Kind: "Deployment", Name: fmt.Sprintf("crowd-%d", i)}, Phase: rollout.Failed, Watched: true, Desired: 25, Updated: 25, Message: long}
		r.Workloads = append(r.Workloads, w)
		r.Changes = append(r.Changes, gate.Change{Object: w.Ref, Action: "configured", Diff: strings.Repeat("+ a line of a diff that is long enough to count\n", 600)})
		var log []string
		for l := range 3000 {
			log = append(log, fmt.Sprintf("2026-11-20T16:40:30Z INFO %d %s", l, strings.Repeat("x", 300)))
		}
		if i < 10 {
			r.Findings = append(r.Findings, diagnosis.Finding{Code: "ContainerExits", Cause: long, Object: diagnosis.Subject{Ref: w.Ref}, Evidence: []diagnosis.Proof{{Type: "log", Text: strings.Join(log, "\n"), Headline: 2000}}})
		}
		c := analysis.Result{Name: fmt.Sprintf("criterion-%d", i), Verdict: analysis.Fail, Op: analysis.LessEqual, Limit: .01, Unit: analysis.Percent, FirstBreach: at(700)}
		for m := range 240 {
			c.Plot = append(c.Plot, analysis.Moment{Time: at(m * 5), Value: analysis.Number(float64(m%17) / 1000)})
		}
		for g := range 6 {
			c.Courses = append(c.Courses, analysis.Course{Group: fmt.Sprintf("route=\"/%d\"", g), Plot: c.Plot})
		}
		r.Criteria = append(r.Criteria, c)
	}
	return r
}

// TestHTMLIsCapped: a page stays small however much there is to say, and is never cut inside of an element.
func TestHTMLIsCapped(t *testing.T) {
	page := renderHTML(t, crowd(1000))
	if len(page) > MaxHTML {
		t.Errorf("the page has %d bytes, the cap is %d", len(page), MaxHTML)
	}
	for _, want := range []string{"deployment/", "left out to keep this page small", "What happened: the first", "</html>"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if rows := strings.Count(page, "<tr class=\"event-"); rows < 100 {
		t.Errorf("only %d events are left beside the diffs", rows)
	}
}

// TestHTMLTellsTheVerdict: what decides stands in the page in words, whatever its colours.
func TestHTMLTellsTheVerdict(t *testing.T) {
	tags := regexp.MustCompile(`<(?:title|style)[^>]*>[^<]*</(?:title|style)>|<[^>]*>`)
	for name, r := range reports(t) {
		if name == "injection" {
			continue
		}
		page := tags.ReplaceAllString(renderHTML(t, r), "")
		for _, want := range []string{verdictWord(r), fmt.Sprintf("exit %d", r.Exit.Code), string(text(r.Exit.State)), r.Run.ID} {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page lacks %q", name, want)
			}
		}
		for _, c := range r.Criteria {
			if !strings.Contains(page, string(text(c.Name))) || !strings.Contains(page, string(line(c.Reason))) {
				t.Errorf("%s: the page lacks criterion %s", name, c.Name)
			}
		}
	}
}

// TestLabelsDoNotTouch: however the marks lie, their words neither cover each other nor leave the drawing.
func TestLabelsDoNotTouch(t *testing.T) {
	for seed := range 400 {
		var labels []label
		for i := range 6 {
			labels = append(labels, label{text: strings.Repeat("x", 4+(seed*7+i*3)%9), x: float64((seed*37 + i*(seed%50)*3) % 340)})
		}
		all, rows := arrange(labels, 340)
		if len(all) != len(labels) || rows > len(labels) {
			t.Fatalf("%d labels in %d rows", len(all), rows)
		}
		span := func(p placed) (float64, float64) {
			w := float64(width(p.text))*charWidth + 4
			if p.end {
				return p.x - w, p.x
			}
			return p.x, p.x + w
		}
		for i, a := range all {
			from, to := span(a)
			if to > 345 {
				t.Fatalf("%d: %q ends at %g", seed, a.text, to)
			}
			for _, b := range all[i+1:] {
				if f, e := span(b); a.row == b.row && from < e && f < to {
					t.Fatalf("%d: %+v covers %+v", seed, a, b)
				}
			}
		}
	}
}

func TestTicks(t *testing.T) {
	for _, span := range []time.Duration{0, 3 * time.Second, 95 * time.Second, 7 * time.Minute, 3 * time.Hour, 80 * time.Hour} {
		for _, before := range []time.Duration{0, 5 * time.Minute} {
			s := timeScale{began.Add(-before), began.Add(span), 60, 340}
			ticks := s.ticks(began, 56)
			if n := len(ticks); n == 0 || n > 6 {
				t.Errorf("%s from -%s: %d ticks", span, before, n)
			}
			for i, tick := range ticks {
				if x := s.x(tick); x < 60 || x > 340 || i > 0 && x-s.x(ticks[i-1]) < 55 {
					t.Errorf("%s: a tick at %g", span, x)
				}
			}
		}
	}
	for _, v := range []valueScale{{0, 1, 10, 0}, {0, .0373, 10, 0}, {-3, 917, 10, 0}, {0, 1e9, 10, 0}, {5, 5, 10, 0}} {
		if n := len(v.ticks(4)); n == 0 || n > 5 {
			t.Errorf("%v has %d ticks", v, n)
		}
	}
}

func TestStepped(t *testing.T) {
	got := stepped([]float64{0, 10, 20}, []float64{50, 50, 50}, []float64{40, 40, 30}, 100)
	if want := "M0 40H20V30H100V50H0Z"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := stepped(nil, nil, nil, 1); got != "" {
		t.Errorf("nothing is drawn as %s", got)
	}
	if got, want := steppedLine([]float64{0, 10, 20}, []float64{5, 5, 3}, 90), "M0 5H20V3H90"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestHTMLOfARunThatDied: what is known of it is drawn up to its last sign of life.
func TestHTMLOfARunThatDied(t *testing.T) {
	r := reports(t)["staged"]
	r.Run.Finished, r.Exit = time.Time{}, gate.Exit{}
	page := renderHTML(t, r)
	if !strings.Contains(page, "recheck from 2m11s to 2m26s") || strings.Contains(page, "Took") && strings.Contains(page, "<dt>Took</dt><dd>0s") {
		t.Error("the run is not drawn to its end")
	}
}
