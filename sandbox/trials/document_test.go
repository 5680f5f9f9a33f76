package main

import (
	"slices"
	"strings"
	"testing"
)

func sample() results {
	delays := []float64{2.1, 4.4, 3.3}
	r := results{Machine: "2 cores", Kubernetes: "v1.36.3", Parallel: 4, Busy: 0.625}
	for i := range delays {
		r.Trials = append(r.Trials, result{Scenario: "error-burst", Number: i + 1, Right: true, Early: i > 0, Delay: &delays[i],
			Bad: float64(10 * i), BadInAll: float64(20 * i), Requests: 900, Counted: 9, Scraped: 10, UndoTook: 4})
	}
	r.Trials = append(r.Trials, result{Scenario: "healthy-noisy", Number: 1, Quiet: true, Right: true, Bad: 6, Requests: 3000},
		result{Scenario: "healthy-noisy", Number: 2, Quiet: true, FalseUndo: true, Why: "it was undone, exit 12", Exit: 12, Output: "line\n"},
		result{Scenario: "healthy-noisy", Number: 3, Quiet: true, Error: "no node"})
	return r
}

func TestDocument(t *testing.T) {
	r := sample()
	text := r.Document()
	for _, want := range []string{
		"Kubernetes v1.36.3; 2 cores, 4 rollouts at once, 62 % busy.",
		"| error-burst | 3 | 3 | 2 | 3.3, 4.4, 4.4 | 10, 20 | 20, 40 | 27 of 30 | 4 |",
		"| healthy-noisy | 2 | 1 | 1 | 0, 6 | 0 | 0 of 0 |",
		"| error-burst | 2.1, 3.3, 4.4 |",
		"- name: slow\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	for _, s := range scenarios() {
		if !strings.Contains(text, s.title) {
			t.Errorf("the document does not say what %s is", s.name)
		}
	}
}

func TestProblems(t *testing.T) {
	r := sample()
	want := []string{"healthy-noisy: 1 trials could not be played", "healthy-noisy: 1 of 2 healthy rollouts were undone",
		"healthy-noisy: 1 of 2 verdicts are wrong"}
	if got := r.Problems(); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if text := r.Text(); !strings.Contains(text, "\n    line\n") {
		t.Errorf("the output of the wrong trial is not there:\n%s", text)
	}
	r.Trials = r.Trials[:4]
	if got := r.Problems(); len(got) > 0 {
		t.Errorf("all is well, got %q", got)
	}
}

func TestSort(t *testing.T) {
	r := sample()
	slices.Reverse(r.Trials)
	r.sort(scenarios())
	if r.Trials[0].Scenario != "error-burst" || r.Trials[0].Number != 1 || r.Trials[5].Number != 3 {
		t.Errorf("got %+v", r.Trials)
	}
}
