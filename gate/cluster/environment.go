package cluster

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

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
	maxClaims     = 5
	// environmentAge is how old the environment of a workload may be. Workloads that fail together share one read.
	environmentAge = 5 * time.Second
)

// environment remembers for a moment what several workloads share.
type environment struct {
	mu   sync.Mutex
	read map[string]*shared
}

// shared is one read for all who ask within a few seconds. value and err are set when done is closed.
type shared struct {
	at    time.Time
	done  chan struct{}
	value any
	err   error
}

// share reads something once for all who ask for it within a few seconds. Nobody waits for longer than the own context
// lasts, and a read that ended with the context of whoever began it is begun anew.
func share[T any](ctx context.Context, e *environment, key string, read func() (T, error)) (T, error) {
	for {
		entry, mine := e.entry(key)
		if mine {
			entry.value, entry.err = read()
			if ctx.Err() != nil {
				e.forget(key, entry)
			}
			close(entry.done)
		}
		select {
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		case <-entry.done:
		}
		if mine || e.has(key, entry) {
			value, _ := entry.value.(T)
			return value, entry.err
		}
	}
}

// entry is the read that is under way or was made a moment ago; mine says that the caller has to make it.
func (e *environment) entry(key string) (entry *shared, mine bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if entry := e.read[key]; entry != nil && time.Since(entry.at) <= environmentAge {
		return entry, false
	}
	entry = &shared{at: time.Now(), done: make(chan struct{})}
	e.read = with(e.read, key, entry)
	return entry, true
}

func (e *environment) forget(key string, entry *shared) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.read[key] == entry {
		delete(e.read, key)
	}
}

func (e *environment) has(key string, entry *shared) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.read[key] == entry
}

// environment are the reads of what the workload does not own: its namespace, the nodes, and what shares the namespace.
// Each is optional; the rules live with what an account may read.
func (r reader) environment(ev diagnosis.Evidence) []func(context.Context, diagnosis.Evidence) addition {
	ns, core := r.target.Ref.Namespace, r.c.typed.CoreV1()
	var all metav1.ListOptions
	reads := []func(context.Context, diagnosis.Evidence) addition{
		r.namespace,
		func(ctx context.Context, _ diagnosis.Evidence) addition {
			return optional(ctx, r, "nodes", "", func(g *gathered) *[]*corev1.Node { return &g.Nodes }, func() ([]*corev1.Node, error) {
				list, err := core.Nodes().List(ctx, metav1.ListOptions{Limit: maxNodes})
				return listed(list, err, func() []corev1.Node { return list.Items })
			})
		},
		func(ctx context.Context, _ diagnosis.Evidence) addition {
			return optional(ctx, r, "resourcequotas", ns, func(g *gathered) *[]*corev1.ResourceQuota { return &g.Quotas }, func() ([]*corev1.ResourceQuota, error) {
				list, err := core.ResourceQuotas(ns).List(ctx, all)
				return listed(list, err, func() []corev1.ResourceQuota { return list.Items })
			})
		},
	}
	if _, hasPods := rollout.PodSelector(ev.Workload.Live); !hasPods {
		return reads
	}
	reads = append(reads, r.services,
		func(ctx context.Context, _ diagnosis.Evidence) addition {
			return optional(ctx, r, "horizontalpodautoscalers", ns, func(g *gathered) *[]*autoscalingv2.HorizontalPodAutoscaler { return &g.Autoscalers }, func() ([]*autoscalingv2.HorizontalPodAutoscaler, error) {
				list, err := r.c.typed.AutoscalingV2().HorizontalPodAutoscalers(ns).List(ctx, all)
				return listed(list, err, func() []autoscalingv2.HorizontalPodAutoscaler { return list.Items })
			})
		},
		func(ctx context.Context, _ diagnosis.Evidence) addition {
			return optional(ctx, r, "networkpolicies", ns, func(g *gathered) *[]*networkingv1.NetworkPolicy { return &g.Policies }, func() ([]*networkingv1.NetworkPolicy, error) {
				list, err := r.c.typed.NetworkingV1().NetworkPolicies(ns).List(ctx, all)
				return listed(list, err, func() []networkingv1.NetworkPolicy { return list.Items })
			})
		})
	if slices.ContainsFunc(troubled(ev.Workload), func(p *corev1.Pod) bool { return p.Spec.NodeName == "" }) {
		reads = append(reads, func(ctx context.Context, _ diagnosis.Evidence) addition {
			return optional(ctx, r, "pods of other namespaces", "", func(g *gathered) *requests { return &g.Requested }, func() (requests, error) { return r.requested(ctx) })
		})
	}
	return reads
}

// listed is a list's items, or why there are none: a client returns a list that is nil together with an error.
func listed[L, T any](_ L, err error, items func() []T) ([]*T, error) {
	if err != nil {
		return nil, err
	}
	return pointers(items()), nil
}

// namespace reads the namespace itself.
func (r reader) namespace(ctx context.Context, _ diagnosis.Evidence) addition {
	ns := r.target.Ref.Namespace
	return optional(ctx, r, "namespaces", ns, func(g *gathered) **corev1.Namespace { return &g.Namespace }, func() (*corev1.Namespace, error) {
		return r.c.typed.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
	})
}

