package gate

import (
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func TestRedactText(t *testing.T) {
	r := newRedactor([]string{"hunter2-long", "hunter2-long-and-more", "line one\nsecond-line-secret\n", "true", ""})
	for in, want := range map[string]string{
		"":                                         "",
		"nothing to hide: true":                    "nothing to hide: true",
		"login hunter2-long failed":                "login *** failed",
		"login hunter2-long-and-more failed":       "login *** failed",
		"got second-line-secret":                   "got ***",
		"postgres://bob:s3cret@db:5432/x":          "postgres://***@db:5432/x",
		"https://x.example/a?sig=abc123&b=1":       "https://x.example/a?sig=***&b=1",
		"Authorization: Bearer abcdefghijklmnop":   "Authorization: Bearer ***",
		"DB_PASSWORD=swordfish next":               "DB_PASSWORD=*** next",
		`{"api_key": "abcdef123"}`:                 `{"api_key": ***}`,
		"toomanyrequests: slow down. account bob9": "toomanyrequests: slow down.",
	} {
		if got := r.text(in); got != want {
			t.Errorf("text(%q)\n got %q\nwant %q", in, got, want)
		}
	}
}

// timelineOf is one event of each type, with a text in every field that can hold text of the cluster.
func timelineOf(text string) []Event {
	status := rollout.Status{Message: text}
	var all []Event
	for _, p := range []Payload{
		Step{What: text}, Said{Line: text}, Tested{Failure: text}, Planned{}, Applied{}, Status{status}, Waiting{Workloads: []rollout.Status{status}}, Warning{Cause: text}, Foreign{},
		Trouble{Text: text}, Source{}, Before{Problem: text}, Measured{Note: text}, Judged{Cause: text},
		Taken{Why: text, Failure: text}, Freed{}, KeptPod{}, Replaced{},
	} {
		all = append(all, Event{Type: p.eventType(), Payload: p})
	}
	return all
}

// TestRedactReport: every field that can hold text of the cluster is redacted, wherever it stands.
func TestRedactReport(t *testing.T) {
	const secret = "correct-horse-battery"
	finding := diagnosis.Finding{Cause: secret, Detail: secret, Fix: []string{secret}, Evidence: []diagnosis.Proof{{Text: secret}}, Changes: []diagnosis.Change{{Before: secret, After: secret}}}
	status := rollout.Status{Message: secret}
	r := Gate{}.begin(t.Context(), "run")
	r.redact = newRedactor([]string{secret})
	r.report = Report{
		Exit:      Exit{State: secret, Error: secret},
		Changes:   []Change{{Diff: secret}},
		Stages:    []StageReport{{Approval: &StageApproval{By: secret, Reason: secret}}},
		Workloads: []rollout.Status{status},
		Findings:  []diagnosis.Finding{finding},
		Criteria:  []analysis.Result{{Reason: secret, LastError: secret, Series: []analysis.Point{{Note: secret}}, Courses: []analysis.Course{{Group: secret}}}},
		Undo:      &Undo{Objects: []Undone{{Result: secret}}, Findings: []diagnosis.Finding{finding}},
		Timeline:  timelineOf(secret),
		Layers:    []diagnosis.Layered{{Healthy: []string{secret}, Unknown: []string{secret}}},
		Notes:     []string{secret},
		Logs:      []KeptLog{{Text: secret}, {Text: "a line\nwith " + secret + "\n"}},
	}
	report := r.end()
	var found []string
	walk(report, "report", func(path, text string) {
		if strings.Contains(text, secret) {
			found = append(found, path)
		}
	})
	if len(found) > 0 {
		t.Errorf("the secret is still in %s", strings.Join(found, ", "))
	}
}
