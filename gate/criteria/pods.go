package gate

import (
	"math"
	"regexp"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// crowd tells the criteria which pods there are. It remembers since when each serves: a pod that is unready for a
// moment was ready before.
type crowd struct {
	mu    sync.Mutex
	ready map[string]time.Time // by UID
	// since is when this run began to change things. What older pods have counted until now is the past: a change of a
	// ConfigMap makes no new pods.
	since time.Time
}

// pods sorts what the watch knows into the pods of the new version and those of the old one.
func (c *crowd) pods(workloads []rollout.Workload) analysis.Pods {
	var out analysis.Pods
	for _, w := range workloads {
		if w.Live == nil {
			continue
		}
		for _, p := range rollout.NewPods(w) {
			out.New = append(out.New, c.pod(w.Ref, p))
		}
		for _, p := range rollout.OldPods(w) {
			out.Old = append(out.Old, c.pod(w.Ref, p))
		}
	}
	return out
}

func (c *crowd) pod(owner manifest.Ref, p *corev1.Pod) analysis.Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ready == nil {
		c.ready = map[string]time.Time{}
	}
	uid := string(p.UID)
	if at := readySince(p); c.ready[uid].IsZero() && !at.IsZero() {
		c.ready[uid] = at
	}
	older := p.CreationTimestamp.Time.Before(c.since.Truncate(time.Second)) // the API server's times are whole seconds
	return analysis.Pod{Name: p.Name, Ready: c.ready[uid], Probes: probeRequests(p, c.ready[uid]), Reused: older || owner.Kind == "StatefulSet"}
}

// readySince is since when a pod serves; zero while it does not.
func readySince(p *corev1.Pod) time.Time {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time
		}
	}
	return time.Time{}
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

// family is a pattern for the names of all pods that these workloads ever had.
func family(targets []cluster.Target) string {
	var parts []string
	for _, t := range targets {
		name := regexp.QuoteMeta(t.Ref.Name)
		switch t.Ref.Kind {
		case "Deployment":
			parts = append(parts, name+"-[a-z0-9]+-[a-z0-9]{5}")
		case "StatefulSet":
			parts = append(parts, name+"-[0-9]+")
		case "DaemonSet", "ReplicaSet", "Job":
			parts = append(parts, name+"-[a-z0-9]{5}")
		case "Pod":
			parts = append(parts, name)
		}
	}
	return strings.Join(parts, "|")
}

// withPods are the targets that have pods of their own.
func withPods(targets []cluster.Target) []cluster.Target {
	var out []cluster.Target
	for _, t := range targets {
		if family([]cluster.Target{t}) != "" && t.Ref.Kind != "Job" {
			out = append(out, t)
		}
	}
	return out
}

// about fills the variables that describe one workload. With several workloads no single value is right.
func about(vars *analysis.Vars, w rollout.Workload, s rollout.Status) {
	vars.Kind, vars.Workload, vars.Revision = w.Ref.Kind, w.Ref.Name, s.Revision
	vars.NewHash, vars.OldHash = s.Revision, s.PreviousRevision
	if w.Ref.Kind == "Deployment" {
		if s.Revision != "" {
			vars.NewReplicaSet = w.Ref.Name + "-" + s.Revision
		}
		if s.PreviousRevision != "" {
			vars.OldReplicaSet = w.Ref.Name + "-" + s.PreviousRevision
		}
	}
	object := w.Live
	if object == nil {
		object = w.Applied
	}
	if template := rollout.PodTemplate(object); template != nil && len(template.Spec.Containers) > 0 {
		c := template.Spec.Containers[0]
		vars.Container, vars.Image = c.Name, c.Image
		name, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
			vars.ImageTag = name[i+1:]
		}
	}
}
