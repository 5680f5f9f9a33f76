package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	maxNodes = 500
	// maxNeighbours is up to how many pods in the cluster the free capacity of nodes is added up.
	maxNeighbours = 3000
	maxConfigMaps = 5
	maxNames      = 500
	// surroundingsAge is how old what is around a workload may be. Workloads that fail together share one read.
	surroundingsAge = 5 * time.Second
)

// surroundings remembers for a moment what was read around workloads.
type surroundings struct {
	mu   sync.Mutex
	read map[string]*surrounding
}

type surrounding struct {
	once  sync.Once
	at    time.Time
	value any
	err   error
}

// shared reads something once for all who ask for it within a few seconds.
func shared[T any](s *surroundings, key string, read func() (T, error)) (T, error) {
	s.mu.Lock()
	if s.read == nil {
		s.read = map[string]*surrounding{}
	}
	entry := s.read[key]
	if entry == nil || time.Since(entry.at) > surroundingsAge {
		entry = &surrounding{at: time.Now()}
		s.read[key] = entry
	}
	s.mu.Unlock()
	entry.once.Do(func() { entry.value, entry.err = read() })
	value, _ := entry.value.(T)
	return value, entry.err
}

// surroundings are the reads of what is around the workload: its namespace, the nodes, and what shares the namespace.
// Each is optional; the rules live with what an account may read.
func (f *freezer) surroundings(ctx context.Context, troubled []*corev1.Pod) []func() {
	ns, core := f.ev.Workload.Ref.Namespace, f.c.typed.CoreV1()
	var all metav1.ListOptions
	reads := []func(){
		func() { f.namespace(ctx) },
		func() {
			around(f, "nodes", "", &f.ev.Nodes, func() ([]*corev1.Node, error) {
				list, err := core.Nodes().List(ctx, metav1.ListOptions{Limit: maxNodes})
				return pointers(list.Items), err
			})
		},
		func() {
			around(f, "resourcequotas", ns, &f.ev.Quotas, func() ([]*corev1.ResourceQuota, error) {
				list, err := core.ResourceQuotas(ns).List(ctx, all)
				return pointers(list.Items), err
			})
		},
	}
	if _, hasPods := rollout.PodSelector(f.ev.Workload.Live); !hasPods {
		return reads
	}
	reads = append(reads, func() { f.services(ctx) }, func() {
		around(f, "horizontalpodautoscalers", ns, &f.ev.Autoscalers, func() ([]*autoscalingv2.HorizontalPodAutoscaler, error) {
			list, err := f.c.typed.AutoscalingV2().HorizontalPodAutoscalers(ns).List(ctx, all)
			return pointers(list.Items), err
		})
	}, func() {
		around(f, "networkpolicies", ns, &f.ev.Policies, func() ([]*networkingv1.NetworkPolicy, error) {
			list, err := f.c.typed.NetworkingV1().NetworkPolicies(ns).List(ctx, all)
			return pointers(list.Items), err
		})
	})
	if slices.ContainsFunc(troubled, func(p *corev1.Pod) bool { return p.Spec.NodeName == "" }) {
		reads = append(reads, func() {
			around(f, "pods of other namespaces", "", &f.ev.Requested, func() (requests, error) { return f.requested(ctx) })
		})
	}
	return reads
}

// namespace reads the namespace itself.
func (f *freezer) namespace(ctx context.Context) {
	ns := f.ev.Workload.Ref.Namespace
	around(f, "namespaces", ns, &f.ev.Namespace, func() (*corev1.Namespace, error) {
		return f.c.typed.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
	})
}

// around does one such read and remembers whether it was refused.
func around[T any](f *freezer, kind, namespace string, into *T, read func() (T, error)) {
	value, err := shared(f.around, kind+"/"+namespace, read)
	f.add(func() {
		switch {
		case err == nil:
			*into = value
		case IsDenied(err):
			f.denied = append(f.denied, kind)
		default:
			f.ev.Unreadable = append(f.ev.Unreadable, fmt.Sprintf("%s: %s", kind, denial(err)))
		}
	})
}

// sayDenied names what the account may not read, in one line: it is usually much and never urgent.
func (f *freezer) sayDenied() {
	if len(f.denied) == 0 {
		return
	}
	slices.Sort(f.denied)
	f.ev.Unreadable = append(f.ev.Unreadable, "this account cannot read, so the diagnosis goes without: "+strings.Join(slices.Compact(f.denied), ", "))
}

// services reads the Services of the namespace, and where those that select the new or the old pods send traffic.
func (f *freezer) services(ctx context.Context) {
	ns := f.ev.Workload.Ref.Namespace
	around(f, "services", ns, &f.ev.Services, func() ([]*corev1.Service, error) {
		list, err := f.c.typed.CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
		return pointers(list.Items), err
	})
	var names []string
	for _, s := range f.ev.Services {
		if len(s.Spec.Selector) > 0 && f.selects(labels.SelectorFromSet(s.Spec.Selector)) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return
	}
	selector := discoveryv1.LabelServiceName + " in (" + strings.Join(names, ",") + ")"
	around(f, "endpointslices", ns+selector, &f.ev.Slices, func() ([]*discoveryv1.EndpointSlice, error) {
		list, err := f.c.typed.DiscoveryV1().EndpointSlices(ns).List(ctx, metav1.ListOptions{LabelSelector: selector})
		return pointers(list.Items), err
	})
}

