package gate

import (
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// progress is what the run has seen of one workload's new pods over time. The controller's own progress deadline begins
// anew whenever a pod becomes ready, so pods that come and go keep it from ever passing; this clock does not.
type progress struct {
	best      int32
	bestSince time.Time
	ready     map[string]bool // by pod
	falls     map[string]int
}

// observe takes one observation in.
func (p *progress) observe(w rollout.Workload, status rollout.Status) {
	if p.bestSince.IsZero() || status.Available > p.best {
		p.best, p.bestSince = status.Available, w.Now
	}
	if p.ready == nil {
		p.ready, p.falls = map[string]bool{}, map[string]int{}
	}
	for _, pod := range rollout.NewPods(w) {
		if pod.DeletionTimestamp != nil {
			continue // a pod that leaves is not ready any more, and that is as it should be
		}
		ready := isReady(pod)
		if p.ready[pod.Name] && !ready {
			p.falls[pod.Name]++
		}
		p.ready[pod.Name] = ready
	}
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// seen is a copy for the rules.
func (p *progress) seen() diagnosis.History {
	return diagnosis.History{Best: p.best, BestSince: p.bestSince, Falls: maps.Clone(p.falls)}
}
