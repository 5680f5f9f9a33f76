package analysis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// versioned is a server with the series of two versions of a workload, and of some groups.
type versioned struct {
	asked []string
	slow  time.Duration
}

func (v *versioned) Query(context.Context, string, time.Time) (Answer, error) {
	return Answer{Kind: Vector}, nil
}

func (v *versioned) QueryRange(ctx context.Context, promql string, at Range) (Answer, error) {
	v.asked = append(v.asked, promql)
	select {
	case <-time.After(v.slow):
	case <-ctx.Done():
		return Answer{}, ctx.Err()
	}
	bad := 1.0
	switch {
	case strings.Contains(promql, "pod!~"):
		bad = 2
	case strings.Contains(promql, "web-new"):
		bad = 30
	}
	a := Answer{Kind: Matrix}
	routes := []string{""}
	if strings.Contains(promql, "route") {
		routes = []string{"a", "b", "c", "d", "e", "f", "g"}
	}
	for i, route := range routes {
		add := func(role string, value float64) {
			s := Sample{Labels: map[string]string{roleLabel: role, "route": route}}
			for t := at.Start; !t.After(at.End); t = t.Add(at.Step) {
				s.Moments = append(s.Moments, Moment{t, Number(value)})
			}
			a.Samples = append(a.Samples, s)
		}
		if strings.Contains(promql, roleLabel) {
			add("bad", bad+float64(i))
			add("total", 100)
		} else {
			add("", bad+float64(i))
		}
	}
	return a, nil
}

func TestCourses(t *testing.T) {
	counts := Criterion{Name: "errors", Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{0.01, Percent}}
	perRoute, value, everywhere, floor := counts, counts, counts, counts
	perRoute.Each = []string{"route"}
	value.Counts, value.Query, value.Scope = nil, "max(queue)", ScopeNew
	everywhere.Counts, everywhere.Query = nil, "max(queue)"
	floor.Counts, floor.Query, floor.Scope, floor.Each, floor.Op = nil, "min by (route) (queue)", ScopeNew, []string{"route"}, GreaterEqual
	young := func() Pods { return Pods{New: []Pod{{Name: "web-new-b"}}, Old: []Pod{{Name: "web-old-a"}}} }
	kept := func() Pods { return Pods{New: []Pod{{Name: "db-0", Reused: true}}} }
	for name, tt := range map[string]struct {
		c    Criterion
		pods func() Pods
		want string // of each course: version, group, the first value
	}{
		"shares":                                 {counts, young, "[new::0.3 old::0.02]"},
		"a value":                                {value, young, "[new::30 old::2]"},
		"a value of everything":                  {everywhere, young, "[]"},
		"pods that keep their name":              {counts, kept, "[]"},
		"no pods":                                {counts, func() Pods { return Pods{} }, "[]"},
		"pods unknown":                           {counts, nil, "[]"},
		"groups":                                 {perRoute, young, `[new::0.3 old::0.02 :route="g":0.07 :route="f":0.06 :route="e":0.05 :route="d":0.04 :route="c":0.03]`},
		"groups of a value, where less is worse": {floor, young, `[:route="a":1 :route="b":2 :route="c":3 :route="d":4 :route="e":5]`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server, began := &versioned{}, time.Now()
				time.Sleep(time.Hour)
				results := []Result{{}}
				s := Session{
					Querier: server, Criteria: []Criterion{tt.c}, Timing: DefaultTiming(), Pods: tt.pods, AllPods: "web-.*",
					Facts: Facts{Scrape: 5 * time.Second, Skew: time.Minute}, Vars: func() Vars { return Vars{Namespace: "shop"} },
				}
				s.Facts.Criteria = []CriterionFacts{{Naming: usualNaming}}
				if tt.pods != nil && len(tt.pods().New) == 1 {
					s.Seen = func() []string { return []string{"web-new-a", "web-new-b"} }
				}
				s.Plot(t.Context(), results, began)
				var got []string
				for _, c := range results[0].Courses {
					got = append(got, fmt.Sprintf("%s:%s:%v", c.Version, c.Group, c.Plot[0].Value))
					if n := len(c.Plot); n < 10 || n > mostInCourse+2 {
						t.Errorf("%d moments", n)
					}
					if last := c.Plot[len(c.Plot)-1].Time; last.After(time.Now()) { // by our clock
						t.Errorf("the last moment is %s in the future", time.Until(last))
					}
				}
				if fmt.Sprint(got) != tt.want {
					t.Errorf("got  %v\nwant %s", got, tt.want)
				}
				if strings.HasPrefix(tt.want, "[new") {
					for _, part := range []string{`pod=~"web-new-(a|b)"`, `pod!~"web-new-(a|b)",pod=~"web-.*"`, `namespace="shop"`} {
						if !slices.ContainsFunc(server.asked, func(q string) bool { return strings.Contains(q, part) }) {
							t.Errorf("nobody asked for %s: %q", part, server.asked)
						}
					}
				}
			})
		})
	}
}

// TestCoursesComeLast: what takes too long costs only the courses, and every criterion has its plot before the first of them.
func TestCoursesComeLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := Criterion{Counts: &Counts{Bad: "b", Total: "t"}, Op: LessEqual, Limit: Limit{0.01, Percent}}
		results := make([]Result, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		s := Session{
			Querier: &versioned{slow: 3 * time.Second}, Criteria: []Criterion{c, c, c}, Timing: DefaultTiming(), AllPods: "web-.*",
			Facts: Facts{Scrape: 5 * time.Second}, Pods: func() Pods { return Pods{New: []Pod{{Name: "web-new-b"}}} },
		}
		s.Facts.Criteria = slices.Repeat([]CriterionFacts{{Naming: usualNaming}}, 3)
		s.Plot(ctx, results, time.Now().Add(-time.Hour))
		for i, r := range results {
			if len(r.Plot) == 0 || len(r.Courses) != 0 {
				t.Errorf("criterion %d: %d moments, %d courses", i, len(r.Plot), len(r.Courses))
			}
		}
	})
}
