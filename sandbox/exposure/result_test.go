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
		{Fault: "noisy", Way: "canary-1-of-4", Number: 3, Quiet: true, Exit: 12, Wrong: "it was taken back, exit 12", Undone: true, Violated: []string{"slow"}, TooSlow: "2 of 100"},
		{Fault: "noisy", Way: "canary-1-of-4", Number: 4, Quiet: true, Exit: 12, Wrong: "it was taken back, exit 12", Undone: true, Violated: []string{"errors"}, TooSlow: "3 of 100"},
		{Fault: "noisy", Way: "canary-1-of-4", Number: 5, Quiet: true, TooSlow: "4 of 100"},
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
		"the limit is 1 % | `--canary 1`, 4 pods | 5 | 3 | 3 (2) | 0, 7 |",
		"`failureLimit: 0` | 1 | 1 | 0 (0) | 0, 0 |",
		"version 1 took more than 500ms, too. Of those that did not pass, 1 of 4 are put down to that",
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
		"noisy: 2 of 5 healthy releases did not pass"}
	if got := r.Problems(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	text := r.Text()
	for _, want := range []string{"\n    line\n", "taken back after 9.0 s", "never taken back", "SLOW  noisy/canary-1-of-4/3 ", "WRONG noisy/canary-1-of-4/4 ",
		"exit 12, violated: errors; the machine was too slow: 3 of 100", "ok    noisy/canary-1-of-4/5 ", "Of those that did not pass, 1 of 4 are put down"} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
}

// A wrong end that is put down to the machine is no reason to fail, and it is not played again.
func TestExcused(t *testing.T) {
	r := sample()
	r.Trials = slices.DeleteFunc(r.Trials, func(t result) bool { return !t.excused() })
	if got := r.Problems(); len(r.Trials) != 1 || len(got) > 0 {
		t.Errorf("of %d: %q", len(r.Trials), got)
	}
	if kept := succeeded(r.Trials); len(kept) != 1 {
		t.Errorf("it is played again")
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

// When version 1 is slow, too, until the release is taken back for it, it is the machine; nothing else is.
func TestHealthyReleasesOnAMachineThatIsTooSlow(t *testing.T) {
	answers := func(slow ...int) requests.Log {
		var log requests.Log
		for i := range 100 {
			log = append(log, requests.Answer{At: second(float64(i)), Version: "v1"})
		}
		for _, i := range slow {
			log[i].Took = time.Second
		}
		return log
	}
	undone := seen{undone: second(200), exit: 12, violated: []string{"slow"}}
	early, both, other, unknown, rollout := undone, undone, undone, undone, undone
	early.undone = second(50)
	both.violated, other.violated, unknown.violated = []string{"errors", "slow"}, []string{"errors"}, []string{"not known (no report)"}
	rollout.violated, rollout.exit = nil, 10
	for name, c := range map[string]struct {
		seen    seen
		slow    []int
		wrong   bool
		tooSlow string
		excused bool
	}{
		"passed, one in a hundred":     {seen{version2: true}, []int{7}, false, "", false},
		"passed, two in a hundred":     {seen{version2: true}, []int{7, 8}, false, "2 of 100 answers", false},
		"did not pass":                 {seen{exit: 13}, []int{7, 8}, true, "2 of 100 answers", false},
		"taken back, one in a hundred": {undone, []int{7}, true, "", false},
		"taken back for it":            {undone, []int{7, 8}, true, "2 of 100 answers", true},
		"slow only after the undo":     {early, []int{50, 60, 70}, true, "", false},
		"slow before the undo":         {early, []int{7, 60}, true, "1 of 50 answers", true},
		"errors as well":               {both, []int{7, 8}, true, "2 of 100 answers", false},
		"errors":                       {other, []int{7, 8}, true, "2 of 100 answers", false},
		"not known":                    {unknown, []int{7, 8}, true, "2 of 100 answers", false},
		"the rollout failed":           {rollout, []int{7, 8}, true, "2 of 100 answers", false},
	} {
		c.seen.log = answers(c.slow...)
		r := result{Quiet: true}
		err := r.take(fault{}, c.seen)
		if err != nil || (r.Wrong != "") != c.wrong || !strings.HasPrefix(r.TooSlow, c.tooSlow) || (r.TooSlow == "") != (c.tooSlow == "") || r.excused() != c.excused {
			t.Errorf("%s: excused %t, %+v, %v", name, r.excused(), r, err)
		}
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
