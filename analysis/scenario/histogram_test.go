//go:build prometheus

package scenario_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

const (
	duration  = "http_request_duration_seconds"
	slowRatio = `
- name: latency
  slow: {histogram: http_request_duration_seconds, over: 500ms}
  max: 1%
`
)

// Requests above the bound are counted, whichever way the server writes the bound.
func slow(t *testing.T, r *rig) {
	for name, tt := range map[string]struct {
		over   string
		bounds []float64
		want   analysis.Verdict
	}{
		"slow-half":  {"500ms", []float64{0.1, 0.5, 1}, analysis.Fail},
		"slow-whole": {"1s", []float64{0.1, 1, 5}, analysis.Pass},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := r.app(t, name, nil)
			p := a.young("a")
			p.Histogram(duration, route("/a"), tt.bounds).Rate(0.05, 300)
			p.Histogram(duration, route("/b"), tt.bounds).Rate(0.7, 30)
			result := a.one(a.session(strings.ReplaceAll(slowRatio, "500ms", tt.over), short))
			wants(t, result, tt.want, "")
			if result.Value == nil || tt.want == analysis.Fail && !about(float64(*result.Value), 1.0/11, 0.3) {
				t.Errorf("%s", course(result))
			}
		})
	}
}

func route(path string) promtest.Labels { return promtest.Labels{"path": path} }

// A bound that is not there is named, with those that are.
func noBucket(t *testing.T, r *rig) {
	a := r.app(t, "no-bucket", nil)
	old := a.veteran("a")
	old.Histogram(duration, nil, []float64{0.25, 1, 2.5}).Rate(0.1, 100)
	young := a.young("a")
	young.Histogram(duration, nil, []float64{0.25, 1, 2.5}).Rate(0.1, 100)
	r.server.AwaitScrapes(8, old)
	s := a.session(slowRatio, short)
	s.Facts = a.known(s)
	f := s.Facts.Criteria[0]
	if f.State != analysis.Failed || !strings.Contains(f.Problem, "no bucket with the bound 0.5; it has 0.25, 1") || !strings.Contains(f.Problem, "2.5, +Inf") {
		t.Errorf("the preflight says %+v", f)
	}
	if err := s.Facts.Refusal(s.Criteria, s.Timing, false); err == nil || !strings.Contains(err.Error(), "cannot be asked") {
		t.Errorf("refused with %v", err)
	}
	wants(t, a.one(s), analysis.Error, "the histogram has no bucket with the bound 0.5")
}

// Native histograms have no bounds; the preflight finds out that this is one.
func native(t *testing.T, r *rig)     { nativeRun(t, r, "native", 0.05, analysis.Pass) }
func nativeSlow(t *testing.T, r *rig) { nativeRun(t, r, "native-slow", 2, analysis.Fail) }

func nativeRun(t *testing.T, r *rig, namespace string, seconds float64, want analysis.Verdict) {
	a := r.app(t, namespace, nil)
	old := a.veteran("a")
	old.NativeHistogram("rpc_seconds", nil).Rate(0.05, 100)
	r.server.AwaitScrapes(8, old)
	s := a.session(strings.ReplaceAll(slowRatio, duration, "rpc_seconds"), short)
	s.Facts = a.known(s)
	if f := s.Facts.Criteria[0]; !f.Native || f.State != analysis.OK && f.State != analysis.Thin {
		t.Errorf("the preflight says %+v", f)
	}
	young := a.young("a")
	h := young.NativeHistogram("rpc_seconds", nil)
	h.Rate(0.05, 300)
	young.NativeHistogram("rpc_seconds", route("/b")).Rate(seconds, 100)
	began := time.Now()
	result := a.one(s)
	wants(t, result, want, "")
	if want == analysis.Fail && (result.Value == nil || !about(float64(*result.Value), 0.25, 0.3)) {
		t.Errorf("after %s: %s", time.Since(began), course(result))
	}
	if want == analysis.Pass && result.Bad != 0 {
		t.Errorf("%v bad: %s", result.Bad, course(result))
	}
}