// optional does one read of the environment and remembers whether it was refused.
func optional[T any](ctx context.Context, r reader, kind, namespace string, into func(*gathered) *T, read func() (T, error)) addition {
	value, err := share(ctx, r.env, kind+"/"+namespace, read)
	return func(g *gathered) {
		switch {
		case err == nil:
			*into(g) = value
		case IsDenied(err):
			g.denied = append(g.denied, kind)
		default:
			g.note(ctx, kind, err)
		}
	}
}

// deniedLine names what the account may not read, in one line: it is usually much and never urgent.
func deniedLine(denied []string) string {
	if len(denied) == 0 {
		return ""
	}
	slices.Sort(denied)
	return "this account cannot read, so the diagnosis goes without: " + strings.Join(slices.Compact(denied), ", ")
}

// services reads the Services of the namespace, and where those that select the new or the old pods send traffic.
func (r reader) services(ctx context.Context, ev diagnosis.Evidence) addition {
	ns := r.target.Ref.Namespace
	services, err := share(ctx, r.env, "services/"+ns, func() ([]*corev1.Service, error) {
		list, err := r.c.typed.CoreV1().Services(ns).List(ctx, metav1.ListOptions{})
		return listed(list, err, func() []corev1.Service { return list.Items })
	})
	known := optional(ctx, r, "services", ns, func(g *gathered) *[]*corev1.Service { return &g.Services }, func() ([]*corev1.Service, error) { return services, err })
	var names []string
	for _, s := range services {
		if len(s.Spec.Selector) > 0 && selectsAny(labels.SelectorFromSet(s.Spec.Selector), ev.Workload) {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return known
	}
	selector := discoveryv1.LabelServiceName + " in (" + strings.Join(names, ",") + ")"
	traffic := optional(ctx, r, "endpointslices", ns+selector, func(g *gathered) *[]*discoveryv1.EndpointSlice { return &g.Slices }, func() ([]*discoveryv1.EndpointSlice, error) {
		list, err := r.c.typed.DiscoveryV1().EndpointSlices(ns).List(ctx, metav1.ListOptions{LabelSelector: selector})
		return listed(list, err, func() []discoveryv1.EndpointSlice { return list.Items })
	})
	return func(g *gathered) { known(g); traffic(g) }
}

// selectsAny tells whether a selector finds a pod of the workload, or would find a new one.
func selectsAny(s labels.Selector, w rollout.Workload) bool {
	for _, p := range w.Pods {
		if s.Matches(labels.Set(p.Labels)) {
			return true
		}
	}
	t := rollout.PodTemplate(w.Live)
	return t != nil && s.Matches(labels.Set(t.Labels))
}

// claims reads the claims that pods without containers wait for.
func (r reader) claims(ctx context.Context, pods []*corev1.Pod) ([]*corev1.PersistentVolumeClaim, addition) {
	var names []string
	for _, p := range pods {
		names = append(names, claimNames(p)...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	var claims []*corev1.PersistentVolumeClaim
	denied := false
	for _, name := range names[:min(len(names), maxClaims)] {
		claim, err := r.c.typed.CoreV1().PersistentVolumeClaims(r.target.Ref.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			claims = append(claims, claim)
		}
		denied = denied || IsDenied(err)
	}
	return claims, func(g *gathered) {
		g.Claims = append(slices.Clip(g.Claims), claims...)
		if denied {
			g.denied = append(g.denied, "persistentvolumeclaims")
		}
	}
}

// requests are what pods request altogether, by node.
type requests = map[string]corev1.ResourceList

// requested adds up what pods request on each node. In a big cluster that would be too much to read.
func (r reader) requested(ctx context.Context) (requests, error) {
	list, err := r.c.typed.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
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

// names reads what exists where something is missing, so that a typo can be told from an omission: names only, and
// the keys of ConfigMaps.
func (r reader) names(ctx context.Context, _ diagnosis.Evidence) addition {
	ns, core := r.target.Ref.Namespace, r.c.typed.CoreV1()
	var denied []string
	names, keys := map[string][]string{}, map[manifest.Ref][]string{}
	for _, kind := range r.need.Names {
		at, ok := namesOf[kind]
		if !ok {
			continue
		}
		list, err := r.c.names.Resource(at.GVR()).Namespace(map[bool]string{true: ns}[at.Namespaced]).List(ctx, metav1.ListOptions{Limit: maxNames})
		if IsDenied(err) {
			denied = append(denied, at.Resource)
		}
		if err != nil {
			continue
		}
		names[kind] = make([]string, 0, len(list.Items))
		for _, item := range list.Items {
			names[kind] = append(names[kind], item.Name)
		}
	}
	for _, ref := range r.need.Keys[:min(len(r.need.Keys), maxConfigMaps)] {
		m, err := core.ConfigMaps(ns).Get(ctx, ref.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			keys[ref] = keysOf(m)
		case IsDenied(err):
			denied = append(denied, "configmaps")
		}
	}
	return func(g *gathered) {
		g.denied = append(g.denied, denied...)
		for kind, found := range names {
			g.Names = with(g.Names, kind, found)
		}
		for ref, found := range keys {
			g.Keys = with(g.Keys, ref, found)
		}
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

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
