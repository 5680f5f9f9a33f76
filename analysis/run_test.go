package analysis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// querier answers with a function of the query and of the time since the
// test began.
type querier func(ctx context.Context, query string) (Answer, error)

func (q querier) QueryRange(context.Context, string, Range) (Answer, error) {
	return Answer{}, errors.New("nothing is known about the past")
}

// runAll runs a session without a rollout.
func runAll(ctx context.Context, q Querier, criteria []Criterion, timing Timing, observe func(Measurement)) []Result {
	return Session{Querier: q, Criteria: criteria, Timing: timing, Observe: observe}.Run(ctx)
}

func (q querier) Query(ctx context.Context, query string, at time.Time) (Answer, error) {
	if !at.IsZero() {
		return Answer{}, errors.New("the time is the server's to choose")
	}
	return q(ctx, query)
}

// script answers the n-th query with the n-th letter of [series], and with
// the last one from then on.
func script(letters string) querier {
	var n atomic.Int64
	return func(context.Context, string) (Answer, error) {
		switch i := min(int(n.Add(1)), len(letters)); letters[i-1] {
		case 'o':
			return vector(0.005), nil
		case 'B':
			return vector(0.05), nil
		case 'n':
			return vector(), nil
		}
		return Answer{}, &QueryError{Kind: Unreachable, Text: "connection refused"}
	}
}

var fiveLooks = Timing{Settle: 30 * time.Second, Window: time.Minute, Interval: 15 * time.Second}

func TestRun(t *testing.T) {
	for _, tt := range []struct {
		letters string
		timing  Timing
		want    Verdict
		samples Samples
		took    time.Duration
	}{
		{"o", fiveLooks, Pass, Samples{Judged: 5, Scheduled: 5}, 90 * time.Second},
		{"oBo", fiveLooks, Pass, Samples{Judged: 5, Scheduled: 5}, 90 * time.Second},
		{"oBB", fiveLooks, Fail, Samples{Judged: 3, Scheduled: 5}, 60 * time.Second},
		{"BnB", fiveLooks, Fail, Samples{Judged: 2, Scheduled: 5, NoData: 1}, 60 * time.Second},
		{"e", fiveLooks, Error, Samples{Errors: 5, Scheduled: 5}, 90 * time.Second},
		{"n", fiveLooks, Inconclusive, Samples{NoData: 5, Scheduled: 5}, 90 * time.Second},
		{"ononoo", fiveLooks, Pass, Samples{Judged: 3, NoData: 2, Scheduled: 5}, 90 * time.Second},
		{"nnnoo", fiveLooks, Inconclusive, Samples{Judged: 2, NoData: 3, Scheduled: 5}, 90 * time.Second},
		// Overtime: the last answer decides nothing, so more are asked for.
		{"ooooBo", fiveLooks, Pass, Samples{Judged: 6, Scheduled: 6}, 105 * time.Second},
		{"ooooBB", fiveLooks, Fail, Samples{Judged: 6, Scheduled: 6}, 105 * time.Second},
		{"oooono", fiveLooks, Pass, Samples{Judged: 5, NoData: 1, Scheduled: 6}, 105 * time.Second},
		{"ooooen", fiveLooks, Inconclusive, Samples{Judged: 4, NoData: 2, Errors: 1, Scheduled: 7}, 120 * time.Second},
		{"ooooe", fiveLooks, Error, Samples{Judged: 4, Errors: 3, Scheduled: 7}, 120 * time.Second},
		// One look.
		{"o", Timing{}, Pass, Samples{Judged: 1, Scheduled: 1}, 0},
		{"B", Timing{}, Fail, Samples{Judged: 1, Scheduled: 1}, 0},
		{"n", Timing{Settle: time.Minute}, Inconclusive, Samples{NoData: 1, Scheduled: 1}, time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			begin, seen := time.Now(), 0
			results := runAll(t.Context(), script(tt.letters), []Criterion{errorRate()}, tt.timing, func(m Measurement) {
				seen++
				if m.Result.Samples.made() != seen || m.Point.Time.Sub(begin) < tt.timing.Settle {
					t.Errorf("%q: measurement %d is %+v", tt.letters, seen, m)
				}
			})
			r, took := results[0], time.Since(begin)
			if len(results) != 1 || r.Verdict != tt.want || r.Samples != tt.samples || took != tt.took || seen != len(r.Series) {
				t.Errorf("%q: got %s %+v after %s, want %s %+v after %s", tt.letters, r.Verdict, r.Samples, took, tt.want, tt.samples, tt.took)
			}
			if longest := tt.timing.Longest([]Criterion{errorRate()}); took > longest {
				t.Errorf("%q: took %s, and Longest says %s", tt.letters, took, longest)
			}
		})
	}
}

