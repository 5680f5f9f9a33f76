package diagnosis

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// replay plays the life of one container, observed whenever it changes and when Confirm asks for it, and returns what
// ended the gate, and when.
type replay struct {
	template corev1.PodTemplateSpec
	ready    bool // as soon as it runs: it has no readiness probe
	runs     []time.Duration
	exit     int32
	reason   string
	message  string
}

var start = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// states are the container's statuses by the second at which each begins. The kubelet waits 10 s after the first end
// and twice as long after each further one.
func (r replay) states() (at []time.Duration, states []corev1.ContainerStatus) {
	now, wait := 2*time.Second, 10*time.Second
	var last corev1.ContainerState
	for i, run := range append(r.runs, time.Hour) {
		began := now
		running := corev1.ContainerStatus{Name: "app", Ready: r.ready, RestartCount: int32(i), LastTerminationState: last}
		running.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start.Add(began))}
		at, states = append(at, now), append(states, running)
		if run == time.Hour {
			break
		}
		now += run
		last.Terminated = &corev1.ContainerStateTerminated{
			ExitCode: r.exit, Reason: r.reason, Message: r.message,
			StartedAt: metav1.NewTime(start.Add(began)), FinishedAt: metav1.NewTime(start.Add(now)),
		}
		waiting := corev1.ContainerStatus{Name: "app", RestartCount: int32(i), LastTerminationState: last}
		waiting.State.Waiting = &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}
		at, states = append(at, now), append(states, waiting)
		now += wait
		wait *= 2
	}
	return at, states
}

func (r replay) run() (code string, after time.Duration) {
	at, states := r.states()
	var s Confirmer
	for now, i := at[0], 0; ; {
		for i+1 < len(at) && at[i+1] <= now {
			i++
		}
		f, wait := s.Confirm(strict.Explain(r.evidence(states[i], now)), start.Add(now), Patience{})
		if f != nil {
			return f.Code, now
		}
		next := now + time.Hour
		if i+1 < len(at) {
			next = at[i+1]
		}
		if wait > 0 {
			next = min(next, now+wait)
		}
		if now = next; now > 20*time.Minute {
			return "", 0
		}
	}
}

func (r replay) evidence(status corev1.ContainerStatus, now time.Duration) Evidence {
	template := r.template
	template.Labels = map[string]string{"app": "web"}
	if len(template.Spec.Containers) == 0 {
		template.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.example/web:1.1"}}
	}
	template.Spec.RestartPolicy = corev1.RestartPolicyAlways
	one := int32(1)
	meta := metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "web", Generation: 1}
	d := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: template.Labels}, Template: template}}
	d.Status.ObservedGeneration = 1
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-1", Namespace: "shop", UID: "rs", Labels: map[string]string{"app": "web", "pod-template-hash": "1"}}, Spec: appsv1.ReplicaSetSpec{Replicas: &one, Template: template}}
	rs.Status.Replicas = 1
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-1-a", Namespace: "shop", UID: "pod", Labels: rs.Labels, CreationTimestamp: metav1.NewTime(start)}, Spec: template.Spec}
	pod.Spec.NodeName = "node-1"
	pod.Status.StartTime = &pod.CreationTimestamp
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}
	ready := corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: pod.CreationTimestamp}
	if status.Ready {
		ready.Status = corev1.ConditionTrue
	}
	pod.Status.Conditions = []corev1.PodCondition{ready}
	return Evidence{Workload: rollout.Workload{
		Ref: web, Live: d, Applied: d, Since: start, Now: start.Add(now), PodsKnown: true,
		ReplicaSets: []*appsv1.ReplicaSet{rs}, Pods: []*corev1.Pod{pod},
	}}
}

// TestReplay is about time: what must be decided fast, and what must not be decided at all.
func TestReplay(t *testing.T) {
	sec := time.Second
	loop := func(run time.Duration) []time.Duration {
		return []time.Duration{run, run, run, run, run, run, run}
	}
	limited := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "registry.example/web:1.1"}}}}
	for name, c := range map[string]struct {
		replay
		want string
		by   time.Duration
	}{
		"a crash loop, after its third end":                          {replay{runs: loop(sec), exit: 1, reason: "Error", message: "no config"}, "AppCrash", 36 * sec},
		"a crash loop that is Ready for a moment each time":          {replay{runs: loop(2 * sec), ready: true, exit: 1, reason: "Error"}, "AppCrash", 40 * sec},
		"a crash loop that takes half a minute each time":            {replay{runs: loop(30 * sec), exit: 1, reason: "Error"}, "AppCrash", 125 * sec},
		"two crashes and then a good start":                          {replay{runs: []time.Duration{3 * sec, 3 * sec}, exit: 1, reason: "Error", message: "db refused"}, "", 0},
		"two crashes and then a good start, without readiness probe": {replay{runs: []time.Duration{3 * sec, 3 * sec}, ready: true, exit: 1, reason: "Error"}, "", 0},
		"one restart":                              {replay{runs: []time.Duration{5 * sec}, ready: true, exit: 2, reason: "Error"}, "", 0},
		"out of memory":                            {replay{template: limited, runs: loop(4 * sec), exit: 137, reason: "OOMKilled"}, "OomKilled", 30 * sec},
		"out of memory once, at the start":         {replay{template: limited, runs: []time.Duration{4 * sec}, ready: true, exit: 137, reason: "OOMKilled"}, "", 0},
		"a command that ends":                      {replay{runs: loop(sec), exit: 0, reason: "Completed"}, "CommandCompleted", 40 * sec},
		"a command that does not exist":            {replay{runs: loop(0), exit: 128, reason: "StartError", message: `exec: "/nope": stat /nope: no such file or directory`}, "CommandNotFound", 30 * sec},
		"a crash every hour is not this rollout's": {replay{runs: []time.Duration{10 * time.Minute}, ready: true, exit: 1, reason: "Error"}, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			code, at := c.run()
			if code != c.want || at > c.by {
				t.Errorf("decided %q after %s, want %q within %s", code, at, c.want, c.by)
			}
		})
	}
}
