package criteria

import (
	"regexp"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var start = time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)

// probed is a pod whose container runs since start and is ready after so long.
func probed(after time.Duration, probes ...*corev1.Probe) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-7c9f8d-abcde", UID: "u1", CreationTimestamp: metav1.NewTime(start.Add(-time.Minute))}}
	c := corev1.Container{Name: "web"}
	for i, probe := range probes {
		*[]**corev1.Probe{&c.ReadinessProbe, &c.StartupProbe, &c.LivenessProbe}[i] = probe
	}
	p.Spec.Containers = []corev1.Container{c}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "web", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start)}}}}
	p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(start.Add(after))}}
	return p
}

func httpProbe(period int32) *corev1.Probe {
	return &corev1.Probe{PeriodSeconds: period, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/healthz"}}}
}

func TestProbeRequests(t *testing.T) {
	tcp := &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{}}}
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want float64
	}{
		"no probe":                       {probed(20 * time.Second), 0},
		"one a second, for 20 s":         {probed(20*time.Second, httpProbe(1)), 21},
		"two probes":                     {probed(20*time.Second, httpProbe(10), httpProbe(5)), 3 + 5},
		"a probe that opens a port only": {probed(20*time.Second, tcp), 0},
		"no period":                      {probed(3*time.Second, httpProbe(0)), 4},
		"ready at once":                  {probed(0, httpProbe(10)), 1},
	} {
		if got := probeRequests(c.pod, rollout.ReadySince(c.pod)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	unready := probed(0, httpProbe(1))
	unready.Status.Conditions[0].Status = corev1.ConditionFalse
	if at := rollout.ReadySince(unready); !at.IsZero() || probeRequests(unready, at) != 0 {
		t.Errorf("a pod that is not ready: ready since %s", at)
	}
}

// A pod that is unready for a moment was ready before: what it counted since then still counts.
func TestTrackerRemembers(t *testing.T) {
	var tracked podTracker
	p := probed(5 * time.Second)
	first := tracked.pod(manifest.Ref{Group: "apps", Kind: "Deployment"}, p)
	p.Status.Conditions[0].Status = corev1.ConditionFalse
	if again := tracked.pod(manifest.Ref{Group: "apps", Kind: "Deployment"}, p); !again.Ready.Equal(first.Ready) || first.Ready.IsZero() || again.Reused {
		t.Errorf("first %+v, then %+v", first, again)
	}
	tracked.changed = start
	if again := tracked.pod(manifest.Ref{Group: "apps", Kind: "Deployment"}, p); !again.Reused {
		t.Error("what a pod counted before the run is taken for news")
	}
	tracked.changed = time.Time{}
	if db := tracked.pod(manifest.Ref{Group: "apps", Kind: "StatefulSet"}, p); !db.Reused {
		t.Error("the name of a StatefulSet's pod was not told to be an old one's")
	}
}

func TestKnown(t *testing.T) {
	pods := func(after ...time.Duration) (out []rollout.RunningPod) {
		for _, d := range after {
			out = append(out, rollout.RunningPod{Pod: probed(d)})
		}
		return out
	}
	now := start.Add(90 * time.Second)
	for name, c := range map[string]struct {
		pods []rollout.RunningPod
		want bool
	}{
		"none": {nil, false}, "young ones": {pods(40*time.Second, 80*time.Second), false}, "one of them old": {pods(10*time.Second, 80*time.Second), true},
	} {
		if got := Known(c.pods, now); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestPodNames(t *testing.T) {
	workloads := []rollout.Workload{
		{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web.v1"}}, {Ref: manifest.Ref{Group: "apps", Kind: "StatefulSet", Name: "db"}},
		{Ref: manifest.Ref{Group: "apps", Kind: "DaemonSet", Name: "agent"}}, {Ref: manifest.Ref{Kind: "ConfigMap", Name: "settings"}},
	}
	pattern := regexp.MustCompile("^(?:" + allVersions(workloads) + ")$")
	for name, want := range map[string]bool{
		"web.v1-7c9f8d-abcde": true, "db-0": true, "db-12": true, "agent-x2x4z": true,
		"web-v1-7c9f8d-abcde": false, "web.v1-abcde": false, "db-a": false, "other-db-0": false, "settings": false, "agent-7c9f8d-abcde": false,
	} {
		if got := pattern.MatchString(name); got != want {
			t.Errorf("%s: %t, want %t", name, got, want)
		}
	}
	long := strings.Repeat("a", 47)
	cut := regexp.MustCompile("^(?:" + allVersions([]rollout.Workload{{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: long}}}) + ")$")
	if name := long + "-7c9f8d4b5c" + "x2x4z"; !cut.MatchString(name) { // the dash after the hash did not fit
		t.Errorf("%s is not found", name)
	}
	if HasPods(manifest.Ref{Group: "batch", Kind: "Job", Name: "migrate"}) || HasPods(manifest.Ref{Kind: "ConfigMap", Name: "settings"}) {
		t.Error("a Job or a ConfigMap has pods to judge")
	}
	if n := len(withPods(workloads)); n != 3 {
		t.Errorf("%d of the workloads have pods", n)
	}
}

func TestDescribe(t *testing.T) {
	d := &appsv1.Deployment{}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: "registry.example:5000/shop/web:v2@sha256:abc"}, {Name: "proxy"}}
	var vars analysis.Vars
	describe(&vars, rollout.Workload{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Live: d}, rollout.Status{Revision: "7c9f8d", PreviousRevision: "5d4c3b"})
	for what, got := range map[string][2]string{
		"workload": {vars.Workload, "web"}, "newHash": {vars.NewHash, "7c9f8d"}, "newReplicaSet": {vars.NewReplicaSet, "web-7c9f8d"},
		"oldReplicaSet": {vars.OldReplicaSet, "web-5d4c3b"}, "container": {vars.Container, "app"}, "imageTag": {vars.ImageTag, "v2"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %q, want %q", what, got[0], got[1])
		}
	}
}
