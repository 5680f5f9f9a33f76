package criteria

import (
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// podTracker knows which pods there are and since when each serves: a pod that is unready for a moment was ready before.
// The zero value is ready to use.
type podTracker struct {
	ready map[string]time.Time    // by UID
	seen  map[string]manifest.Ref // the workloads of new pods by their names, of at most mostSeen
	// changed is when this run began to change things. What older pods have counted until now is the past: a change of a
	// ConfigMap makes no new pods.
	changed time.Time
}

// pods sorts the pods of workloads into those of the new version and those of the old one.
func (t *podTracker) pods(workloads []rollout.Workload) analysis.Pods {
	var out analysis.Pods
	for _, w := range workloads {
		if w.Live == nil {
			continue
		}
		for _, p := range rollout.NewPods(w) {
			out.New = append(out.New, t.pod(w.Ref, p))
			t.remember(p.Name, w.Ref)
		}
		for _, p := range rollout.OldPods(w) {
			out.Old = append(out.Old, t.pod(w.Ref, p))
		}
	}
	return out
}

// mostSeen bounds the names that are remembered: they become part of a query.
const mostSeen = 1500

func (t *podTracker) remember(name string, owner manifest.Ref) {
	if t.seen == nil {
		t.seen = map[string]manifest.Ref{}
	}
	if len(t.seen) < mostSeen {
		t.seen[name] = owner
	}
}

// seenNew are the names of all new pods that these workloads have had, in their order.
func (t *podTracker) seenNew(workloads []rollout.Workload) []string {
	var names []string
	for name, owner := range t.seen {
		if slices.ContainsFunc(workloads, func(w rollout.Workload) bool { return w.Ref == owner }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (t *podTracker) pod(owner manifest.Ref, p *corev1.Pod) analysis.Pod {
	if t.ready == nil {
		t.ready = map[string]time.Time{}
	}
	uid := string(p.UID)
	if at := rollout.ReadySince(p); t.ready[uid].IsZero() && !at.IsZero() {
		t.ready[uid] = at
	}
	k, _ := rollout.KindOf(owner.GroupKind())
	older := p.CreationTimestamp.Time.Before(t.changed.Truncate(time.Second)) // the API server's times are whole seconds
	return analysis.Pod{Name: p.Name, Ready: t.ready[uid], Probes: probeRequests(p, t.ready[uid]), Reused: older || k.KeepsNames}
}

// asTheyRun makes the pods that run the ones to judge, from now on: what they counted before is the past.
func asTheyRun(pods analysis.Pods) analysis.Pods {
	out := analysis.Pods{Old: pods.Old}
	for _, list := range [][]analysis.Pod{pods.New, pods.Old} {
		for _, p := range list {
			p.Reused = true
			out.New = append(out.New, p)
		}
	}
	return out
}

// probeRequests is the most requests that the kubelet can have sent a pod before it was ready: programs count these
// like any other, and answer them with errors for as long as they are not ready.
func probeRequests(p *corev1.Pod, ready time.Time) float64 {
	if ready.IsZero() {
		return 0
	}
	var n float64
	for _, c := range p.Spec.Containers {
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if probe == nil || probe.HTTPGet == nil && probe.GRPC == nil {
				continue
			}
			since := p.CreationTimestamp.Time
			for _, s := range p.Status.ContainerStatuses {
				if s.Name == c.Name && s.State.Running != nil && s.State.Running.StartedAt.After(since) {
					since = s.State.Running.StartedAt.Time
				}
			}
			n += math.Ceil(max(ready.Sub(since).Seconds(), 0)/float64(max(probe.PeriodSeconds, 1))) + 1
		}
	}
	return n
}

// settledIn is how long a pod has to serve before Prometheus can be expected to know it: it has to be found, and scraped
// a few times.
const settledIn = time.Minute

// Known reports whether something can be expected to be known about the running version: a first release has no pods,
// and those of one that came a moment ago may not have been scraped.
func Known(pods []rollout.RunningPod, now time.Time) bool {
	for _, p := range pods {
		if since := rollout.ReadySince(p.Pod); !since.IsZero() && now.Sub(since) >= settledIn {
			return true
		}
	}
	return false
}
