package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
)

func some(seconds float64) *float64 { return &seconds }

func sample() results {
	r := results{Machine: "2 cores", Kubernetes: "v1.36.3", Argo: "v1.8.3", Date: noon, Trials: []result{
		{Fault: "noisy", Way: "canary-1-of-4", Number: 1, Quiet: true, figures: figures{Failed: 3, Requests: 9000}},
		{Fault: "noisy", Way: "canary-1-of-4", Number: 2, Quiet: true, figures: figures{Failed: 7}, Exit: 12, Wrong: "it was taken back, exit 12", Output: "line\n"},
		{Fault: "noisy", Way: "argo-limit-0", Number: 1, Quiet: true, Wrong: "it was taken back, exit 0"},
		{Fault: "healthy", Way: "canary-1-of-4", Number: 1, Quiet: true, Error: "no node"},
		{Fault: "crash", Way: "argo-limit-3", Number: 1, Parallel: 3, figures: figures{Gone: 70, Failed: 20, Requests: 7000}},
		{Fault: "error-burst", Way: "argo-limit-3", Number: 1, Error: "no node"},
	}}
	for i, undo := range []float64{2, 9, 4} {
		r.Trials = append(r.Trials, result{Fault: "error-burst", Way: "canary-1-of-4", Number: i + 1, Parallel: 2,
			figures: figures{Undo: some(undo), Scraped: some(undo - 1), Gone: undo + 1, Failed: int(10 * undo), Requests: 1000}})
	}
	r.sort()
	return r
}

func TestDocument(t *testing.T) {
	r := sample()
	text := r.Document()
	for _, want := range []string{
		"2026-01-02; 2 cores, Kubernetes v1.36.3, 2 to 3 releases at once; 100 requests a second",
		"| `--canary 1`, 4 pods | 3 of 3 | 3.0, 8.0 | 4.0, 9.0 | 1.0, 1.0 | 5.0, 10.0 | 40, 90 | 4.0, 9.0 |",
		"`failureLimit: 3` | 0 of 1 | – | – | – | 70.0, 70.0 | 20, 20 | 0.3, 0.3 |",
		"Argo Rollouts is v1.8.3;",
		"the limit is 1 % | `--canary 1`, 4 pods | 2 | 1 | 3, 7 |",
		"`failureLimit: 0` | 1 | 1 | 0, 0 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "latency-step") {
		t.Error("a fault that was not played has a table")
	}
	r.Argo = ""
	if !strings.Contains(r.Document(), "Argo Rollouts was left out of this run.") {
		t.Error("it does not say that Argo Rollouts was left out")
	}
}

func TestProblems(t *testing.T) {
	r := sample()
	want := []string{"error-burst/argo-limit-3: 1 trials could not be played", "healthy: 1 trials could not be played",
		"noisy: 1 of 2 healthy releases did not pass"}
	if got := r.Problems(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if text := r.Text(); !strings.Contains(text, "\n    line\n") || !strings.Contains(text, "taken back after 9.0 s") || !strings.Contains(text, "never taken back") {
		t.Errorf("got\n%s", text)
	}
}

func TestHealthyReleases(t *testing.T) {
	passed := seen{version2: true, log: requests.Log{at(1, "v2", ""), at(2, "v2", requests.Status)}}
	undone, refused, parked := passed, passed, passed
	undone.undone, undone.exit, undone.version2 = noon, 12, false
	refused.exit, refused.version2 = 3, false
	parked.version2 = false
	for _, c := range []struct {
		seen seen
		want string
	}{{passed, ""}, {undone, "it was taken back, exit 12"}, {refused, "it did not pass, exit 3"}, {parked, "it did not pass, exit 0"}} {
		r := result{Quiet: true}
		if err := r.take(fault{}, c.seen); err != nil || r.Wrong != c.want || r.Failed != 1 || r.Requests != 2 {
			t.Errorf("want %q, got %+v, %v", c.want, r, err)
		}
	}
}

// When version 1 is slow, too, it is the machine.
func TestHealthyReleasesOnAMachineThatIsTooSlow(t *testing.T) {
	var log requests.Log
	for i := range 100 {
		log = append(log, requests.Answer{At: second(float64(i)), Version: "v1"})
	}
	log[0].Took = time.Second
	r := result{Quiet: true}
	if err := r.take(fault{}, seen{version2: true, log: log}); err != nil {
		t.Errorf("one in a hundred: %v", err)
	}
	log[1].Took = time.Second
	if err := r.take(fault{}, seen{version2: true, log: log}); err == nil || !strings.Contains(err.Error(), "2 of 100 answers") {
		t.Errorf("two in a hundred: %v", err)
	}
}

func TestBadReleases(t *testing.T) {
	r := result{}
	if err := r.take(fault{}, seen{log: requests.Log{at(1, "v2", requests.Status)}, undone: second(3), scraped: time.Time{}, exit: 12}); err != nil || *r.Undo != 2 || r.Exit != 12 {
		t.Errorf("got %+v, %v", r, err)
	}
	if err := r.take(fault{}, seen{log: requests.Log{at(1, "v2", "")}, output: "all is well"}); err == nil || !strings.Contains(err.Error(), "all is well") {
		t.Errorf("got %v", err)
	}
}
