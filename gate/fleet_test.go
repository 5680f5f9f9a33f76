package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	endsAfter   = time.Second             // a pod that was deleted
	startsAfter = 2 * time.Second         // one that was made
	lag         = 1500 * time.Millisecond // of the watch, behind what is there
)

// fleet is a world with one DaemonSet and its controller: a pod on each node, whose version is the image.
type fleet struct {
	*world
	mu                  sync.Mutex
	live                *unstructured.Unstructured
	nodes               []corev1.Node
	pods                []*corev1.Pod
	made                int
	atOnce              any  // maxUnavailable of the manifest; nil: 1
	broken              bool // pods of v2 do not become ready
	seen                []snapshot
	deleted             []string       // by the run, in their order
	most                map[string]int // new pods and nodes that are about to get one, by the strategy in force
	note                string
	nextErr, replaceErr error
	onReplace           func(n int)
}

// snapshot is what the watch has at some time.
type snapshot struct {
	at   time.Time
	live *appsv1.DaemonSet
	pods []*corev1.Pod
}

// newFleet is one of v1 on so many nodes, of which one has the label.
func newFleet(nodes int) *fleet {
	f := &fleet{world: newWorld(), live: agent("v1"), most: map[string]int{}}
	f.live.SetUID("uid-agent")
	f.live.SetGeneration(1)
	for n := 1; n <= nodes; n++ {
		node := corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("n%d", n)}}
		if n == nodes {
			node.Labels = map[string]string{rollout.CanaryNodeLabel: "true"}
		}
		f.nodes = append(f.nodes, node)
		f.make(node.Name, time.Now().Add(-time.Hour))
	}
	f.status()
	return f
}

// agent is a manifest, with what the API server adds to it.
func agent(version string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": map[string]any{"name": "agent", "namespace": "shop"},
		"spec": map[string]any{
			"selector":       map[string]any{"matchLabels": map[string]any{"app": "agent"}},
			"updateStrategy": map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": int64(1), "maxSurge": int64(0)}},
			"template":       map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": version, "readinessProbe": map[string]any{}}}}},
		},
	}}
}

func (f *fleet) set() *appsv1.DaemonSet { return rollout.Typed(f.live).(*appsv1.DaemonSet) }

func (f *fleet) version() string { return f.set().Spec.Template.Spec.Containers[0].Image }

func (f *fleet) make(node string, at time.Time) {
	f.made++
	controller := true
	f.pods = append(f.pods, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("agent-%d", f.made), Namespace: "shop", UID: types.UID(fmt.Sprint(f.made)), CreationTimestamp: metav1.NewTime(at),
			Labels:          map[string]string{appsv1.ControllerRevisionHashLabelKey: f.version()},
			OwnerReferences: []metav1.OwnerReference{{UID: "uid-agent", Controller: &controller}},
		},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "app", ReadinessProbe: &corev1.Probe{}}}},
	})
}

// advance is what the controller and the kubelets have done by now. The caller holds the lock.
func (f *fleet) advance() {
	now := time.Now()
	f.pods = slices.DeleteFunc(f.pods, func(p *corev1.Pod) bool {
		return p.DeletionTimestamp != nil && now.Sub(p.DeletionTimestamp.Time) >= endsAfter
	})
	down := 0
	for _, p := range f.pods {
		p.Status.Phase = corev1.PodRunning
		ready := corev1.ConditionFalse
		if p.DeletionTimestamp == nil && now.Sub(p.CreationTimestamp.Time) >= startsAfter && !(f.broken && p.Labels[appsv1.ControllerRevisionHashLabelKey] == "v2") {
			ready = corev1.ConditionTrue
		} else {
			down++
		}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: ready}}
	}
	for _, node := range f.nodes {
		if !slices.ContainsFunc(f.pods, func(p *corev1.Pod) bool { return p.Spec.NodeName == node.Name }) {
			f.make(node.Name, now)
			down++
		}
	}
	for _, p := range f.pods {
		old := p.Labels[appsv1.ControllerRevisionHashLabelKey] != f.version()
		if old && p.DeletionTimestamp == nil && f.set().Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType && (down < 1 || !rollout.IsReady(p)) {
			p.DeletionTimestamp = &metav1.Time{Time: now}
			down++
		}
	}
	f.status()
	f.seen = append(f.seen, snapshot{now, f.set(), f.copies()})
	f.measure()
}

// status counts the pods, as the controller does.
func (f *fleet) status() {
	s := map[string]any{"observedGeneration": f.live.GetGeneration(), "desiredNumberScheduled": int64(len(f.nodes)), "currentNumberScheduled": int64(len(f.pods))}
	var updated, ready int64
	for _, p := range f.pods {
		if p.DeletionTimestamp == nil && p.Labels[appsv1.ControllerRevisionHashLabelKey] == f.version() {
			updated++
		}
		if rollout.IsReady(p) {
			ready++
		}
	}
	s["updatedNumberScheduled"], s["numberReady"], s["numberAvailable"] = updated, ready, ready
	f.live.Object["status"] = s
}

