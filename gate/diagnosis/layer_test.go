package diagnosis

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestLayers reads what is said of the layers of some cases, one for each layer and each way not to reach one.
func TestLayers(t *testing.T) {
	var b strings.Builder
	for _, name := range []string{
		"oom-killed", "image-tag-missing", "unschedulable-cpu", "quota-first-deploy", "config-map-missing", "command-not-found",
		"readiness-503", "crash-loop", "init-crash", "claim-unbound", "endpoints-pending", "endpoints-there", "not-observed",
		"paused", "statefulset-crash", "job-failed",
	} {
		ev := load(t, folder(t, name))
		ev.TimedOut = true
		b.WriteString("# " + name + "\n" + renderLayers(Layers(ev, strict.Explain(ev))))
	}
	const golden = "testdata/layers"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("layers differ (-want +got):\n%s", diff)
	}
}

func renderLayers(layers []Layered) string {
	var b strings.Builder
	for _, l := range layers {
		fmt.Fprintf(&b, "%s: %s %s\n", l.Layer, l.State, strings.Join(l.Codes, ", "))
		for _, text := range l.Healthy {
			b.WriteString("  + " + text + "\n")
		}
		for _, text := range l.Unknown {
			b.WriteString("  ? " + text + "\n")
		}
	}
	return b.String()
}

// TestLayersClaimNothing: what was not read is not healthy, whatever object it would have been about.
func TestLayersClaimNothing(t *testing.T) {
	refused := Evidence{Workload: rollout.Workload{Live: &appsv1.StatefulSet{}}, Unreadable: []string{
		"pods: this account cannot list resource pods", "this account cannot read, so the diagnosis goes without: namespaces, nodes, services",
	}}
	for name, ev := range map[string]Evidence{
		"nothing":     {},
		"no objects":  {Workload: rollout.Workload{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}}},
		"empty":       {Workload: rollout.Workload{Live: &appsv1.Deployment{}}},
		"may not":     refused,
		"hollow pods": {Workload: rollout.Workload{Live: &appsv1.ReplicaSet{}, Pods: []*corev1.Pod{{}, {}}}},
	} {
		layers := Layers(ev, nil)
		if len(layers) != 5 {
			t.Fatalf("%s: %d layers", name, len(layers))
		}
		for _, l := range layers {
			if l.State != StateUnknown && l.Layer != LayerWorkload {
				t.Errorf("%s:\n%s", name, renderLayers(layers))
			}
			if l.State == StateUnknown && len(l.Unknown) == 0 {
				t.Errorf("%s: %s does not say why it is unknown", name, l.Layer)
			}
		}
	}
}

// TestLayersRefused: what the account may not read is named for what it is.
func TestLayersRefused(t *testing.T) {
	ev := surroundings()
	ev.Workload.Pods, ev.Workload.PodsKnown, ev.Services, ev.Nodes, ev.Namespace = nil, false, nil, nil, nil
	ev.Unreadable = []string{"pods: no", "this account cannot read, so the diagnosis goes without: namespaces, pods of other namespaces, services"}
	var unknown []string
	for _, l := range Layers(ev, nil) {
		unknown = append(unknown, l.Unknown...)
	}
	want := []string{"not read: pods: no", "not read: namespaces, this account may not", "not read: pods: no", "not read: pods: no", "not read: services, this account may not"}
	if diff := cmp.Diff(want, unknown); diff != "" {
		t.Error(diff)
	}
}

// surroundings is a good pod in a cluster of which everything was read.
func surroundings() Evidence {
	labels := map[string]string{"app": "web"}
	pod := func(name, hash string, ready corev1.ConditionStatus) *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": "web", "pod-template-hash": hash}},
			Spec:       corev1.PodSpec{NodeName: "a", Containers: []corev1.Container{{Name: "web"}}},
			Status: corev1.PodStatus{
				Phase: corev1.PodRunning, PodIP: "10.0.0.1", Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}},
				ContainerStatuses: []corev1.ContainerStatus{{Name: "web", ImageID: "id", Ready: ready == corev1.ConditionTrue, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
			},
		}
	}
	node := func(name string, ready corev1.ConditionStatus) *corev1.Node {
		return &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready}}},
		}
	}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}}}}
	live := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 3}, Spec: appsv1.DeploymentSpec{Template: template}, Status: appsv1.DeploymentStatus{ObservedGeneration: 3}}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-new", Labels: map[string]string{"pod-template-hash": "new"}}, Spec: appsv1.ReplicaSetSpec{Template: template}}
	ev := Evidence{
		Workload: rollout.Workload{
			Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Live: live, Applied: live, Now: time.Now(),
			ReplicaSets: []*appsv1.ReplicaSet{set}, PodsKnown: true,
			Pods: []*corev1.Pod{pod("web-new-1", "new", corev1.ConditionFalse), pod("web-old-1", "old", corev1.ConditionTrue)},
		},
		Nodes:     []*corev1.Node{node("a", corev1.ConditionTrue), node("b", corev1.ConditionFalse)},
		Quotas:    []*corev1.ResourceQuota{},
		Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		Services: []*corev1.Service{
			{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Selector: labels}},
			{ObjectMeta: metav1.ObjectMeta{Name: "other"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "other"}}},
		},
	}
	ev.Status = rollout.Evaluate(ev.Workload)
	return ev
}

// TestLayersSurroundings: what is around a workload is told with numbers, and a fault keeps what is well beside it.
func TestLayersSurroundings(t *testing.T) {
	ev := surroundings()
	got := Layers(ev, []Finding{{Code: "ReadinessProbeFailing", Layer: LayerPod, Terminal: TerminalTimeout}, {Code: "Remark", Layer: LayerCluster, Terminal: TerminalContext}})
	want := []Layered{
		{Layer: LayerCluster, State: StateHealthy, Healthy: []string{"1 of 1 new pods scheduled", "1 of 2 nodes ready", "1 of 1 pod networks up", "no resource quota", "namespace active"}},
		{Layer: LayerWorkload, State: StateHealthy, Healthy: []string{"generation 3 observed", "revision new made", "1 new pod created", "not paused"}},
		{Layer: LayerPod, State: StateFault, Codes: []string{"ReadinessProbeFailing"}, Healthy: []string{"images of 1 of 1 containers pulled", "1 of 1 containers started"}},
		{Layer: LayerApplication, State: StateUnknown, Healthy: []string{"0 restarts", "no error exit"}, Unknown: []string{"affected: 0 of 1 containers ready"}},
		{Layer: LayerService, State: StateUnknown, Unknown: []string{"not read: the EndpointSlices"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("layers differ (-want +got):\n%s", diff)
	}
}
