package gate

import (
	"slices"
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestCriteriaOfStages: what compares new pods with old ones is asked where both have users, and what it has said there
// stays in the report.
func TestCriteriaOfStages(t *testing.T) {
	errorsOf := analysis.Criterion{Name: "errors"}
	versus := analysis.Criterion{Name: "versus", Baseline: &analysis.Baseline{Kind: analysis.BaselineConcurrent}}
	goals := map[manifest.Ref]int32{{Kind: "Deployment", Name: "web"}: 1}
	for name, c := range map[string]struct {
		stage    Stage
		compared bool
		asked    string
		answered string
	}{
		"a plain run":                     {Stage{Judge: true}, false, "errors versus", ""},
		"the first canary":                {Stage{Judge: true, Goals: goals}, false, "errors versus", ""},
		"the second one":                  {Stage{Judge: true, Goals: goals}, true, "errors versus", ""},
		"all pods are new":                {Stage{Judge: true}, true, "errors", "versus"},
		"the old ones are out of traffic": {Stage{Judge: true, Goals: goals, Alone: true}, true, "errors", "versus"},
	} {
		r := Gate{Criteria: []analysis.Criterion{errorsOf, versus}}.begin(t.Context(), "run")
		r.compared = c.compared
		r.report.Criteria = []analysis.Result{{Name: "errors"}, {Name: "versus"}}
		asked, answered := r.askedIn(c.stage)
		var names, kept []string
		for _, x := range asked {
			names = append(names, x.Name)
		}
		for _, x := range answered {
			kept = append(kept, x.Name)
		}
		if strings.Join(names, " ") != c.asked || strings.Join(kept, " ") != c.answered {
			t.Errorf("%s: asked %v, answered %v", name, names, kept)
		}
	}
}

// TestComparisonWithoutUsers: where old and new pods never have users at once, such a criterion is refused.
func TestComparisonWithoutUsers(t *testing.T) {
	versus := analysis.Criterion{Name: "versus", Baseline: &analysis.Baseline{Kind: analysis.BaselineConcurrent}}
	canary, preview := Part{Canary: Share{Pods: 1}}, Part{Preview: &Preview{}}
	for name, c := range map[string]struct {
		delivery Delivery
		criteria []analysis.Criterion
		refused  bool
	}{
		"blue/green":                  {Delivery{Parts: []Part{preview}}, []analysis.Criterion{versus}, true},
		"blue/green with others":      {Delivery{Parts: []Part{preview}}, []analysis.Criterion{{Name: "errors"}}, false},
		"drain":                       {Delivery{Drain: true}, []analysis.Criterion{versus}, true},
		"drain after a canary":        {Delivery{Drain: true, Parts: []Part{canary}}, []analysis.Criterion{versus}, false},
		"shares of requests":          {Delivery{Parts: []Part{{Traffic: 5}}}, []analysis.Criterion{versus}, false},
		"a canary":                    {Delivery{Parts: []Part{canary}}, []analysis.Criterion{versus}, false},
		"all at once, side by side":   {Delivery{}, []analysis.Criterion{versus}, false},
		"nothing to compare, drained": {Delivery{Drain: true}, nil, false},
	} {
		r := Gate{Delivery: c.delivery, Criteria: c.criteria}.begin(t.Context(), "run")
		err := r.canCompare()
		if (err != nil) != c.refused || c.refused && OutcomeOf(err) != Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if wants := r.criteria.WantsOldPods(); wants != slices.ContainsFunc(c.criteria, func(x analysis.Criterion) bool { return x.Name == "versus" }) {
			t.Errorf("%s: old pods are wanted: %v", name, wants)
		}
	}
}
