package rollout

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// fleet is a DaemonSet with goal that wants as many pods as nodes are listed. Each node is its name, "=" and its pods: n a
// new one that is ready, u a new one that is not, o an old one, x an old one that is on its way out, y such a new one, f one
// that belongs to another workload.
func fleet(goal int32, listed string) Workload {
	set := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent", UID: "a1", Generation: 2},
		Spec:       appsv1.DaemonSetSpec{UpdateStrategy: appsv1.DaemonSetUpdateStrategy{Type: appsv1.OnDeleteDaemonSetStrategyType}},
		Status:     appsv1.DaemonSetStatus{ObservedGeneration: 2},
	}
	w := Workload{
		Live: set, Goal: goal, PodsKnown: true, Now: time.Unix(1000, 0),
		Revisions: []*appsv1.ControllerRevision{{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"controller-revision-hash": "new"}}, Revision: 2}},
	}
	controller := true
	for _, field := range strings.Fields(listed) {
		node, pods, _ := strings.Cut(field, "=")
		set.Status.DesiredNumberScheduled++
		for n, kind := range pods {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
				Name: fmt.Sprintf("%s-%d", node, n), UID: types.UID(field), Labels: map[string]string{"controller-revision-hash": "old"},
				OwnerReferences: []metav1.OwnerReference{{UID: "a1", Controller: &controller}},
			}, Spec: corev1.PodSpec{NodeName: node}}
			ready := corev1.ConditionTrue
			switch kind {
			case 'u':
				ready = corev1.ConditionFalse
			case 'x', 'y':
				p.DeletionTimestamp = &metav1.Time{Time: w.Now}
			case 'f':
				p.OwnerReferences[0].UID = "b1"
			}
			if strings.ContainsRune("nuy", kind) {
				p.Labels["controller-revision-hash"] = "new"
			}
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready, LastTransitionTime: metav1.NewTime(w.Now.Add(-20 * time.Second))}}
			w.Pods = append(w.Pods, p)
		}
	}
	return w
}

