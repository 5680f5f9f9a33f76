package gate

import (
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// history is what the watch has seen of one workload's new pods over time. The controller's own progress deadline
// begins anew whenever a pod becomes ready, so pods that come and go keep it from ever passing; this clock does not.
type history struct {
	best      int32
	bestSince time.Time
	ready     map[string]bool // by pod
	falls     map[string]int
}

// observe takes one observation in.
func (h *history) observe(w rollout.Workload, status rollout.Status) {
	if h.bestSince.IsZero() || status.Available > h.best {
		h.best, h.bestSince = status.Available, w.Now
	}
	if h.ready == nil {
		h.ready, h.falls = map[string]bool{}, map[string]int{}
	}
	for _, p := range rollout.NewPods(w) {
		if p.DeletionTimestamp != nil {
			continue // a pod that leaves is not ready any more, and that is as it should be
		}
		ready := podReady(p)
		if h.ready[p.Name] && !ready {
			h.falls[p.Name]++
		}
		h.ready[p.Name] = ready
	}
}

// seen is a copy for the rules.
func (h *history) seen() diagnosis.History {
	falls := make(map[string]int, len(h.falls))
	for name, n := range h.falls {
		falls[name] = n
	}
	return diagnosis.History{Best: h.best, BestSince: h.bestSince, Falls: falls}
}

func podReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