func (f *freezer) selects(s labels.Selector) bool {
	for _, p := range f.ev.Workload.Pods {
		if s.Matches(labels.Set(p.Labels)) {
			return true
		}
	}
	t := rollout.PodTemplate(f.ev.Workload.Live)
	return t != nil && s.Matches(labels.Set(t.Labels))
}

// claims reads the claims that pods without containers wait for.
func (f *freezer) claims(ctx context.Context, troubled []*corev1.Pod) {
	var names []string
	for _, p := range troubled {
		names = append(names, claimNames(p)...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for _, name := range names[:min(len(names), maxClaims)] {
		claim, err := f.c.typed.CoreV1().PersistentVolumeClaims(f.ev.Workload.Ref.Namespace).Get(ctx, name, metav1.GetOptions{})
		f.add(func() {
			switch {
			case err == nil:
				f.ev.Claims = append(f.ev.Claims, claim)
			case IsDenied(err):
				f.denied = append(f.denied, "persistentvolumeclaims")
			}
		})
	}
}

// requests are what pods request altogether, by node.
type requests = map[string]corev1.ResourceList

// requested adds up what pods request on each node. In a big cluster that would be too much to read.
func (f *freezer) requested(ctx context.Context) (requests, error) {
	list, err := f.c.typed.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed", Limit: maxNeighbours,
	})
	if err != nil || list.Continue != "" {
		return nil, err
	}
	sums := requests{}
	for i := range list.Items {
		p := &list.Items[i]
		sum := sums[p.Spec.NodeName]
		if sum == nil {
			sum = corev1.ResourceList{}
			sums[p.Spec.NodeName] = sum
		}
		for name, q := range resourcehelper.PodRequests(p, resourcehelper.PodResourcesOptions{}) {
			total := sum[name]
			total.Add(q)
			sum[name] = total
		}
	}
	return sums, nil
}

// revisions reads what the previous version looked like, where the watch did not need it.
func (f *freezer) revisions(ctx context.Context) {
	w := &f.ev.Workload
	selector, ok := rollout.PodSelector(w.Live)
	if !ok || f.ev.Previous != nil || len(w.Revisions) > 0 {
		return
	}
	switch w.Live.(type) {
	case *appsv1.StatefulSet, *appsv1.DaemonSet:
		list, err := f.c.typed.AppsV1().ControllerRevisions(w.Ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
		if err == nil {
			w.Revisions = owned(list.Items, w.Live.GetUID())
		}
	}
}

// writers is the object with the fields' writers: the watch leaves them out, because they are most of what it would keep.
func (f *freezer) writers(ctx context.Context, r manifest.Resource) rollout.Object {
	ref, live := f.ev.Workload.Ref, f.ev.Workload.Live
	fresh, err := f.c.names.Resource(r.GVR()).Namespace(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if err != nil || fresh.UID != live.GetUID() {
		return live
	}
	written, ok := live.DeepCopyObject().(rollout.Object)
	if !ok {
		return live
	}
	written.SetManagedFields(fresh.ManagedFields)
	return written
}

// lookups reads what exists where something is missing, so that a typo can be told from an omission: names only, and
// the keys of ConfigMaps.
func (f *freezer) lookups(ctx context.Context) {
	ns, core := f.ev.Workload.Ref.Namespace, f.c.typed.CoreV1()
	kinds, configMaps := diagnosis.Lookups(f.ev)
	for _, kind := range kinds {
		r, ok := namesOf[kind]
		if !ok {
			continue
		}
		list, err := f.c.names.Resource(r.GVR()).Namespace(map[bool]string{true: ns}[r.Namespaced]).List(ctx, metav1.ListOptions{Limit: maxNames})
		if IsDenied(err) {
			f.add(func() { f.denied = append(f.denied, r.Resource) })
		}
		if err != nil {
			continue
		}
		names := make([]string, 0, len(list.Items))
		for _, item := range list.Items {
			names = append(names, item.Name)
		}
		f.add(func() { f.ev.Names = with(f.ev.Names, kind, names) })
	}
	for _, ref := range configMaps[:min(len(configMaps), maxConfigMaps)] {
		m, err := core.ConfigMaps(ns).Get(ctx, ref.Name, metav1.GetOptions{})
		if err != nil {
			continue
		}
		f.add(func() { f.ev.Keys = with(f.ev.Keys, ref, keysOf(m)) })
	}
}

// with adds to a map that may not exist yet.
func with[K comparable, V any](m map[K]V, key K, value V) map[K]V {
	if m == nil {
		m = map[K]V{}
	}
	m[key] = value
	return m
}

func (f *freezer) add(change func()) { f.mu.Lock(); defer f.mu.Unlock(); change() }

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
