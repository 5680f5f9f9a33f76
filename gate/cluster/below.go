package cluster

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// readRevisions reads the ReplicaSets of a Deployment until the one that is being rolled out is among them, and the
// ControllerRevisions of a DaemonSet once per generation. A StatefulSet names its revision in its own status.
func (t *following) readRevisions(ctx context.Context, live rollout.Object) error {
	apps := t.w.c.typed.AppsV1()
	selector, ok := rollout.PodSelector(live)
	if !ok || !rollout.Observed(live) || rollout.NewRevision(t.workload()) != "" {
		return nil
	}
	o := metav1.ListOptions{LabelSelector: selector.String()}
	k, _ := rollout.KindOf(t.target.Ref.GroupKind())
	switch k.Owns {
	case rollout.ReplicaSets:
		list, err := opened(ctx, t.w.opening, func(error) {}, func() (*appsv1.ReplicaSetList, error) { // a few at a time, as watches
			return apps.ReplicaSets(live.GetNamespace()).List(ctx, o)
		})
		if err != nil {
			return err
		}
		w := t.workload()
		w.ReplicaSets = owned(list.Items, live.GetUID())
		slim(w, k)
		t.set(func() { t.sets = w.ReplicaSets })
		if rollout.NewReplicaSet(w) == nil {
			return fmt.Errorf("the new ReplicaSet of %s is not there yet", t.target.Ref)
		}
	case rollout.ControllerRevisions:
		if t.revisionsOf == live.GetGeneration() {
			return nil
		}
		list, err := apps.ControllerRevisions(live.GetNamespace()).List(ctx, o)
		if err != nil {
			return err
		}
		t.set(func() { t.revisions, t.revisionsOf = owned(list.Items, live.GetUID()), live.GetGeneration() })
	}
	return nil
}

// slim leaves the pod templates of old versions out, but for that of the last one: nothing compares with them.
func slim(w rollout.Workload, k rollout.Kind) {
	newest := rollout.NewReplicaSet(w)
	if newest == nil || k.Previous == nil {
		return
	}
	last := k.Previous(w)
	for _, rs := range w.ReplicaSets {
		if rs != newest && rs.Labels[appsv1.DefaultDeploymentUniqueLabelKey] != last {
			rs.Spec.Template = corev1.PodTemplateSpec{}
		}
	}
}

// owned keeps the objects that uid controls; selectors of two workloads can overlap.
func owned[T any, P interface {
	*T
	metav1.Object
}](items []T, uid types.UID) []P {
	var out []P
	for i := range items {
		p := P(&items[i])
		p.SetManagedFields(nil)
		if c := metav1.GetControllerOf(p); c != nil && c.UID == uid {
			out = append(out, p)
		}
	}
	return out
}

// readServices learns early which Services select the new pods, so that nothing has to be listed when the rollout
// ends.
func (t *following) readServices(ctx context.Context, live rollout.Object) error {
	template := rollout.PodTemplate(live)
	if template == nil || t.selected() != nil {
		return nil
	}
	all, err := t.w.services[live.GetNamespace()].read(ctx)
	if err != nil && !IsDenied(err) {
		return err
	}
	selecting := []*corev1.Service{} // also when denied: asking again would not help
	selected := labels.Set{}
	maps.Copy(selected, template.Labels)
	if revision := rollout.NewRevision(t.workload()); revision != "" { // a Service may be pinned to it
		k, _ := rollout.KindOf(t.target.Ref.GroupKind())
		selected[k.RevisionLabel] = revision
	}
	for i := range all {
		// One that is going away, as after the undo of a run that made it, sends nothing any more.
		if s := &all[i]; s.DeletionTimestamp == nil && len(s.Spec.Selector) > 0 && labels.SelectorFromSet(s.Spec.Selector).Matches(selected) {
			selecting = append(selecting, s)
		}
	}
	t.set(func() { t.selecting = selecting })
	return err
}

// watchServices watches the EndpointSlices of the Services that select the new pods. The first answer may come from
// the API server's cache: an older state knows fewer new pods, never more.
func (t *following) watchServices(ctx context.Context, live rollout.Object) {
	selecting := t.selected()
	if selecting == nil || t.knowsServices() || t.gathered {
		return
	}
	if several := t.w.slices[live.GetNamespace()]; several != nil {
		t.gathered = true
		several.ask(ctx, t)
		return
	}
	var feeds []serviceFeed
	for _, service := range selecting {
		source := typedSource(t.w.c.typed.DiscoveryV1().RESTClient(), "endpointslices", live.GetNamespace(),
			&discoveryv1.EndpointSlice{}, cached(labelled(discoveryv1.LabelServiceName+"="+service.Name)))
		feeds = append(feeds, serviceFeed{service, t.w.feed(ctx, source, trimObject, t.news, t.deniedSlices)})
	}
	t.set(func() { t.services, t.servicesKnown = feeds, true })
}

// cached lets a list be answered from the API server's cache, which is there at once.
func cached(narrow func(*metav1.ListOptions)) func(*metav1.ListOptions) {
	return func(o *metav1.ListOptions) {
		narrow(o)
		if o.ResourceVersion == "" {
			o.ResourceVersion = "0"
		}
	}
}

// nodesEvery is how often the nodes of a DaemonSet in trouble are looked at.
const nodesEvery = 10 * time.Second

// readNodes learns which nodes cannot run a pod: a DaemonSet is not to blame for them.
func (t *following) readNodes(ctx context.Context) error {
	if time.Since(t.nodesRead) < nodesEvery {
		return nil
	}
	t.nodesRead = time.Now()
	list, err := t.w.c.typed.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	names := down(list.Items)
	t.set(func() { t.nodesDown = names })
	return nil
}

// down are the names of the nodes that are not ready.
func down(nodes []corev1.Node) []string {
	var names []string
	for _, n := range nodes {
		if !slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			names = append(names, n.Name)
		}
	}
	return names
}

// readStorageClass learns whether a claim waits for its first consumer.
func (t *following) readStorageClass(ctx context.Context, live rollout.Object) error {
	claim, ok := live.(*corev1.PersistentVolumeClaim)
	if !ok || claim.Status.Phase != corev1.ClaimPending || claim.Spec.StorageClassName == nil || *claim.Spec.StorageClassName == "" {
		return nil
	}
	class, err := t.w.c.typed.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	waits := class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	t.set(func() { t.waitsForConsumer = waits })
	return nil
}

func labelled(selector string) func(*metav1.ListOptions) {
	return func(o *metav1.ListOptions) { o.LabelSelector = selector }
}

func named(name string) func(*metav1.ListOptions) {
	return func(o *metav1.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("metadata.name", name).String()
	}
}
