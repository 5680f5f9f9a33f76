package notice

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// reports are those that the renderings are tested with, by their case.
func reports(t *testing.T) map[string]gate.Report {
	t.Helper()
	paths, err := filepath.Glob("../report/testdata/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no reports in testdata: %v", err)
	}
	all := map[string]gate.Report{}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var r gate.Report
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[strings.TrimSuffix(filepath.Base(path), ".json")] = r
	}
	return all
}

var aPipeline = record.Pipeline{System: "github", URL: "https://github.com/shop/web/actions/runs/1?a=1&b=2", Commit: "0123abc", Actor: "ann"}

// messages are those of all reports, and those of events.
func messages(t *testing.T) map[string]Message {
	all := map[string]Message{}
	for name, r := range reports(t) {
		r.Run.Pipeline = aPipeline
		all[name] = OfReport(r)
	}
	at := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	run := gate.Run{Command: "run", Version: "v1.0.0", Namespace: "shop", Context: "prod-eu", Started: at, Pipeline: aPipeline}
	pod := manifest.Ref{Kind: "Pod", Namespace: "shop", Name: "web-1"}
	for name, e := range map[string]gate.Event{
		"event-asked":   gate.NewEvent(at, manifest.Ref{}, gate.Asked{Stage: "canary", Run: "ABCDEF2345", By: "ann|bob", Limit: time.Hour}),
		"event-warning": gate.NewEvent(at, pod, gate.Warning{Code: "ImageNotFound", Cause: "the image web:2 does not exist"}),
		"event-breach":  gate.NewEvent(at, manifest.Ref{}, gate.Measured{Criterion: "errors", Value: "3%", Limit: "<= 1%", State: analysis.Breach}),
	} {
		m, is := ofEvent(e, run)
		if !is {
			t.Errorf("%s says nothing", name)
		}
		all[name] = m
	}
	all["test"] = Test(run, at)
	parked := reports(t)["passed"]
	parked.Exit = gate.Exit{Name: gate.Parked.Name(), State: "the stages up to canary have passed; go on: rolloutgate resume X"}
	all["parked"] = OfReport(parked)
	for name, m := range all {
		m.Summary.ID = "ABCDEF2345"
		all[name] = m
	}
	return all
}

// TestGoldens: what each message says, in every form.
func TestGoldens(t *testing.T) {
	for name, m := range messages(t) {
		var b bytes.Buffer
		indented := func(title string, value any) {
			b.WriteString("--- " + title + "\n")
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", "  ")
			if err := encoder.Encode(value); err != nil {
				t.Fatal(err)
			}
		}
		b.WriteString("--- text\n" + m.Sign() + " " + plainMail(m))
		indented("webhook", m.Summary)
		if slices.Contains([]string{"failed-image", "criteria-failed", "injection", "event-asked"}, name) {
			indented("slack", slackBody(m))
			indented("teams", card(m, maxText))
			b.WriteString("--- html\n" + htmlMail(m))
		}
		path := filepath.Join("testdata", name+".golden")
		if *update {
			if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), b.String()); diff != "" {
			t.Errorf("%s differs (-want +got); -update rewrites it:\n%s", path, diff)
		}
	}
}

