package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// tested is a planner of two stages, of which the first has the first object and is tested.
func tested(t *Test, hold time.Duration) Planner {
	return Planner{Name: "tested", Stages: func(p patch.Plan) ([]Stage, error) {
		return []Stage{{Name: "first", Writes: p.Writes[:1], Test: t, Hold: hold, Service: "preview"}, {Name: "rest", Writes: p.Writes[1:], Judge: true}}, nil
	}}
}

// TestStageTest: the command of a test is carried out when all is where it should be, and its end decides.
func TestStageTest(t *testing.T) {
	says := func(after time.Duration, err error, lines ...string) func(context.Context, func(string)) error {
		return func(ctx context.Context, say func(string)) error {
			for _, line := range lines {
				say(line)
			}
			if wait(ctx, after); ctx.Err() != nil {
				return ctx.Err()
			}
			return err
		}
	}
	for name, c := range map[string]struct {
		behaves behaviour
		command func(context.Context, func(string)) error
		test    Test
		cancel  time.Duration // after the first write
		outcome Outcome
		log     string
		cause   string
		told    string
		took    time.Duration // from the first write to the second
	}{
		"it passes": {
			behaves: becomesReady(2 * time.Second), command: says(4*time.Second, nil, "ok"), outcome: Passed, log: "write a, write b",
			told: "test tool 10m0s; ok; passed after 4s; hold", took: 16 * time.Second,
		},
		"it fails": {
			behaves: becomesReady(2 * time.Second), command: says(4*time.Second, errors.New("it ended with exit code 3"), "one", "GET /: 503"), outcome: RolloutFailed,
			log: "write a, undo a", cause: "the test of stage first has failed: tool: it ended with exit code 3",
			told: "test tool 10m0s; one; GET /: 503; failed: it ended with exit code 3",
		},
		"it takes too long": {
			behaves: becomesReady(2 * time.Second), command: says(time.Hour, nil), test: Test{Timeout: time.Minute}, outcome: RolloutFailed, log: "write a, undo a",
			cause: "the test of stage first has failed: tool: it did not end within 1m", told: "test tool 1m0s; failed: it did not end within 1m",
		},
		"it takes longer than the run": {
			behaves: becomesReady(2 * time.Second), command: says(9*time.Minute, nil), outcome: Passed, log: "write a, write b",
			told: "test tool 10m0s; passed after 9m0s; hold", took: 9*time.Minute + 12*time.Second,
		},
		"a pod breaks meanwhile": {
			behaves: later(6*time.Second, becomesReady(0), stalls(0)), command: says(time.Hour, nil), outcome: RolloutFailed, log: "write a, undo a",
			told: "test tool 10m0s",
		},
		"cancelled meanwhile": {
			behaves: becomesReady(2 * time.Second), command: says(time.Hour, nil), cancel: 5 * time.Second, outcome: Terminated, log: "write a, undo a",
			told: "test tool 10m0s",
		},
		"it is not ready any more": {
			behaves: later(4*time.Second, becomesReady(0), becomesReady(20*time.Second)), command: says(6*time.Second, nil), outcome: Passed, log: "write a, write b",
			told: "test tool 10m0s; passed after 6s; hold", took: 30 * time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(bad("a", c.behaves), good("b"))
				g := gated(w)
				g.Timeout = 5 * time.Minute
				c.test.Command = []string{"/opt/tool", "--token", "hunter2"}
				g.Planners = []Planner{tested(&c.test, 10*time.Second)}
				var env []string
				g.RunTest = func(ctx context.Context, _ Test, e []string, say func(string)) error {
					env = e
					return c.command(ctx, say)
				}
				var told []string
				g.Progress = func(e Event) {
					switch p := e.Payload.(type) {
					case Step:
						if p.Name == StepTest {
							told = append(told, fmt.Sprintf("test %s %s", p.What, p.Limit))
						} else if p.Name == StepHold {
							told = append(told, "hold")
						}
					case Said:
						told = append(told, p.Line)
					case Tested:
						if p.Failure != "" {
							told = append(told, "failed: "+strings.TrimSuffix(p.Failure, "0s"))
						} else {
							told = append(told, "passed after "+p.Took.String())
						}
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var took time.Duration
				w.onWrite = func(n int, what string) {
					if c.cancel > 0 && n == 1 {
						time.AfterFunc(c.cancel, cancel)
					}
					if what == "write b" {
						took = time.Since(w.objects["a"].at)
					}
				}
				report, err := g.Run(ctx, w.manifests("a", "b"))
				check(t, report, w, c.outcome, "", "")
				if w.history() != c.log || took < c.took || took > c.took+time.Second {
					t.Errorf("wrote %s after %s, want %s after %s (%v)", w.history(), took, c.log, c.took, err)
				}
				if got := strings.Join(told, "; "); got != c.told {
					t.Errorf("told %s, want %s", got, c.told)
				}
				if c.cause != "" {
					f := report.Findings[0]
					if f.Code != "StageTestFailed" || !strings.HasPrefix(f.Cause, c.cause) || len(report.Findings) != 1 {
						t.Errorf("found %s: %s", f.Code, f.Cause)
					}
				}
				want := "ROLLOUTGATE_RUN=" + report.Run.ID + " ROLLOUTGATE_STAGE=first ROLLOUTGATE_NAMESPACE=shop ROLLOUTGATE_SERVICE=preview"
				if got := strings.Join(env, " "); got != want {
					t.Errorf("environment %s", got)
				}
			})
		})
	}
}

