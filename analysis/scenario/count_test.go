//go:build prometheus

package scenario_test

import (
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// TestRollouts runs all scenarios of one server at the same time.
func TestRollouts(t *testing.T) {
	t.Parallel()
	promtest.Each(t, func(t *testing.T, start promtest.Starter) {
		r := newRig(t, start)
		for name, scenario := range map[string]func(t *testing.T, r *rig){
			"healthy": healthy, "errors": allErrors, "errors during the rollout": errorsDuringRollout,
			"burst of two pods": burstOfTwo, "burst of one pod": burstOfOne, "leak": leak, "no traffic": noTraffic,
			"traffic stops": trafficStops, "little traffic stops": littleTrafficStops, "born late": bornLate, "restart": restart,
			"old pods vanish": oldPodsVanish, "new pods vanish": newPodsVanish, "pair": pair, "probes": probes, "early pass": earlyPass,
			"no bucket": noBucket, "slow": slow, "native": native, "native, slow": nativeSlow,
			"concurrent, alike": concurrentAlike, "concurrent, worse": concurrentWorse, "concurrent, later trouble": concurrentLater,
			"before, alike": beforeAlike, "before, worse": beforeWorse, "before, value": beforeValue, "alerts": alerts,
			"preflight": preflight, "preflight finds trouble": preflightTrouble, "why it is empty": whyEmpty, "mistyped": mistyped,
			"gateway": gateway, "gateway, errors": gatewayErrors, "not scraped": notScraped, "renamed": renamed, "renamed, unknown": renamedUnknown,
			"skew and lag": skewAndLag, "recovery": recovery, "past": past, "first release": firstRelease, "preflight interrupted": interrupted,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(t, r)
			})
		}
	})
}

func healthy(t *testing.T, r *rig) {
	a := r.app(t, "healthy", nil)
	var all []*promtest.Counter
	for _, id := range []string{"a", "b"} {
		p := a.young(id)
		all = append(all, p.Rate(requests, good, 300))
		p.Counter(requests, bad).Add(1)
	}
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Pass, "(limit <= 1%): 2 of ")
	served := all[0].Value() + all[1].Value() + 2
	if result.Bad != 2 || result.Events > served || result.Events < served-3*300 || result.Low == nil || *result.High < *result.Value {
		t.Errorf("%v of %v events, and there were %v: %+v", result.Bad, result.Events, served, result)
	}
	if s := result.Samples; s.Scheduled != 6 || s.Judged < 4 {
		t.Errorf("samples %+v", s)
	}
}

func allErrors(t *testing.T, r *rig) {
	a := r.app(t, "all-errors", nil)
	a.young("a").Rate(requests, bad, 50)
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Fail, "evidence enough to stop early")
	if len(result.Series) > 4 || result.FirstBreach.IsZero() {
		t.Errorf("it took too long: %s", course(result))
	}
}

// What serves errors while other pods still start does not have to finish its rollout.
func errorsDuringRollout(t *testing.T, r *rig) {
	a := r.app(t, "early", nil)
	p := a.young("a")
	p.Rate(requests, good, 20)
	p.Rate(requests, bad, 20)
	s := a.session(errorRatio, short)
	s.Complete = make(chan struct{})
	early := 0
	s.Observe = func(m analysis.Measurement) {
		if m.Early {
			early++
		}
	}
	result := a.one(s)
	wants(t, result, analysis.Fail, "evidence enough")
	if early == 0 || early != len(result.Series) || result.Samples.Judged != 0 {
		t.Errorf("%d early looks: %s", early, course(result))
	}
}

// Requests that fail before the first scrape are in no rate, but in the counter.
func burstOfTwo(t *testing.T, r *rig) {
	a := r.app(t, "burst-two", nil)
	for _, id := range []string{"a", "b"} {
		p := a.young(id)
		p.Counter(requests, bad).Add(100)
		p.Rate(requests, good, 50)
	}
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Fail, "evidence enough to stop early")
	if result.Bad != 200 || len(result.Series) > 4 {
		t.Errorf("%v bad: %s", result.Bad, course(result))
	}
}

// One burst of one pod may have one cause that is over, so the end of the window decides.
func burstOfOne(t *testing.T, r *rig) {
	for name, tt := range map[string]struct {
		perSecond float64
		want      analysis.Verdict
	}{"burst-one": {100, analysis.Fail}, "burst-drowned": {10000, analysis.Pass}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := r.app(t, name, nil)
			p := a.young("a")
			p.Counter(requests, bad).Add(100)
			p.Rate(requests, good, tt.perSecond)
			result := a.one(a.session(errorRatio, short))
			wants(t, result, tt.want, "100 of ")
			if len(result.Series) < 6 {
				t.Errorf("it was over too soon: %s", course(result))
			}
		})
	}
}

// A share that grows is found before the end.
func leak(t *testing.T, r *rig) {
	a := r.app(t, "leak", nil)
	p := a.young("a")
	p.Rate(requests, good, 200)
	c := p.Counter(requests, bad)
	for i := range 30 {
		after(t, time.Duration(i)*100*time.Millisecond, func() { c.Add(float64(i)) })
	}
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Fail, "evidence enough")
}