// TestToReplace: which old pods are deleted next, by what is there.
func TestToReplace(t *testing.T) {
	for name, c := range map[string]struct {
		goal, atOnce int32
		nodes        string
		change       func(*Workload, *appsv1.DaemonSet)
		want         string // nodes
	}{
		"the first by name":                       {1, 1, "b=o a=o c=o", nil, "a"},
		"several":                                 {2, 5, "b=o a=o c=o", nil, "a b"},
		"several, one at a time":                  {2, 1, "b=o a=o c=o", nil, "a"},
		"there are as many":                       {1, 5, "a=o b=n c=o", nil, ""},
		"there are more":                          {1, 5, "a=n b=n c=o", nil, ""},
		"one of two":                              {2, 1, "a=o b=n c=o", nil, "a"},
		"the new one is not ready yet":            {2, 1, "a=o b=u c=o", nil, ""},
		"it is not ready, and two may be missing": {3, 2, "a=o b=u c=o d=o", nil, "a"},
		"an old pod is on its way out":            {1, 5, "a=o b=x c=o", nil, ""},
		"one is on its way out, of two":           {2, 2, "a=o b=x c=o", nil, "a"},
		"an old pod is gone":                      {1, 5, "a=o b= c=o", nil, ""},
		"one is gone, one at a time":              {2, 1, "a=o b= c=o", nil, ""},
		"the new one is on its way out":           {1, 5, "a=o b=y c=o", nil, ""},
		"beside the old one that goes":            {2, 1, "a=o b=xn c=o", nil, "a"},
		"both on a node":                          {1, 1, "a=on b=o", nil, ""},
		"no old ones":                             {3, 5, "a=n b=n", nil, ""},
		"those of another workload":               {1, 1, "b=o a=f", nil, ""},
		"labelled first":                          {2, 5, "a=o b=o c=o canary=o", nil, "canary a"},
		"not where nothing is scheduled":          {2, 5, "a-cordoned=o b=o c=o", nil, "b c"},
		"unless there is nothing else":            {3, 5, "a-cordoned=o b=o c=o d=n", nil, "b c"},
		"labelled, but nothing is scheduled":      {1, 5, "canary-cordoned=o b=o c=o", nil, "b"},
		"not on a node that is down":              {2, 5, "a=o b=o c=o", func(w *Workload, _ *appsv1.DaemonSet) { w.NodesDown = []string{"a"} }, "b c"},
		"one that ends on a node that is down":    {1, 5, "a=x b=o c=o", func(w *Workload, _ *appsv1.DaemonSet) { w.NodesDown = []string{"a"} }, "b"},
		"a new one on a node that is down":        {2, 1, "a=u b=o c=o", func(w *Workload, _ *appsv1.DaemonSet) { w.NodesDown = []string{"a"} }, "b"},
		"ready for too short a time":              {2, 1, "a=n b=o c=o", func(_ *Workload, s *appsv1.DaemonSet) { s.Spec.MinReadySeconds = 30 }, ""},
		"ready for long enough":                   {2, 1, "a=n b=o c=o", func(_ *Workload, s *appsv1.DaemonSet) { s.Spec.MinReadySeconds = 20 }, "b"},
		"pods are not known":                      {1, 1, "a=o", func(w *Workload, _ *appsv1.DaemonSet) { w.PodsKnown = false }, ""},
		"the revision is not known":               {1, 1, "a=o b=o", func(w *Workload, _ *appsv1.DaemonSet) { w.Revisions = nil }, ""},
		"no goal":                                 {0, 1, "a=o b=o", nil, ""},
		"the controller replaces":                 {1, 1, "a=o b=o", func(_ *Workload, s *appsv1.DaemonSet) { s.Spec.UpdateStrategy.Type = "RollingUpdate" }, ""},
		"it has not seen the change":              {1, 1, "a=o b=o", func(_ *Workload, s *appsv1.DaemonSet) { s.Status.ObservedGeneration = 1 }, ""},
		"it is being deleted":                     {1, 1, "a=o b=o", func(_ *Workload, s *appsv1.DaemonSet) { s.DeletionTimestamp = &metav1.Time{} }, ""},
		"not a DaemonSet":                         {1, 1, "a=o b=o", func(w *Workload, _ *appsv1.DaemonSet) { w.Live = &appsv1.StatefulSet{} }, ""},
	} {
		w := fleet(c.goal, c.nodes)
		if c.change != nil {
			c.change(&w, w.Live.(*appsv1.DaemonSet))
		}
		var nodes []corev1.Node
		for _, p := range w.Pods {
			n := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.Spec.NodeName, Labels: map[string]string{}}}
			n.Labels[CanaryNodeLabel] = fmt.Sprint(strings.HasPrefix(n.Name, "canary"))
			n.Spec.Unschedulable = strings.HasSuffix(n.Name, "cordoned")
			nodes = append(nodes, n)
		}
		var got []string
		for _, p := range ToReplace(w, nodes, c.atOnce) {
			got = append(got, p.Spec.NodeName)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %s", name, got, c.want)
		}
	}
}

// TestToReplaceStepByStep: whenever it is asked, and however slowly pods go and come, as many nodes as asked for become new.
func TestToReplaceStepByStep(t *testing.T) {
	nodes := []string{"a=o", "b=o", "c=o", "d=o", "e=o"}
	next := map[string]string{"x": "", "": "u", "u": "n"}
	for turn := range 150 {
		w := fleet(3, strings.Join(nodes, " "))
		for _, p := range ToReplace(w, nil, 2) {
			i := slices.IndexFunc(nodes, func(n string) bool { return strings.HasPrefix(n, p.Spec.NodeName+"=") })
			nodes[i] = p.Spec.NodeName + "=x"
		}
		node, pods, _ := strings.Cut(nodes[turn%5], "=")
		if then, moves := next[pods]; moves && turn%3 == 0 {
			nodes[turn%5] = node + "=" + then
		}
		old := strings.Count(strings.Join(nodes, " "), "=o")
		if old < 2 {
			t.Fatalf("turn %d: %v", turn, nodes)
		}
	}
	if got := strings.Join(nodes, " "); got != "a=n b=n c=n d=o e=o" {
		t.Errorf("it came to %s", got)
	}
}

// TestNodeOf: a pod that is not scheduled yet says where it is to go.
func TestNodeOf(t *testing.T) {
	term := func(key string, values ...string) *corev1.Affinity {
		return &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
			NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: key, Operator: "In", Values: values}}}},
		}}}
	}
	for want, spec := range map[string]corev1.PodSpec{
		"a": {NodeName: "a", Affinity: term("metadata.name", "b")}, "b": {Affinity: term("metadata.name", "b")}, "": {Affinity: term("other", "b")},
	} {
		if got := NodeOf(&corev1.Pod{Spec: spec}); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := NodeOf(&corev1.Pod{}); got != "" {
		t.Errorf("%q", got)
	}
}