// TestStageTestSaid: the end of what a command has said is in the report, without secrets.
func TestStageTestSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("a"), good("b"))
		w.secret = "correct-horse-battery"
		g := gated(w)
		g.Planners = []Planner{{Stages: func(p patch.Plan) ([]Stage, error) {
			p.Writes = slices.DeleteFunc(p.Writes, func(w patch.Write) bool { return w.Ref.Name == "" })
			return tested(&Test{Command: []string{"tool"}}, 0).Stages(p)
		}}}
		g.RunTest = func(_ context.Context, _ Test, _ []string, say func(string)) error {
			for n := range 1000 {
				say(fmt.Sprintf("line %d", n))
			}
			say("token " + w.secret)
			say(strings.Repeat("x", 50<<10))
			return errors.New("no " + w.secret)
		}
		var said strings.Builder
		total := 0 // lines, with those that are missing
		g.Progress = func(e Event) {
			if p, ok := e.Payload.(Said); ok {
				fmt.Fprintln(&said, p.Line)
				if total += p.Missed; p.Missed == 0 {
					total++
				}
			}
		}
		report, _ := g.Run(t.Context(), w.manifests("a", "b"))
		if report.Exit.Code != RolloutFailed.Code() || len(report.Findings) == 0 || len(report.Findings[0].Evidence) != 1 {
			t.Fatalf("exit %d, findings %v", report.Exit.Code, report.Findings)
		}
		text := report.Findings[0].Evidence[0].Text
		for _, of := range []string{text, said.String(), report.Findings[0].Cause} {
			if strings.Contains(of, w.secret) {
				t.Errorf("the secret is in %.300q", of)
			}
		}
		if lines := strings.Split(text, "\n"); len(lines) != maxTestLines || lines[0] != "line 902" || lines[98] != "token ***" || len(lines[99]) > maxTestLine+len("…") {
			t.Errorf("%d lines from %s to %.20s", len(lines), lines[0], lines[len(lines)-1])
		}
		if total != 1002 || !strings.Contains(said.String(), "\nline 999\ntoken ***\n") {
			t.Errorf("told of %d lines", total)
		}
	})
}

// TestTestOnRecord: a command is not on record, and who goes on with a run carries out only what is given to them.
func TestTestOnRecord(t *testing.T) {
	d := Delivery{Parts: []Part{
		{Canary: Share{Pods: 1}, Test: &Test{Command: []string{"tool", "hunter2"}, Dir: "conf", Timeout: time.Minute}},
		{Canary: Share{Pods: 2}, Test: &Test{Job: "smoke.yaml"}}, {Canary: Share{Pods: 3}},
	}}
	data, err := json.Marshal(d)
	if err != nil || strings.Contains(string(data), "hunter2") || strings.Contains(string(data), `"tool"`) {
		t.Fatalf("%s, %v", data, err)
	}
	for name, c := range map[string]struct {
		given Delivery
		fails bool
	}{
		"the same":              {given: d},
		"in another stage":      {given: Delivery{Parts: []Part{{}, {Test: d.Parts[0].Test}}}},
		"another one":           {given: Delivery{Parts: []Part{{Test: &Test{Command: []string{"tool", "other"}}}}}, fails: true},
		"nothing is given":      {fails: true},
		"a command of no words": {given: Delivery{Parts: []Part{{Test: &Test{}}}}, fails: true},
	} {
		var again Delivery
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if twice, _ := json.Marshal(again); string(twice) != string(data) {
			t.Errorf("%s: %s becomes %s", name, data, twice)
		}
		err := again.withCommands(c.given)
		if c.fails != (err != nil) || c.fails && (OutcomeOf(err) != Invalid || !strings.Contains(err.Error(), "stage 1 of the run is tested by a command that is not given here")) {
			t.Errorf("%s: %v", name, err)
		}
		if test := again.Parts[0].Test; !c.fails && (strings.Join(test.Command, " ") != "tool hunter2" || test.Dir != "conf" || test.limit() != time.Minute) {
			t.Errorf("%s: %v", name, test)
		}
	}
}

// TestNobodyTests: a stage that cannot be tested is not begun.
func TestNobodyTests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("a"), good("b"))
		g := gated(w)
		g.Planners = []Planner{tested(&Test{Command: []string{"tool"}}, 0)}
		report, err := g.Run(t.Context(), w.manifests("a", "b"))
		check(t, report, w, Invalid, nothingChanged, "a=1 b=1")
		if err == nil || !strings.Contains(err.Error(), "stage first is tested by a command") {
			t.Error(err)
		}
	})
}
