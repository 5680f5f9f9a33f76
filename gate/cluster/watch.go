package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// smallRollout is the number of pods up to which they are watched from the start. The pods of a bigger rollout are
// only looked at when it is in trouble: a healthy one is judged by its controller's counts, and its pods' changes
// would be most of what the API server sends.
const smallRollout = 50

// typed turns the built-in kinds into their Go types, which the rules read.
func typed(u *unstructured.Unstructured) rollout.Object {
	object, err := scheme.Scheme.New(u.GroupVersionKind())
	if err != nil {
		return u
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, object); err != nil {
		return u
	}
	return object.(rollout.Object)
}

// Watch follows targets until its context ends. All its methods may be called at any time; they answer from what has
// arrived so far and never ask the API server.
type Watch struct {
	c         *Client
	changed   chan struct{}
	following []*following
	events    map[string]*eventLog    // by namespace
	services  map[string]*serviceList // by namespace
	env       *environment
	running   sync.WaitGroup
	opening   chan struct{} // has a slot for each watch that is being opened
	// pods and slices have the namespaces with many targets, which share watches there.
	pods, slices map[string]*gathering
}

// Watch begins to follow the targets. Stop ctx, then call Wait.
func (c *Client) Watch(ctx context.Context, targets []rollout.Target) *Watch {
	w := &Watch{
		c: c, changed: make(chan struct{}, 1), events: map[string]*eventLog{}, services: map[string]*serviceList{}, env: &environment{},
		opening: make(chan struct{}, atOnce), pods: map[string]*gathering{}, slices: map[string]*gathering{},
	}
	for _, t := range targets {
		if w.services[t.Ref.Namespace] == nil {
			w.services[t.Ref.Namespace] = &serviceList{client: c, namespace: t.Ref.Namespace}
		}
	}
	var kinds []kindIn
	alike := map[kindIn][]*following{}
	for _, target := range targets {
		t := &following{w: w, target: target, wake: make(chan struct{}, 1)}
		w.following = append(w.following, t)
		k := kindIn{target.Ref.GroupKind(), target.Ref.Namespace}
		if alike[k] == nil {
			kinds = append(kinds, k)
		}
		alike[k] = append(alike[k], t)
	}
	for _, t := range w.following {
		ns := t.target.Ref.Namespace
		if ns == "" {
			continue
		}
		if w.events[ns] == nil {
			w.events[ns] = &eventLog{client: c, namespace: ns}
		}
		w.events[ns].following = append(w.events[ns].following, t)
	}
	w.gather()
	for _, k := range kinds {
		w.followAll(ctx, alike[k])
	}
	for _, t := range w.following {
		w.running.Go(func() { t.run(ctx) })
	}
	for _, log := range w.events {
		w.running.Go(func() { log.run(ctx) })
	}
	return w
}

// Wait returns when every goroutine of the watch has ended.
func (w *Watch) Wait() { w.running.Wait() }

// Changed is signalled when something arrived since the last signal was taken.
func (w *Watch) Changed() <-chan struct{} { return w.changed }

func (w *Watch) notify() {
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// Synced tells whether the first answer about target i has arrived.
func (w *Watch) Synced(i int) bool { return w.following[i].synced() }

// Arrivals counts what has arrived about target i.
func (w *Watch) Arrivals(i int) uint64 { return w.following[i].arrivals.Load() }

// Workload is what is known of target i.
func (w *Watch) Workload(i int) rollout.Workload { return w.following[i].workload() }

// Evidence is what is known of target i that explains trouble: the workload and the warnings about it.
func (w *Watch) Evidence(i int, status rollout.Status) diagnosis.Evidence {
	t := w.following[i]
	workload := t.workload()
	ev := diagnosis.Evidence{
		Workload: workload, Status: status, Previous: t.target.Previous, Manifest: t.target.Manifest, Warnings: t.target.Warnings,
		Unreadable: t.notes(),
	}
	services := w.services[t.target.Ref.Namespace]
	ev.Services, ev.Backends = services.known()
	ev.Unreadable = append(ev.Unreadable, services.notes()...)
	if log := w.events[t.target.Ref.Namespace]; log != nil {
		ev.Events = log.about(workload)
		ev.Unreadable = append(ev.Unreadable, log.notes()...)
	}
	return ev
}

// LookCloser watches the pods of target i, however many there are.
func (w *Watch) LookCloser(i int) { w.following[i].want(wantPods) }

// LookAtServices reads the Services that select the new pods of target i, and watches their EndpointSlices.
func (w *Watch) LookAtServices(i int) { w.following[i].want(wantServices) }

// serviceList is the Services of one namespace, read once for all workloads in it.
type serviceList struct {
	client    *Client
	namespace string
	reading   sync.Mutex

	mu       sync.Mutex
	was      bool // read
	items    []corev1.Service
	backends []diagnosis.Backend
	problems []string // what else could not be read
}

// known is the list if it was read, and what is sent to these Services from outside.
func (l *serviceList) known() ([]*corev1.Service, []diagnosis.Backend) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.was {
		return nil, nil
	}
	return pointers(l.items), l.backends
}

func (l *serviceList) notes() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.problems
}

// read reads the list unless it was read. One reads at a time, and known never waits for it.
func (l *serviceList) read(ctx context.Context) ([]corev1.Service, error) {
	l.reading.Lock()
	defer l.reading.Unlock()
	l.mu.Lock()
	was, items := l.was, l.items
	l.mu.Unlock()
	if was {
		return items, nil
	}
	list, err := l.client.typed.CoreV1().Services(l.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	backends, problems := l.client.backends(ctx, l.namespace)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.was, l.items, l.backends, l.problems = true, list.Items, backends, problems
	return l.items, nil
}

// trimPod drops what no rule reads, so that a thousand pods in trouble fit into little memory.
func trimPod(o any) (any, error) {
	if pod, ok := o.(*corev1.Pod); ok {
		pod.ManagedFields = nil
		delete(pod.Annotations, patch.LastApplied)
		return pod, nil
	}
	return trimObject(o)
}

// trimObject drops the managed fields, but for who wrote the status, the replicas and the pod template, and when: a
// status from before a change proves nothing, and whoever changes the others meanwhile is named.
func trimObject(o any) (any, error) {
	object, ok := o.(rollout.Object)
	if !ok {
		return nil, fmt.Errorf("watching: unexpected %T", o)
	}
	var kept []metav1.ManagedFieldsEntry
	for _, e := range object.GetManagedFields() {
		if fields := keptFields(e); fields != "" {
			e.FieldsV1 = &metav1.FieldsV1{}
			e.FieldsV1.SetRawString(fields)
			kept = append(kept, e)
		}
	}
	object.SetManagedFields(kept)
	return object, nil
}

// keptFields are the fields of interest among those of an entry, in its form; "" when there are none.
func keptFields(e metav1.ManagedFieldsEntry) string {
	if e.FieldsV1 == nil {
		return ""
	}
	raw := e.FieldsV1.GetRawString()
	var kept []string
	for _, field := range []string{`"f:status":`, `"f:replicas":`, `"f:template":`} {
		if strings.Contains(raw, field) {
			kept = append(kept, field+"{}")
		}
	}
	if len(kept) == 0 {
		return ""
	}
	return "{" + strings.Join(kept, ",") + "}"
}
