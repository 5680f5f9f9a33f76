package analysis

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// past answers questions about a range with a share of so many events, or with a value, and remembers when.
type past struct {
	bad, total, value float64
	asked             []time.Duration
	ranges            []Range
	began             time.Time
}

func (p *past) Query(context.Context, string, time.Time) (Answer, error) {
	return Answer{Kind: Vector}, nil
}

func (p *past) QueryRange(_ context.Context, promql string, at Range) (Answer, error) {
	p.asked, p.ranges = append(p.asked, time.Since(p.began)), append(p.ranges, at)
	series := func(role string, value float64) Sample {
		s := Sample{Labels: map[string]string{roleLabel: role}}
		for t := at.Start; !t.After(at.End); t = t.Add(at.Step) {
			s.Moments = append(s.Moments, Moment{t, Number(value)})
		}
		return s
	}
	if p.total > 0 {
		return Answer{Kind: Matrix, Samples: []Sample{series("bad", p.bad), series("total", p.total)}}, nil
	}
	return Answer{Kind: Matrix, Samples: []Sample{series("", p.value)}}, nil
}

// After an undo a criterion is asked as soon as the answer is about nothing else, and not later.
func TestRecheck(t *testing.T) {
	counts := Criterion{Name: "errors", Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{0.01, Percent}}
	value := func(query string) Criterion {
		return Criterion{Name: "queue", Query: query, Op: LessEqual, Limit: Limit{Value: 10}}
	}
	const second = time.Second
	for name, tt := range map[string]struct {
		c         Criterion
		facts     Facts
		server    past
		first     time.Duration // the first question
		recovered time.Duration // zero: it does not within five minutes
	}{
		"events":                      {counts, Facts{Scrape: 15 * second}, past{bad: 1, total: 1000}, 30300 * time.Millisecond, 30300 * time.Millisecond},
		"events, every second":        {counts, Facts{Scrape: second}, past{bad: 1, total: 1000}, 2300 * time.Millisecond, 2300 * time.Millisecond},
		"few events":                  {counts, Facts{Scrape: 15 * second}, past{total: 7}, 30300 * time.Millisecond, 60300 * time.Millisecond},
		"events that are still bad":   {counts, Facts{Scrape: 15 * second}, past{bad: 500, total: 1000}, 30300 * time.Millisecond, 0},
		"events that come late":       {counts, Facts{Scrape: 15 * second, Lag: 20 * second}, past{bad: 1, total: 1000}, 50300 * time.Millisecond, 50300 * time.Millisecond},
		"a value of now":              {value(`max(queue)`), Facts{Scrape: 15 * second}, past{value: 3}, 15300 * time.Millisecond, 15300 * time.Millisecond},
		"a value over half a minute":  {value(`sum(rate(x[30s]))`), Facts{Scrape: 15 * second}, past{value: 3}, 45300 * time.Millisecond, 45300 * time.Millisecond},
		"a value over the window":     {value(`sum(rate(x[${window}]))`), Facts{Scrape: 15 * second}, past{value: 3}, 75300 * time.Millisecond, 75300 * time.Millisecond},
		"a value that is still wrong": {value(`max(queue)`), Facts{Scrape: 15 * second}, past{value: 11}, 15300 * time.Millisecond, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := tt.server
				server.began = time.Now()
				s := Session{Querier: &server, Criteria: []Criterion{tt.c, tt.c}, Timing: DefaultTiming(), Facts: tt.facts}
				results := []Result{{Verdict: Fail}, {Verdict: Pass}}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
				defer cancel()
				told := 0
				s.Recheck(ctx, results, server.began, func(Measurement) { told++ })
				if len(server.asked) == 0 || server.asked[0] != tt.first || told == 0 {
					t.Fatalf("asked after %v and told %d times, want the first after %s", server.asked, told, tt.first)
				}
				got := results[0].Recovered
				if got == nil || *got != (tt.recovered > 0) || results[1].Recovered != nil {
					t.Errorf("recovered: %v and %v", got, results[1].Recovered)
				}
				if last := server.asked[len(server.asked)-1]; tt.recovered > 0 && last != tt.recovered {
					t.Errorf("it recovered after %s, want %s", last, tt.recovered)
				}
			})
		})
	}
}

func TestLookback(t *testing.T) {
	for query, want := range map[string]time.Duration{
		`1`: 0, `x`: 0, `rate(x[5m])`: 5 * time.Minute, `x offset 1m`: time.Minute, `max_over_time(rate(x[1m])[10m:30s])`: 11 * time.Minute,
		`rate(x[1m]) / rate(y[2m] offset 1m)`: 3 * time.Minute, `x offset -1m`: 0,
	} {
		expr, err := parse(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := lookback(expr); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
}

// A plot has a point for each scrape, and shows a breach that was undone before the next one.
func TestPlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &past{value: 3, began: time.Now()}
		time.Sleep(time.Minute)
		broken, odd := Number(40), Number(4)
		breach := time.Now().Add(-7500 * time.Millisecond)
		results := []Result{{Series: []Point{{Time: breach, Value: &broken, State: Breach}, {Time: breach, Value: &odd, State: OK}, {Time: breach, State: NoData}}}}
		s := Session{
			Querier: server, Criteria: []Criterion{{Query: "queue", Op: LessEqual, Limit: Limit{Value: 10}}},
			Timing: DefaultTiming(), Facts: Facts{Scrape: 5 * time.Second, Skew: time.Hour},
		}
		s.Plot(t.Context(), results, server.began)
		plot := results[0].Plot
		at := slices.IndexFunc(plot, func(m Moment) bool { return m.Value == broken })
		if server.ranges[0].Step != 5*time.Second || len(plot) != 6*12+1+1 || at < 1 || at == len(plot)-1 {
			t.Fatalf("a step of %s, %d moments, the breach at %d: %v", server.ranges[0].Step, len(plot), at, plot)
		}
		if plot[at].Time != breach || !plot[at-1].Time.Before(breach) || !plot[at+1].Time.After(breach) {
			t.Errorf("the breach is out of order: %s", fmt.Sprint(plot[at-1:at+2]))
		}
	})
}
