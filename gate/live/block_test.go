package live

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/eventlog"
)

var update = flag.Bool("update", false, "rewrite the expected blocks")

// TestRecorded: runs of a real control plane, at the beginning of each step and two seconds before it ends, where they ask
// somebody, and when they are judged.
func TestRecorded(t *testing.T) {
	for _, run := range []string{"failing", "canary", "criteria"} {
		events, err := eventlog.Read("testdata/" + run + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for _, width := range []int{40, 80, 140} {
			s := State{Timeout: 10 * time.Minute}
			var out strings.Builder
			frame := func(at time.Time) {
				fmt.Fprintln(&out, strings.Join(s.Block(at, View{Width: width, Height: 24}), "\n")+"\n")
			}
			for i, e := range events {
				if _, begins := e.Payload.(gate.Step); begins && i > 0 && e.Time.Sub(events[i-1].Time) > time.Second {
					frame(e.Time.Add(-time.Second))
				}
				s.Take(e)
				switch e.Payload.(type) {
				case gate.Step, gate.Asked, gate.Judged, gate.Taken:
					frame(e.Time)
				}
			}
			frame(events[len(events)-1].Time)
			compare(t, fmt.Sprintf("testdata/%s-%d.golden", run, width), out.String())
		}
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(filepath.FromSlash(path), []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

var start = time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)

// after is a state some seconds after the start of a run that has told these things, a second each.
func after(seconds int, told ...gate.Payload) (*State, time.Time) {
	s := &State{}
	for i, p := range told {
		s.Take(gate.NewEvent(start.Add(time.Duration(i)*time.Second), deployment("web"), p))
	}
	return s, start.Add(time.Duration(seconds) * time.Second)
}

func deployment(name string) manifest.Ref {
	return manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: name}
}

func status(name string, phase rollout.Phase, desired, updated, ready, old int32, message string) gate.Status {
	return gate.Status{Status: rollout.Status{
		Ref: deployment(name), Watched: true, Phase: phase, Desired: desired, Updated: updated, Ready: ready, Old: old, Message: message,
	}}
}

func measured(name, value string, number, bound float64, state analysis.State) gate.Measured {
	n, b := analysis.Number(number), analysis.Number(bound)
	return gate.Measured{Criterion: name, Value: value, Limit: "<= 5%", State: state, Number: &n, Bound: &b}
}

func TestRows(t *testing.T) {
	beside := status("web", rollout.Complete, 4, 1, 1, 4, "1 new pod beside 4 old")
	beside.Reason = rollout.ReasonBeside
	job := status("migrate", rollout.Complete, 0, 0, 0, 0, "")
	for _, test := range []struct {
		name  string
		width int
		told  []gate.Payload
		want  string
	}{
		{"pods of both versions", 100, []gate.Payload{status("web", rollout.Progressing, 4, 2, 1, 3, "1 of 4 new pods available")},
			"  deployment/web  ████▒▒▒▒░░░░░░░░░░░░  1/4 ready, 1 starting, 3 old  1 of 4 new pods available"},
		{"a canary", 100, []gate.Payload{beside}, "  deployment/web  ████░░░░░░░░░░░░░░░░  1/4 ready, 4 old  1 new pod beside 4 old"},
		{"one of very many is seen", 100, []gate.Payload{status("web", rollout.Progressing, 900, 1, 1, 900, "")}, "  deployment/web  █░░░░░░░░░░░░░░░░░░░  1/900 ready, 900 old"},
		{"narrow", 41, []gate.Payload{status("web", rollout.Progressing, 4, 2, 1, 3, "1 of 4 new pods available")}, "  deployment/w…  █▒░░░░  1/4 +1 3 old"},
		{"what has no pods", 100, []gate.Payload{job}, "  deployment/migrate  ████████████████████    complete"},
		{"failed", 100, []gate.Payload{status("web", rollout.Failed, 2, 1, 0, 2, "the image does not exist")},
			"  deployment/web  ▒▒▒▒▒▒░░░░░░░░░░░░░░  0/2 ready, 1 starting, 2 old  failed  the image does not e…"},
		{"back", 100, []gate.Payload{gate.Applied{Action: patch.Configured}, gate.Step{Name: gate.StepUndo, Limit: time.Minute}, status("web", rollout.Progressing, 3, 3, 2, 1, "")},
			"  undo                                  0 of 1 put back"},
		{"text from a cluster", 100, []gate.Payload{status("web", rollout.Progressing, 0, 0, 0, 0, "\x1b[31mred\n::error::x \u202e")}, "  deployment/web                          red ::error::x"},
		{"wide characters", 60, []gate.Payload{status("web", rollout.Progressing, 1, 1, 0, 0, "等待镜像拉取完成等待镜像拉取完成")}, "  deployment/web  ▒▒▒▒▒▒▒▒▒▒  0/1 +1  等待镜像拉取完成等待…"},
		{"a criterion", 100, []gate.Payload{measured("errors", "1%", 1, 5, analysis.OK), measured("errors", "2%", 2, 5, analysis.OK), measured("errors", "7%", 7, 5, analysis.Breach)},
			"  errors  ▂▃█                   7%  limit <= 5%  breach"},
		{"before", 100, []gate.Payload{gate.Before{Criterion: "errors", Value: "0.2%", State: analysis.OK}}, "  errors                        0.2%  before"},
		{"no value", 100, []gate.Payload{gate.Measured{Criterion: "errors", Limit: "<= 1", State: analysis.NoData, Note: "no series matched"}},
			"  errors                        -  limit <= 1  noData  no series matched"},
		{"undo", 100, []gate.Payload{gate.Applied{Action: patch.Configured}, gate.Step{Name: gate.StepUndo}, gate.Taken{Action: patch.Restored}}, "  undo  ████████████████████  1 of 1 put back"},
		{"undo that fails", 100, []gate.Payload{gate.Applied{Action: patch.Configured}, gate.Step{Name: gate.StepUndo}, gate.Taken{Action: patch.Restored, Failure: "no"}},
			"  undo  ░░░░░░░░░░░░░░░░░░░░  0 of 1 put back, 1 could not be"},
		{"awaited", 100, []gate.Payload{gate.Waiting{Since: time.Minute}}, "  … waiting for the criteria"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, now := after(3, test.told...)
			lines := s.Block(now, View{Width: test.width, Height: 24})
			if got := lines[len(lines)-1]; got != test.want {
				t.Errorf("got  %q\nwant %q", got, test.want)
			}
		})
	}
}

func TestApproval(t *testing.T) {
	s, now := after(65, gate.Step{Name: gate.StepApply, Stage: "canary", Stages: []string{"canary", "all"}}, gate.Asked{Stage: "canary", Run: "NSAPYIE5V5", Limit: time.Hour, By: "alice"})
	for width, want := range map[int]string{
		100: `
── waiting for approval (stage canary) ─────────────────────────────────────────────────── 1m05s ──
  ▸ canary: approval  · all
  ? stage canary waits for you, 58m56s left (as alice)
    rolloutgate approve NSAPYIE5V5   or   rolloutgate reject NSAPYIE5V5`,
		40: `
── waiting for approval (st… ─ 1m05s ──
  ▸ canary: approval  · all
  ? stage canary waits for you, 58m56s…
    rolloutgate approve NSAPYIE5V5
    rolloutgate reject NSAPYIE5V5`,
	} {
		if diff := cmp.Diff(want, "\n"+strings.Join(s.Block(now, View{Width: width, Height: 24}), "\n")); diff != "" {
			t.Errorf("at %d (-want +got):\n%s", width, diff)
		}
	}
	s.Take(gate.NewEvent(now, manifest.Ref{}, gate.Decided{Stage: "canary", Approved: true}))
	if text := strings.Join(s.Block(now, View{Width: 100, Height: 24}), "\n"); strings.Contains(text, "waits") {
		t.Errorf("it was answered:\n%s", text)
	}
}

// TestFits: whatever there is to show, it is narrower than the terminal and not as high, and what is worth most is shown.
func TestFits(t *testing.T) {
	told := []gate.Payload{gate.Step{Name: gate.StepApply, Stage: "canary 等", Stages: []string{"canary 等", "a stage with a long name", "all"}}}
	for i := range 30 {
		told = append(told, gate.Applied{Action: patch.Created},
			status(fmt.Sprintf("a-rather-long-name-of-a-workload-%02d", i), rollout.Complete, 3, 3, 3, 0, "等待 äöü and many other things that take a while"),
			measured(fmt.Sprintf("criterion %d", i), "1", 1, 2, analysis.OK))
	}
	told = append(told, status("broken", rollout.Failed, 3, 1, 0, 3, "no"), measured("bad", "3", 3, 2, analysis.Breach),
		gate.Step{Name: gate.StepUndo, Limit: time.Minute}, gate.Asked{Stage: "canary 等", Run: "NSAPYIE5V5", Limit: time.Hour})
	s, now := after(300, told...)
	for _, ascii := range []bool{false, true} {
		for width := 1; width < 150; width += 7 {
			for height := 1; height < 60; height += 1 + height/8 {
				lines := s.Block(now, View{Width: width, Height: height, ASCII: ascii})
				if len(lines) >= height {
					t.Fatalf("%d lines in a terminal of %d", len(lines), height)
				}
				for _, line := range lines {
					if measure(line) >= width {
						t.Fatalf("a line of %d columns in a terminal of %d: %q", measure(line), width, line)
					}
					if ascii && strings.ContainsFunc(line, func(r rune) bool { return r > 0x7e }) {
						t.Fatalf("this is no ASCII: %q", line)
					}
				}
				text := strings.Join(lines, "\n")
				if width > 60 && height > 14 && !(strings.Contains(text, "deployment/broken") && strings.Contains(text, "bad ") && strings.Contains(text, " more") && strings.Contains(text, "approve NSAPYIE5V5")) {
					t.Fatalf("at %d by %d what matters is not shown:\n%s", width, height, text)
				}
			}
		}
	}
	colored, plain := s.Block(now, View{Width: 80, Height: 24, Color: true}), s.Block(now, View{Width: 80, Height: 24})
	for i := range plain {
		for style := range strings.SplitSeq("0 1 2 31 32 33", " ") {
			colored[i] = strings.ReplaceAll(colored[i], "\x1b["+style+"m", "")
		}
	}
	if diff := cmp.Diff(plain, colored); diff != "" {
		t.Errorf("without colours there is something else:\n%s", diff)
	}
}

// TestNothingYet: before the first event there is nothing to show.
func TestNothingYet(t *testing.T) {
	if lines := new(State).Block(start, View{Width: 80, Height: 24}); lines != nil {
		t.Errorf("got %q", lines)
	}
}

// TestNoNumbers: what is no number has no place in the block, and breaks nothing.
func TestNoNumbers(t *testing.T) {
	var s State
	for _, v := range []float64{math.NaN(), 0.002, math.Inf(1), 0, math.NaN(), math.Inf(-1)} {
		n, bound := analysis.Number(v), analysis.Number(math.Inf(1))
		s.Take(gate.NewEvent(time.Unix(1, 0), manifest.Ref{}, gate.Measured{Criterion: "errors", Number: &n, Bound: &bound}))
		if block := s.Block(time.Unix(2, 0), View{Width: 80, Height: 24}); len(block) == 0 {
			t.Errorf("there is no block of %g", v)
		}
	}
}