func TestOccasions(t *testing.T) {
	all := messages(t)
	for name, want := range map[string][]Occasion{
		"passed": {Passed}, "nothing-changed": {Passed}, "failed-image": {Failed, Undone}, "undo-failed": {Failed, Undone},
		"parked": {ApprovalNeeded}, "event-asked": {ApprovalNeeded}, "event-warning": {EarlyWarning}, "event-breach": {EarlyWarning},
		"criteria-thin": {Failed}, "superseded": {Failed}, "test": nil,
	} {
		if got := all[name].Occasions; !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	for _, p := range []gate.Payload{
		gate.Measured{State: analysis.OK}, gate.Measured{State: analysis.Breach, ReportOnly: true}, gate.Foreign{}, gate.Trouble{}, gate.Waiting{}, gate.Step{}, nil,
	} {
		if m, is := ofEvent(gate.Event{Payload: p}, gate.Run{}); is {
			t.Errorf("%+v says %q", p, m.Title)
		}
	}
}

// huge is a message in which every text is as long as it may be, of characters that need an escape.
func huge(char string) Message {
	long := strings.Repeat(char, 5000)
	m := Message{
		Title: long, Text: long, Cause: slices.Repeat([]string{long}, 5), Criteria: slices.Repeat([]string{long}, maxCriteria),
		Fix: slices.Repeat([]string{long}, maxFixes), Facts: slices.Repeat([]Fact{{"Fact", long}}, 8), Link: aPipeline.URL,
	}
	return m.cleaned()
}

// TestSlackLimits are those of Slack's documentation: it refuses a message that breaks one.
func TestSlackLimits(t *testing.T) {
	all := messages(t)
	for _, char := range []string{"a", "&", "<", "é", "😀"} {
		all["huge "+char] = huge(char)
	}
	for name, m := range all {
		body := slackBody(m)
		if len(body.Blocks) > 50 || body.Text == "" {
			t.Errorf("%s: %d blocks, text %q", name, len(body.Blocks), body.Text)
		}
		for i, b := range body.Blocks {
			objects := b.Elements
			if b.Text != nil {
				objects = append(objects, *b.Text)
			}
			if (b.Type == "context") != (b.Text == nil) || len(objects) == 0 || len(objects) > 10 {
				t.Errorf("%s: block %d of type %s has %d texts", name, i, b.Type, len(objects))
			}
			for _, o := range objects {
				most := 3000
				if b.Type == "header" {
					most = 150
				}
				if n := utf8.RuneCountInString(o.Text); n == 0 || n > most {
					t.Errorf("%s: block %d has %d characters, at most %d are allowed", name, i, n, most)
				}
				if b.Type == "header" && o.Type != "plain_text" {
					t.Errorf("%s: a header is %s", name, o.Type)
				}
				checkSlackText(t, name, o)
			}
		}
	}
}

// checkSlackText: a control sequence stands only in a text of ours, and no entity was cut.
func checkSlackText(t *testing.T, name string, o slackObject) {
	t.Helper()
	rest := o.Text
	for _, entity := range []string{"&amp;", "&lt;", "&gt;"} {
		rest = strings.ReplaceAll(rest, entity, "")
	}
	if o.Type == "mrkdwn" {
		rest = strings.TrimSuffix(strings.TrimPrefix(rest, "<https://"), "|Open the pipeline>")
	}
	if strings.ContainsAny(rest, "<>&") {
		t.Errorf("%s: %s is not escaped: %q", name, o.Type, o.Text)
	}
}

func TestEscapes(t *testing.T) {
	if got := escapeSlack("<!channel> a & b", 100); got != "&lt;!channel&gt; a &amp; b" {
		t.Error(got)
	}
	if got := escapeSlack("ab&&&", 8); got != "ab…" && got != "ab&amp;…" {
		t.Error(got)
	}
	for in, want := range map[string]string{
		"[a](https://evil.example) *b* _c_ `d` ~e~": `\[a\](https://evil.example) \*b\* \_c\_ ` + "\\`d\\`" + ` \~e\~`,
		"1. first": `1\. first`, "12) x": `12\) x`, "- x": `\- x`, "# x": `\# x`, "<at>ann</at> & co": "&lt;at&gt;ann&lt;/at&gt; &amp; co", "3.5 %": `3\.5 %`,
	} {
		if got := escapeTeams(in); got != want {
			t.Errorf("escapeTeams(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestTeamsCard holds a message to what Teams takes: the envelope of a workflow, version 1.4, known elements with known
// properties and values, and 28 KiB.
func TestTeamsCard(t *testing.T) {
	all := messages(t)
	for _, char := range []string{"a", "&", "*", "é", "😀", "\\"} {
		all["huge "+char] = huge(char)
	}
	for name, m := range all {
		body, err := teamsBody(m)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) > 28<<10 {
			t.Errorf("%s: %d bytes", name, len(body))
		}
		var value map[string]any
		if err := json.Unmarshal(body, &value); err != nil {
			t.Fatal(err)
		}
		if value["type"] != "message" || len(value) != 2 || len(value["attachments"].([]any)) != 1 {
			t.Errorf("%s: the envelope is %v", name, value)
		}
		attachment := value["attachments"].([]any)[0].(map[string]any)
		if attachment["contentType"] != "application/vnd.microsoft.card.adaptive" || len(attachment) != 2 {
			t.Errorf("%s: the attachment is %v", name, attachment)
		}
		checkCard(t, name, attachment["content"].(map[string]any))
	}
}

// cardRules are the properties of each element, with their words where they have some.
var cardRules = map[string]map[string][]string{
	"AdaptiveCard": {"$schema": {"http://adaptivecards.io/schemas/adaptive-card.json"}, "version": {"1.4"}, "fallbackText": nil, "msteams": nil, "body": nil, "actions": nil},
	"TextBlock": {
		"text": nil, "wrap": nil, "size": {"Default", "Small", "Medium", "Large", "ExtraLarge"}, "weight": {"Default", "Lighter", "Bolder"},
		"color": {"Default", "Dark", "Light", "Accent", "Good", "Warning", "Attention"}, "spacing": {"Default", "None", "Small", "Medium", "Large", "ExtraLarge", "Padding"},
	},
	"FactSet":        {"facts": nil, "spacing": {"Default", "None", "Small", "Medium", "Large", "ExtraLarge", "Padding"}},
	"Action.OpenUrl": {"title": nil, "url": nil},
}

var cardRequires = map[string][]string{
	"AdaptiveCard": {"$schema", "version", "body"}, "TextBlock": {"text"}, "FactSet": {"facts"}, "Action.OpenUrl": {"title", "url"},
}

func checkCard(t *testing.T, name string, element map[string]any) {
	t.Helper()
	kind, _ := element["type"].(string)
	rules, known := cardRules[kind]
	if !known {
		t.Errorf("%s: unknown element %q", name, kind)
		return
	}
	for _, key := range cardRequires[kind] {
		if value, ok := element[key]; !ok || value == "" {
			t.Errorf("%s: a %s without %s", name, kind, key)
		}
	}
	for key, value := range element {
		words, known := rules[key]
		if text, _ := value.(string); key != "type" && (!known || words != nil && !slices.Contains(words, text)) {
			t.Errorf("%s: a %s with %s: %v", name, kind, key, value)
		}
		switch list, _ := value.([]any); key {
		case "body", "actions":
			for _, item := range list {
				checkCard(t, name, item.(map[string]any))
			}
		case "facts":
			for _, item := range list {
				if fact := item.(map[string]any); len(fact) != 2 || fact["title"] == "" || fact["value"] == "" {
					t.Errorf("%s: the fact %v", name, fact)
				}
			}
		}
	}
}

// TestLinks: nothing but a web address without credentials becomes a link.
func TestLinks(t *testing.T) {
	for in, want := range map[string]string{
		"https://ci.example/run/1": "https://ci.example/run/1", "javascript:alert(1)": "", "https://user:secret@ci.example/": "", "": "", "ci.example": "",
		`https://ci.example/"><script>`: "https://ci.example/%22%3E%3Cscript%3E", "https://ci.example/a|b>c": "https://ci.example/a%7Cb%3Ec",
	} {
		if got := link(in); got != want {
			t.Errorf("link(%q) = %q, want %q", in, got, want)
		}
	}
}
