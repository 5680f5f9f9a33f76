package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func TestCell(t *testing.T) {
	for text, want := range map[string]string{
		"a | b\n  c":                   `a \| b c`,
		"<img> `x` *y* _z_":            "&lt;img&gt; \\`x\\` \\*y\\* \\_z\\_",
		"https://evil.example @people": "https&#58;//evil.example &#64;people",
		strings.Repeat("ä", 130):       strings.Repeat("ä", 119) + "…",
	} {
		if got := cell(text); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func example() results {
	took := 12.4
	return results{Machine: "2 cores", Kubernetes: "v1.36.3", Whole: map[string]bool{simulated: true}, Cases: []result{
		{Name: "b", Title: "Out of memory", Tier: simulated, Expect: "OomKilled", Right: true, Rank: 1, Exit: 21, Seconds: 14.6, SignToVerdict: &took,
			Findings: []finding{{Code: "OomKilled"}}, Kubectl: kubectlSaid{Command: "rollout status", Line: "error: timed out | waiting", Exit: 1, Seconds: 60}},
		{Name: "a", Title: "Unknown field", Tier: realNode, Expect: "SchemaInvalid", Why: "it says ApplyRejected: no", Exit: 3, Seconds: 0.6,
			Findings: []finding{{Code: "ApplyRejected"}}, Kubectl: kubectlSaid{Command: "apply", Line: "strict decoding error", Exit: 1, Named: true}},
		{Name: "c", Title: "Slow", Tier: simulated, Quiet: true, Right: true, Seconds: 40},
		{Name: "d", Title: "Eviction", Tier: simulated, Quiet: true, Why: "false alarm early: exit 21", Exit: 21, Seconds: 30},
		{Name: "e", Title: "Broken", Tier: simulated, Quiet: true, Error: "no such file"},
	}}
}

// TestCellHidesTheMachine: the document is the same wherever it was written.
func TestCellHidesTheMachine(t *testing.T) {
	got := cell(`cannot load seccomp profile "/home/me/.cache/rolloutgate/sandbox/accuracy-17/node/kubelet/seccomp/web.json": open /etc/passwd`)
	if want := `cannot load seccomp profile "…/node/kubelet/seccomp/web.json": open /etc/passwd`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestDocument(t *testing.T) {
	r := example()
	r.sort()
	text := r.Document()
	for _, want := range []string{
		"Kubernetes v1.36.3; 2 cores.",
		"| cases | 4: 2 bad rollouts, 2 healthy ones, 0 in a world that moves |",
		"| right cause first | 1 of 2, 50.0 % |",
		"| Out of memory | simulated | OomKilled | OomKilled | 1 | 12 | 15 | error: timed out \\| waiting (60) |  |",
		"| Unknown field | realnode | SchemaInvalid | **ApplyRejected** | - |  | 1 | apply: strict decoding error (0) |  |",
		"| Slow | simulated | passed | 40 |  |",
		"| Eviction | simulated | **false alarm early: exit 21** | 30 |  |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "Broken") {
		t.Error("a case that was not played has no place in the document")
	}
}

func TestProblems(t *testing.T) {
	r := example()
	got := strings.Join(r.Problems(), "\n")
	for _, want := range []string{"1 cases could not be played", "in 1 of 2 bad rollouts", "1 of 2 healthy rollouts were failed"} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no %q in %q", want, got)
		}
	}
	if strings.Contains(got, "fewer") {
		t.Error("the sizes count only when all tiers were played")
	}
	r.Whole[realNode] = true
	if got := r.Problems(); !slices.Contains(got, "there are 4 cases, fewer than 80") {
		t.Errorf("got %q", got)
	}
}

func TestResultsAreJoined(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	before := example()
	if err := harness.WriteJSON(file, before); err != nil {
		t.Fatal(err)
	}
	var read results
	if err := harness.ReadJSON(file, &read); err != nil {
		t.Fatal(err)
	}
	var joined results
	joined.add(read)
	joined.add(results{Whole: map[string]bool{realNode: true}, Cases: []result{{Name: "a", Tier: realNode, Right: true}}})
	if len(joined.Cases) != 5 || !joined.Whole[simulated] || !joined.Whole[realNode] || joined.Machine != "2 cores" {
		t.Errorf("got %+v", joined)
	}
	if i := slices.IndexFunc(joined.Cases, func(c result) bool { return c.Name == "a" }); !joined.Cases[i].Right {
		t.Error("the later run counts")
	}
}