// measure notes the most nodes that were new or about to be.
func (f *fleet) measure() {
	old := 0
	for _, p := range f.pods {
		if p.DeletionTimestamp == nil && p.Labels[appsv1.ControllerRevisionHashLabelKey] != f.version() {
			old++
		}
	}
	strategy := string(f.set().Spec.UpdateStrategy.Type)
	f.most[strategy] = max(f.most[strategy], len(f.nodes)-old)
}

func (f *fleet) copies() []*corev1.Pod {
	var all []*corev1.Pod
	for _, p := range f.pods {
		all = append(all, p.DeepCopy())
	}
	return all
}

// versions counts the pods by their version.
func (f *fleet) versions() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
	count := map[string]int{}
	for _, p := range f.pods {
		count[p.Labels[appsv1.ControllerRevisionHashLabelKey]]++
	}
	return fmt.Sprintf("v1 %d, v2 %d, %s", count["v1"], count["v2"], f.set().Spec.UpdateStrategy.Type)
}

func (f *fleet) Plan(context.Context, []manifest.Object) (patch.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	after := f.live.DeepCopy()
	after.Object["spec"] = agent("v2").Object["spec"]
	manifested := agent("v2")
	if f.atOnce != nil {
		_ = unstructured.SetNestedField(manifested.Object, f.atOnce, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable") // every parent is a map
	}
	ref := manifest.Ref{Group: "apps", Kind: "DaemonSet", Namespace: "shop", Name: "agent"}
	return patch.Plan{Writes: []patch.Write{{
		Ref: ref, Action: patch.Configured, Manager: "rolloutgate", At: time.Now(), Before: f.live.DeepCopy(), Sent: agent("v2"), After: after,
		Object: manifest.Object{Unstructured: manifested},
	}}}, nil
}

// apply gives the DaemonSet another spec.
func (f *fleet) apply(spec any, what string) *unstructured.Unstructured {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.live = f.live.DeepCopy()
	f.live.Object["spec"] = spec
	f.live.SetGeneration(f.live.GetGeneration() + 1)
	f.log = append(f.log, what)
	f.status()
	f.seen = nil // the watch has seen what was written
	return f.live.DeepCopy()
}

func (f *fleet) Write(_ context.Context, w *patch.Write) error {
	strategy, _, _ := unstructured.NestedString(w.After.Object, "spec", "updateStrategy", "type")
	w.Written, w.At = f.apply(w.After.DeepCopy().Object["spec"], "write "+strategy), time.Now()
	return nil
}

func (f *fleet) Undo(_ context.Context, w patch.Write) patch.Undone {
	return patch.Undone{Write: w, Action: patch.Restored, Restored: f.apply(w.Origin().DeepCopy().Object["spec"], "undo"), At: time.Now()}
}

func (f *fleet) Exist(context.Context, []manifest.Object) (bool, error) { return true, nil }

func (f *fleet) Watch(ctx context.Context, targets []rollout.Target) Watch {
	return fleetWatch{&fakeWatch{w: f.world, ctx: ctx, targets: targets}, f}
}

func (f *fleet) NextOld(_ context.Context, w rollout.Workload, atOnce int32) ([]*corev1.Pod, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.advance()
	if f.nextErr != nil {
		return nil, "", f.nextErr
	}
	w.Live, w.Pods, w.PodsKnown = f.set(), f.copies(), true
	return rollout.ToReplace(w, f.nodes, atOnce), f.note, nil
}

func (f *fleet) Replace(_ context.Context, p *corev1.Pod) error {
	f.mu.Lock()
	for _, own := range f.pods {
		if own.UID == p.UID && f.replaceErr == nil {
			own.DeletionTimestamp = &metav1.Time{Time: time.Now()}
			f.deleted = append(f.deleted, p.Spec.NodeName)
			f.measure()
		}
	}
	n := len(f.deleted)
	f.mu.Unlock()
	if f.onReplace != nil {
		f.onReplace(n)
	}
	return f.replaceErr
}

// order is where the run has deleted pods.
func (f *fleet) order() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.deleted, " ")
}

type fleetWatch struct {
	*fakeWatch
	f *fleet
}

// Workload is what there was a while ago.
func (w fleetWatch) Workload(i int) rollout.Workload {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	w.f.advance()
	then := w.f.seen[0]
	for _, s := range w.f.seen {
		if time.Since(s.at) >= lag {
			then = s
		}
	}
	t := w.targets[i]
	revision := then.live.Spec.Template.Spec.Containers[0].Image
	return rollout.Workload{
		Ref: t.Ref, Applied: t.Applied, Previous: t.Previous, Restored: t.Restored, Goal: t.Goal, Since: t.Since, Now: time.Now(), Live: then.live,
		Pods: then.pods, PodsKnown: true, ServicesKnown: true,
		Revisions: []*appsv1.ControllerRevision{{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: revision}}, Revision: then.live.Generation}},
	}
}

func (w fleetWatch) Evidence(i int, s rollout.Status) diagnosis.Evidence {
	return diagnosis.Evidence{Workload: w.Workload(i), Status: s}
}

func (w fleetWatch) Read(_ context.Context, i int, s rollout.Status, _ func(diagnosis.Evidence) diagnosis.Need) diagnosis.Evidence {
	return w.Evidence(i, s)
}