// A failure ends the run, what is being asked then counts, and nobody passes
// on a window that was cut short.
func TestRunStopsAtFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		q := querier(func(ctx context.Context, query string) (Answer, error) {
			if query == "bad" {
				return vector(1), nil
			}
			time.Sleep(5 * time.Second)
			return vector(0), nil
		})
		good, bad := errorRate(), errorRate()
		good.Query, bad.Query, bad.Name = "good", "bad", "queue"
		results := runAll(t.Context(), q, []Criterion{good, bad}, fiveLooks, nil)
		if took := time.Since(begin); took != 50*time.Second {
			t.Errorf("took %s", took)
		}
		if results[1].Verdict != Fail || results[0].Verdict != Inconclusive || results[0].Samples.Judged != 2 {
			t.Errorf("got %+v", results)
		}
		if want := `stopped after 2 of 5 samples: the criterion "queue" failed`; results[0].Reason != want {
			t.Errorf("reason %q, want %q", results[0].Reason, want)
		}
	})
}

func TestRunCancelled(t *testing.T) {
	for _, after := range []time.Duration{0, time.Second, 30 * time.Second, 47 * time.Second, 91 * time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeoutCause(t.Context(), after, errors.New("the job was cancelled"))
			defer cancel()
			q := querier(func(ctx context.Context, _ string) (Answer, error) {
				select { // answers in time, or says that it was cut off
				case <-time.After(3 * time.Second):
					return vector(0), nil
				case <-ctx.Done():
					return Answer{}, ctx.Err()
				}
			})
			r := runAll(ctx, q, []Criterion{errorRate(), errorRate()}, fiveLooks, nil)
			for _, r := range r {
				if r.Verdict != Inconclusive || !strings.Contains(r.Reason, "the job was cancelled") || r.Samples.Errors != 0 {
					t.Errorf("after %s: got %s, %s, %+v", after, r.Verdict, r.Reason, r.Samples)
				}
			}
		})
	}
}

// A querier that never answers costs its deadline, not the rhythm, and its
// queries never overlap.
func TestRunSlowQuerier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var running atomic.Int32
		q := querier(func(ctx context.Context, _ string) (Answer, error) {
			if running.Add(1) > 1 {
				t.Error("queries overlap")
			}
			defer running.Add(-1)
			if since := time.Since(begin) - 30*time.Second; since%(15*time.Second) != 0 {
				t.Errorf("asked %s into the window", since)
			}
			<-ctx.Done()
			return Answer{}, &QueryError{Kind: Unreachable, Text: "no answer", Err: ctx.Err()}
		})
		r := runAll(t.Context(), q, []Criterion{errorRate()}, fiveLooks, nil)[0]
		if took := time.Since(begin); r.Verdict != Error || r.Samples.Errors != 5 || took != 100*time.Second {
			t.Errorf("got %s %+v after %s", r.Verdict, r.Samples, took)
		}
	})
}

// Many criteria share the slots, and one that waits too long is an error,
// not a late answer.
func TestRunBoundsConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running atomic.Int32
		q := querier(func(context.Context, string) (Answer, error) {
			if n := running.Add(1); n > maxConcurrent {
				t.Errorf("%d queries at once", n)
			}
			defer running.Add(-1)
			time.Sleep(6 * time.Second) // without regard for the deadline
			return vector(0), nil
		})
		criteria := make([]Criterion, 3*maxConcurrent)
		for i := range criteria {
			criteria[i] = errorRate()
			criteria[i].Name = fmt.Sprint(i)
		}
		failed := 0
		for i, r := range runAll(t.Context(), q, criteria, Timing{}, nil) {
			if r.Name != fmt.Sprint(i) {
				t.Errorf("result %d is %s", i, r.Name)
			}
			if r.Samples.Errors > 0 && strings.Contains(r.Reason, "not sent") {
				failed++
			}
		}
		if failed != maxConcurrent {
			t.Errorf("%d criteria were not asked in time, want %d", failed, maxConcurrent)
		}
	})
}

func TestTiming(t *testing.T) {
	c := []Criterion{{Name: "a"}, {Name: "b", For: 4}}
	if n := fiveLooks.Scheduled(); n != 5 {
		t.Errorf("scheduled %d", n)
	}
	if d := fiveLooks.Longest(c); d != (30+8*15+10)*time.Second {
		t.Errorf("longest %s", d)
	}
	if n := DefaultTiming().Scheduled(); n != 21 {
		t.Errorf("the default schedules %d", n)
	}
	if err := fiveLooks.Check(c); err != nil {
		t.Errorf("checking: %v", err)
	}
	c[1].For = 6
	err := Timing{Settle: -2, Window: time.Second, Interval: time.Millisecond}.Check(c)
	if err == nil || !strings.Contains(err.Error(), "negative") || !strings.Contains(err.Error(), "less than a second") {
		t.Errorf("got %v", err)
	}
	if err := fiveLooks.Check(c); err == nil || !strings.Contains(err.Error(), `"b": it needs 6 breaches`) {
		t.Errorf("got %v", err)
	}
}
