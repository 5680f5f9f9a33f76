package gate

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestHistory: the most pods that were available at once, since when, and how often each pod ceased to be ready. A pod
// that leaves does not count.
func TestHistory(t *testing.T) {
	start := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	pod := func(ready, leaving bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
		status := corev1.ConditionFalse
		if ready {
			status = corev1.ConditionTrue
		}
		if leaving {
			p.DeletionTimestamp = &metav1.Time{Time: start}
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: status}}
		return p
	}
	var h progress
	for i, c := range []struct {
		pod       *corev1.Pod
		available int32
	}{{pod(false, false), 0}, {pod(true, false), 1}, {pod(false, false), 0}, {pod(true, false), 1}, {pod(false, false), 0}, {pod(true, false), 1}, {pod(false, true), 0}} {
		w := rollout.Workload{Ref: manifest.Ref{Kind: "Pod", Name: "web"}, Now: start.Add(time.Duration(i) * time.Second), Live: c.pod, Pods: []*corev1.Pod{c.pod}, PodsKnown: true}
		h.observe(w, rollout.Status{Available: c.available})
	}
	seen := h.seen()
	if seen.Best != 1 || !seen.BestSince.Equal(start.Add(time.Second)) {
		t.Errorf("the best was %d since %s", seen.Best, seen.BestSince)
	}
	if seen.Falls["web"] != 2 {
		t.Errorf("%d falls, want 2", seen.Falls["web"])
	}
	seen.Falls["web"] = 9
	if h.falls["web"] != 2 {
		t.Error("what the rules are given is not a copy")
	}
}

// TestWarnings: a finding is told of when it has stayed for a while, once, and not when it only comes again and again.
func TestWarnings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := 0
		f := &follower{r: &run{g: Gate{Progress: func(e Event) {
			if _, ok := e.Payload.(Warning); ok {
				told++
			}
		}}}, states: []state{{warned: map[string]time.Time{}}}}
		found := []diagnosis.Finding{{Code: "ControllerNotObserving"}}
		for _, findings := range [][]diagnosis.Finding{found, nil, found, nil, found} {
			f.warn(0, findings)
			time.Sleep(2 * worthTelling)
		}
		if told != 0 {
			t.Errorf("told %d times of what did not stay", told)
		}
		for range 3 {
			f.warn(0, found)
			time.Sleep(worthTelling)
		}
		if told != 1 {
			t.Errorf("told %d times of what stayed", told)
		}
	})
}
