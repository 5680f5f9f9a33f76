package diagnosis

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestTooManyReplicas changes one thing about two replicas with one host port on one node. Whatever could give the second
// one a place, or do without it, takes the proof away.
func TestTooManyReplicas(t *testing.T) {
	pinned := map[string]string{corev1.LabelHostname: "node-1"}
	for name, c := range map[string]struct {
		change func(*Evidence)
		want   bool
	}{
		"as it is":                  {func(*Evidence) {}, true},
		"the first one has crashed": {func(ev *Evidence) { ev.Workload.Pods[0].Status.ContainerStatuses[0].RestartCount = 3 }, true},
		"another node with that label": {func(ev *Evidence) {
			ev.Nodes = append(ev.Nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-3", Labels: pinned}})
		}, false},
		"a cordoned one": {func(ev *Evidence) {
			ev.Nodes = append(ev.Nodes, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-3", Labels: pinned}, Spec: corev1.NodeSpec{Unschedulable: true}})
		}, false},
		"one that is not ready yet": {func(ev *Evidence) {
			ev.Nodes = append(ev.Nodes, tainted(pinned, "node.kubernetes.io/not-ready"))
		}, false},
		"one for others only": {func(ev *Evidence) {
			ev.Nodes = append(ev.Nodes, tainted(pinned, "node-role.kubernetes.io/control-plane"))
		}, true},
		"one replica is enough": {func(ev *Evidence) {
			one := int32(1)
			ev.Workload.Live.(*appsv1.Deployment).Spec.Replicas = &one
		}, false},
		"an autoscaler decides how many": {func(ev *Evidence) {
			h := &autoscalingv2.HorizontalPodAutoscaler{}
			h.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}
			ev.Autoscalers = append(ev.Autoscalers, h)
		}, false},
		"the nodes were not read":   {func(ev *Evidence) { ev.Nodes = nil }, false},
		"only some nodes were read": {func(ev *Evidence) { ev.Nodes = ev.Nodes[:1] }, false},
	} {
		t.Run(name, func(t *testing.T) {
			ev := load(t, folder(t, "schedule-host-port-pinned"))
			c.change(&ev)
			found := strict.Explain(ev)
			got := len(found) > 0 && found[0].Code == "HostPortConflict" && found[0].Terminal == TerminalDeadlock
			if got != c.want {
				t.Errorf("proven: %t, want %t\n%s", got, c.want, render(found))
			}
		})
	}
}

func tainted(labels map[string]string, key string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-3", Labels: labels},
		Spec:       corev1.NodeSpec{Taints: []corev1.Taint{{Key: key, Effect: corev1.TaintEffectNoSchedule}}},
	}
}
