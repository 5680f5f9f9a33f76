//go:build prometheus

package scenario_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

const sideBySide = `
- name: errors
  ratio: {bad: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  baseline: concurrent
`

// serve makes a pod answer so many requests a second, of which a share is bad.
func serve(p *promtest.Pod, perSecond, share float64) (ok, failed *promtest.Counter) {
	return p.Rate(requests, good, perSecond*(1-share)), p.Rate(requests, bad, perSecond*share)
}

func concurrentAlike(t *testing.T, r *rig) {
	a := r.app(t, "concurrent-alike", nil)
	old := a.veteran("a")
	serve(old, 500, 0.1)
	serve(a.young("a"), 500, 0.1)
	wants(t, a.one(a.session(sideBySide, short)), analysis.Pass, "")
}

func concurrentWorse(t *testing.T, r *rig) {
	a := r.app(t, "concurrent-worse", nil)
	serve(a.veteran("a"), 500, 0.02)
	serve(a.young("a"), 500, 0.3)
	wants(t, a.one(a.session(sideBySide, short)), analysis.Fail, "evidence enough")
}

// What happens when the old pods are gone happens to nobody but the new ones: it is no comparison.
func concurrentLater(t *testing.T, r *rig) {
	a := r.app(t, "concurrent-later", nil)
	old := a.veteran("a")
	serve(old, 500, 0.02)
	ok, failed := serve(a.young("a"), 500, 0.02)
	after(t, 1700*time.Millisecond, func() { a.gone(old) })
	after(t, 2300*time.Millisecond, func() { ok.Rate(0); failed.Rate(1000) })
	result := a.one(a.session(sideBySide, short))
	if result.Verdict == analysis.Fail {
		t.Errorf("both versions were alike as long as there were two: %s; %s", result.Reason, course(result))
	}
}

const withBefore = `
- name: errors
  ratio: {bad: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  baseline: before
`

func beforeAlike(t *testing.T, r *rig) { before(t, r, "before-alike", 0.05, analysis.Pass) }
func beforeWorse(t *testing.T, r *rig) { before(t, r, "before-worse", 0.25, analysis.Fail) }

func before(t *testing.T, r *rig, namespace string, share float64, want analysis.Verdict) {
	a := r.app(t, namespace, nil)
	old := a.veteran("a")
	serve(old, 800, 0.05)
	r.server.AwaitScrapes(15, old)
	s := a.session(withBefore, short)
	s.Facts = a.known(s)
	if err := s.Facts.Refusal(s.Criteria, s.Timing, false); err != nil {
		t.Errorf("refused: %v", err)
	}
	if b := s.Facts.Criteria[0].Before; b == nil || !about(float64(*b), 0.05, 0.3) {
		t.Errorf("before it was %+v", s.Facts.Criteria[0])
	}
	serve(a.young("a"), 800, share)
	result := a.one(s)
	wants(t, result, want, "")
	if result.Before == nil || result.Baseline == "" {
		t.Errorf("nothing is said about before: %+v", result)
	}
}

// A value is compared with its mean before, and two answers in a row decide.
func beforeValue(t *testing.T, r *rig) {
	for name, tt := range map[string]struct {
		value float64
		want  analysis.Verdict
	}{"value-alike": {21, analysis.Pass}, "value-worse": {40, analysis.Fail}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := r.app(t, name, nil)
			old := a.veteran("a")
			old.Gauge("queue_length", nil).Set(20)
			r.server.AwaitScrapes(10, old)
			s := a.session("\n- name: queue\n  query: max(queue_length)\n  scope: new\n  baseline: before\n  minIncrease: 2\n", short)
			s.Facts = a.known(s)
			a.young("a").Gauge("queue_length", nil).Set(tt.value)
			wants(t, a.one(s), tt.want, "")
		})
	}
}

// An alert that fired before is not the new version's.
func alerts(t *testing.T, r *rig) {
	a := r.app(t, "alerts", nil)
	p := a.veteran("rules")
	fire := func(name, state string) {
		p.Gauge("ALERTS", promtest.Labels{"alertname": name, "alertstate": state, "severity": "critical"}).Set(1)
	}
	fire("DiskFull", "firing")
	fire("NotYet", "pending")
	r.server.AwaitScrapes(3, p)
	text := "\n- name: alerts\n  alerts: {match: '{namespace=\"${namespace}\",severity=\"critical\"}'}\n"
	result := a.one(a.session(text, short))
	wants(t, result, analysis.Pass, "0 (limit <= 0)")

	s := a.session(text, short)
	after(t, 800*time.Millisecond, func() { fire("Latency", "firing") })
	result = a.one(s)
	wants(t, result, analysis.Fail, "")
	if !strings.Contains(result.Group, "Latency") {
		t.Errorf("the alert is not named: %+v", result)
	}
}