func noTraffic(t *testing.T, r *rig) {
	a := r.app(t, "no-traffic", nil)
	p := a.young("a")
	p.Counter(requests, good)
	p.Counter(requests, bad)
	wants(t, a.one(a.session(errorRatio, short)), analysis.Inconclusive, "no events")
}

// Counts that are enough stay enough: they are of the new version, whenever they came.
func trafficStops(t *testing.T, r *rig) {
	a := r.app(t, "stops", nil)
	c := a.young("a").Rate(requests, good, 500)
	after(t, 1500*time.Millisecond, func() { c.Rate(0) })
	wants(t, a.one(a.session(errorRatio, short)), analysis.Pass, "0 of ")
}

func littleTrafficStops(t *testing.T, r *rig) {
	a := r.app(t, "little", nil)
	c := a.young("a").Rate(requests, good, 50)
	after(t, 1500*time.Millisecond, func() { c.Rate(0) })
	wants(t, a.one(a.session(errorRatio, short)), analysis.Inconclusive, "of 300 needed; at this pace that takes")
}

// A counter that is born with its first events has no increase, and counts.
func bornLate(t *testing.T, r *rig) {
	a := r.app(t, "born-late", nil)
	p := a.young("a")
	p.Gauge("build_info", nil).Set(1)
	s := a.session(errorRatio, short)
	var first sync.Once
	s.Observe = func(analysis.Measurement) {
		first.Do(func() {
			p.Rate(requests, good, 300)
			after(t, time.Second, func() { p.Counter(requests, bad).Add(40) })
		})
	}
	result := a.one(s)
	wants(t, result, analysis.Fail, "40 of ")
	if first := result.Series[0]; first.State != analysis.NoData {
		t.Errorf("the first look is %+v", first)
	}
}

// A container that starts anew counts from zero. What it had counted before stays.
func restart(t *testing.T, r *rig) {
	a := r.app(t, "restart", nil)
	p := a.young("a")
	c := p.Rate(requests, good, 400)
	p.Counter(requests, bad).Add(60)
	began := time.Now()
	after(t, 1500*time.Millisecond, p.Restart)
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Fail, "60 of ")
	if served := 400 * time.Since(began).Seconds(); !about(result.Events, served, 0.35) || result.Events < c.Value()*1.2 {
		t.Errorf("%v events, and there were about %v: %s", result.Events, served, course(result))
	}
}

// What the old version does is not held against the new one, whether its pods are there, go, or are gone.
func oldPodsVanish(t *testing.T, r *rig) {
	a := r.app(t, "old-vanish", nil)
	old := a.veteran("a")
	old.Rate(requests, bad, 300)
	a.young("a").Rate(requests, good, 300)
	after(t, 1500*time.Millisecond, func() { a.gone(old) })
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Pass, "0 of ")
}

// A pod that hangs answers no scrape either. Its good past does not speak for it.
func newPodsVanish(t *testing.T, r *rig) {
	a := r.app(t, "new-vanish", nil)
	p := a.young("a")
	p.Rate(requests, good, 1000)
	after(t, 1500*time.Millisecond, p.Down)
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Inconclusive, "no series of the new pods matched")
}

// Two servers of a pair have both scraped everything; it happened once.
func pair(t *testing.T, r *rig) {
	a := r.app(t, "pair", r.pair)
	p := a.young("a")
	c := p.Rate(requests, good, 300)
	p.Counter(requests, bad).Add(2)
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Pass, "2 of ")
	if served := c.Value() + 2; result.Events > served || result.Events < served-300 {
		t.Errorf("%v events, and there were %v", result.Events, served)
	}
	if q := r.server.Query(`count(http_requests_total{namespace="pair"})`); !q.Is(4) {
		t.Errorf("the rig has not two copies: %+v", q)
	}
}

// The kubelet's own requests to a pod that starts are nobody's.
func probes(t *testing.T, r *rig) {
	a := r.app(t, "probes", nil)
	p := a.young("a")
	p.Counter(requests, bad).Add(10)
	a.crowd.New[0].Probes = 10
	p.Rate(requests, good, 300)
	result := a.one(a.session(errorRatio, short))
	wants(t, result, analysis.Pass, "0 of ")
}

// Who asks for it does not wait for the end of the window when the events leave no doubt.
func earlyPass(t *testing.T, r *rig) {
	for name, tt := range map[string]struct {
		share float64
		want  analysis.Verdict
	}{"early-good": {0.0005, analysis.Pass}, "early-bad": {0.2, analysis.Fail}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := r.app(t, name, nil)
			ok, failed := serve(a.young("a"), 1000, tt.share)
			ok.Add(2000 * (1 - tt.share))
			failed.Add(2000 * tt.share)
			s := a.session(errorRatio, short)
			s.Criteria[0].EarlyPass = true
			result := a.one(s)
			wants(t, result, tt.want, "")
			if len(result.Series) >= result.Samples.Scheduled {
				t.Errorf("it was not early: %s", course(result))
			}
		})
	}
}
