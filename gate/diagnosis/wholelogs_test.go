package diagnosis

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestWholeLogs: whose whole logs are kept, and in which order: when there are too many, the last are left out.
func TestWholeLogs(t *testing.T) {
	runs := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	waits := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff"}}
	ended := func(code int32) corev1.ContainerState {
		return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: code}}
	}
	status := func(name string, ready bool, now, last corev1.ContainerState) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, Ready: ready, State: now, LastTerminationState: last}
	}
	none := corev1.ContainerState{}
	pod := func(name string, ready corev1.ConditionStatus, init []corev1.ContainerStatus, main ...corev1.ContainerStatus) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}}
		p.Status = corev1.PodStatus{Phase: corev1.PodRunning, InitContainerStatuses: init, ContainerStatuses: main, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}}
		for _, s := range init {
			p.Spec.InitContainers = append(p.Spec.InitContainers, corev1.Container{Name: s.Name})
		}
		for _, s := range main {
			p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: s.Name})
		}
		return p
	}
	done := []corev1.ContainerStatus{status("init", true, ended(0), none)}
	well := pod("a-well", corev1.ConditionTrue, done, status("app", true, runs, none))
	again := pod("b-again", corev1.ConditionFalse, done, status("app", false, runs, ended(1)), status("sidecar", true, runs, none))
	loops := pod("c-loops", corev1.ConditionFalse, nil, status("app", false, waits, ended(1)))
	stuck := pod("d-stuck", corev1.ConditionFalse, nil, status("app", false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}, none))
	inInit := pod("e-init", corev1.ConditionFalse, []corev1.ContainerStatus{status("init", false, runs, none)}, status("app", false, corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}, none))
	finding := func(pod, container string, terminal Terminal) Finding {
		return Finding{Object: Subject{Ref: manifest.Ref{Kind: "Pod", Namespace: "shop", Name: pod}}, Container: container, Terminal: terminal}
	}
	for name, c := range map[string]struct {
		pods  []*corev1.Pod
		found []Finding
		all   bool
		want  string
	}{
		"nothing is wrong":                  {[]*corev1.Pod{well}, nil, false, ""},
		"all are asked for":                 {[]*corev1.Pod{well, again}, nil, true, "b-again/app b-again/app- a-well/app b-again/sidecar"},
		"both attempts of one that is back": {[]*corev1.Pod{well, again}, nil, false, "b-again/app b-again/app-"},
		"the only one of a loop":            {[]*corev1.Pod{loops}, nil, false, "c-loops/app"},
		"never started":                     {[]*corev1.Pod{stuck}, []Finding{finding("d-stuck", "app", TerminalNow)}, true, ""},
		"in its init container":             {[]*corev1.Pod{inInit}, nil, false, "e-init/init"},
		"the blamed one first":              {[]*corev1.Pod{again, loops}, []Finding{finding("c-loops", "app", TerminalAfter)}, false, "c-loops/app b-again/app b-again/app-"},
		"blamed, though it is well":         {[]*corev1.Pod{well, again}, []Finding{finding("a-well", "app", TerminalAfter)}, false, "a-well/app b-again/app b-again/app-"},
		"a remark blames nothing":           {[]*corev1.Pod{well}, []Finding{finding("a-well", "app", TerminalContext)}, false, ""},
		"blamed as a pod":                   {[]*corev1.Pod{again}, []Finding{finding("b-again", "", TerminalAfter)}, false, "b-again/app b-again/app-"},
	} {
		ref := manifest.Ref{Kind: "Pods", Group: "example.com", Namespace: "shop", Name: "web"}
		ev := Evidence{Workload: rollout.Workload{Ref: ref, Pods: c.pods, PodsKnown: true}}
		var got []string
		for _, l := range WholeLogs(ev, c.found, c.all) {
			got = append(got, fmt.Sprintf("%s/%s%s", l.Pod, l.Container, map[bool]string{true: "-"}[l.Previous]))
		}
		if text := strings.Join(got, " "); text != c.want {
			t.Errorf("%s: %q, want %q", name, text, c.want)
		}
	}
}
