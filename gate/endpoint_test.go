package gate

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// healthPage is an endpoint that is made up, of what answers says.
type healthPage struct{ *answers }

func (h healthPage) Fetch(ctx context.Context, r analysis.Request) (analysis.Response, error) {
	if r.Address != "http://health.example/shop" {
		return analysis.Response{}, fmt.Errorf("asked %s", r.Address)
	}
	a, err := h.Query(ctx, "", h.w.objects["web"].at)
	if err != nil {
		return analysis.Response{}, err
	}
	if len(a.Samples) == 0 {
		return analysis.Response{Status: 200, Body: []byte(`{}`)}, nil
	}
	return analysis.Response{Status: 200, Body: fmt.Appendf(nil, `{"queue":%v}`, a.Samples[0].Value)}, nil
}

// TestEndpoints: what the answers of an endpoint lead to, without any Prometheus.
func TestEndpoints(t *testing.T) {
	down := &analysis.QueryError{Kind: analysis.Unreachable, Source: "the endpoint", Text: "503 Service Unavailable"}
	denied := &analysis.QueryError{Kind: analysis.Unauthorized, Source: "the endpoint", Text: "401 Unauthorized"}
	for name, c := range map[string]struct {
		answers  answers
		mode     PreflightMode
		outcome  Outcome
		state    string
		versions string
		codes    string
	}{
		"it holds":         {answers{before: 3, after: 4}, "", Passed, "complete", "web=2", ""},
		"violated":         {answers{before: 3, after: 40}, "", CriteriaFailed, "back at the previous version (verified)", "web=1", "CriterionBreached"},
		"violated already": {answers{before: 30, after: 4}, "", Refused, nothingChanged, "web=1", "CriterionFailsBefore"},
		"down before":      {answers{err: func() error { return down }}, "", Inconclusive, "the release was kept", "web=2", "CriterionInconclusive"}, // the pods are too young for it to be expected
		"down":             {answers{err: func() error { return down }}, PreflightOff, Inconclusive, "the release was kept", "web=2", "CriterionInconclusive"},
		"denied":           {answers{err: func() error { return denied }}, "", Denied, nothingChanged, "web=1", ""},
		"no data":          {answers{empty: true}, PreflightOff, Inconclusive, "the release was kept", "web=2", "CriterionInconclusive"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("web"))
				g := judging(t, w, &c.answers)
				g.Criteria, g.Querier, g.Fetcher, g.Preflight = endpointCriteria(t), nil, healthPage{&c.answers}, c.mode
				g.Namespace = "shop"
				report, err := g.Run(t.Context(), w.manifests("web"))
				if err != nil {
					t.Log(err)
				}
				check(t, report, w, c.outcome, c.state, c.versions)
				if codes := codesOf(report); codes != c.codes {
					t.Errorf("found %q, want %q", codes, c.codes)
				}
				for _, f := range report.Findings {
					if text := fmt.Sprint(f.Fix, f.Evidence); strings.Contains(text, "Prometheus") {
						t.Errorf("%s speaks of Prometheus: %s", f.Code, text)
					}
				}
				if c.outcome == CriteriaFailed && (report.Criteria[0].Recovered == nil || !*report.Criteria[0].Recovered || len(report.Criteria[0].Plot) == 0) {
					t.Errorf("the criterion after the undo: %+v", report.Criteria[0])
				}
			})
		})
	}
}

func endpointCriteria(t *testing.T) []analysis.Criterion {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte("criteria: [{name: queue, http: {url: 'http://health.example/${namespace}', jsonpath: '{.queue}'}, max: 10}]"), &node); err != nil {
		t.Fatal(err)
	}
	spec, err := analysis.ParseSpec("", &node)
	if err != nil {
		t.Fatal(err)
	}
	criteria, err := spec.Compile(analysis.Vars{})
	if err != nil {
		t.Fatal(err)
	}
	return criteria
}
