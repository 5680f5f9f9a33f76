package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// want is what is asked for of a target beyond its own watch.
type want int

const (
	wantPods want = 1 << iota
	wantServices
)

// pollEvery is the pace of reading what may not be watched.
const pollEvery = 2 * time.Second

// following is one target and everything that is watched for it.
//
// One goroutine extends it: it wakes up when the object changes or something is wanted, and starts the watches that
// have become possible. Nothing is listed inside a watch handler.
type following struct {
	w        *Watch
	target   rollout.Target
	wake     chan struct{}
	arrivals atomic.Uint64

	// These are only touched by the goroutine that extends.
	nodesRead time.Time
	podsOf    string // the revision whose pods are watched
	podsStop  context.CancelFunc
	gathered  bool // it has asked for the EndpointSlices that several targets share

	mu                              sync.Mutex
	object                          *feed             // nil while it is not clear which watch it has
	selecting                       []*corev1.Service // Services that select the new pods; nil: not read yet
	asked                           sharedPods        // what it wants of a watch that several targets share
	nodesDown                       []string
	polled                          rollout.Object // stands in for the watch where it is denied
	last                            rollout.Object // the object as last seen, which remains when it is gone
	wanted                          want
	sets                            []*appsv1.ReplicaSet
	revisions                       []*appsv1.ControllerRevision
	revisionsOf                     int64 // the generation that revisions were read for
	pods                            *feed // nil while pods are not watched
	podsDenied                      bool
	services                        []serviceFeed
	servicesKnown, waitsForConsumer bool
	problems                        []string
}

type serviceFeed struct {
	service *corev1.Service
	slices  *feed
}

// sharedPods says which pods of a watch are those of one target.
type sharedPods struct {
	revision string
	selector labels.Selector
}

// followObject gives a target a watch of its own.
func (t *following) followObject(ctx context.Context) {
	polling := sync.OnceFunc(func() { t.w.running.Go(func() { t.poll(ctx) }) })
	object := t.w.feed(ctx, t.w.c.objectSource(t.target), trimObject, t.wakeUp, func(text string) {
		t.problem(text + "; it is read every few seconds instead")
		polling()
	})
	t.set(func() { t.object = object })
	t.wakeUp()
}

// news is called when something has arrived about the target.
func (t *following) news() {
	t.arrivals.Add(1)
	t.w.notify()
}

// run starts further watches until ctx ends. What fails is tried again a second later.
func (t *following) run(ctx context.Context) {
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	again := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-retry.C:
			if !again {
				continue
			}
		case <-t.wake:
		}
		err := t.extend(ctx)
		again = err != nil
		t.news()
	}
}

// extend brings what is watched below the object up to the object's own state.
func (t *following) extend(ctx context.Context) error {
	live := t.live()
	if live == nil {
		return nil
	}
	revisions := t.readRevisions(ctx, live)
	if IsDenied(revisions) { // whose pods the new ones are will never be known
		t.set(func() { t.podsDenied = true })
	}
	err := errors.Join(
		t.degrade("revisions", revisions),
		t.degrade("StorageClass", t.readStorageClass(ctx, live)),
	)
	t.watchPods(ctx, live)
	if k, _ := rollout.KindOf(t.target.Ref.GroupKind()); k.OnEachNode && t.is(wantPods) {
		err = errors.Join(err, t.degrade("nodes", t.readNodes(ctx)))
	}
	err = errors.Join(err, t.degrade("Services", t.readServices(ctx, live)))
	if t.is(wantServices) {
		t.watchServices(ctx, live)
	}
	return err
}

// watchPods watches the pods when they are few or asked for: those of the newest revision, and the old ones where they
// matter.
func (t *following) watchPods(ctx context.Context, live rollout.Object) {
	selector, ok := rollout.PodSelector(live)
	if !ok || (rollout.Replicas(live) > smallRollout && !t.is(wantPods)) {
		return
	}
	text, revision := selector.String(), ""
	if k, _ := rollout.KindOf(t.target.Ref.GroupKind()); t.gathersPods(k) {
		if revision = rollout.NewRevision(t.workload()); revision == "" {
			return
		}
		text += "," + k.RevisionLabel + "=" + revision
	}
	if t.podsStop != nil {
		if t.podsOf == revision {
			return
		}
		t.podsStop()
	}
	if several := t.w.pods[live.GetNamespace()]; several != nil && revision != "" && rollout.Replicas(live) <= smallRollout {
		t.podsStop, t.podsOf = func() {}, revision
		t.set(func() { t.asked = sharedPods{revision, selector} })
		several.ask(ctx, t)
		return
	}
	ctx, stop := context.WithCancel(ctx)
	t.podsStop, t.podsOf = stop, revision
	pods := t.w.feed(ctx, typedSource(t.w.c.typed.CoreV1().RESTClient(), "pods", live.GetNamespace(), &corev1.Pod{},
		labelled(text)), trimPod, t.news, t.deniedPods)
	t.set(func() { t.pods = pods })
}

// deniedPods notes that the pods may not be looked at.
func (t *following) deniedPods(text string) {
	t.problem(text)
	t.set(func() { t.podsDenied = true })
}

// deniedSlices notes that the EndpointSlices may not be looked at.
func (t *following) deniedSlices(text string) {
	t.problem(text + ": whether Services send traffic to the new pods is not checked")
	t.set(func() { t.services = nil })
}

func (t *following) wanting() sharedPods { t.mu.Lock(); defer t.mu.Unlock(); return t.asked }

func (t *following) selected() []*corev1.Service {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.selecting
}

// workload puts together what has arrived.
func (t *following) workload() rollout.Workload {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := rollout.Workload{
		Ref: t.target.Ref, Applied: t.target.Applied, Previous: t.target.Previous, Restored: t.target.Restored, Goal: t.target.Goal, Ends: t.target.Ends, OwnTime: t.target.OwnTime, Own: t.target.Own, Since: t.target.Since, Now: t.w.c.Now(),
		ReplicaSets: t.sets, Revisions: t.revisions, WaitsForConsumer: t.waitsForConsumer, NodesDown: t.nodesDown,
	}
	w.Live = t.seen()
	if w.Live != nil {
		t.last = w.Live
	}
	w.Last = t.last
	if pod, ok := w.Live.(*corev1.Pod); ok {
		w.Pods, w.PodsKnown = []*corev1.Pod{pod}, true
	}
	if t.pods != nil && t.pods.synced() {
		w.PodsKnown = true
		for _, o := range t.pods.list() {
			w.Pods = append(w.Pods, o.(*corev1.Pod))
		}
	}
	if w.Live != nil {
		_, has := rollout.PodSelector(w.Live)
		w.PodsComing = has && !w.PodsKnown && !t.podsDenied && (rollout.Replicas(w.Live) <= smallRollout || t.wanted&wantPods != 0)
	}
	w.ServicesKnown = t.servicesKnown
	for _, s := range t.services {
		if !s.slices.synced() {
			w.ServicesKnown = false
		}
		service := rollout.Service{Name: s.service.Name, Ports: s.service.Spec.Ports}
		for _, o := range s.slices.list() {
			service.Slices = append(service.Slices, o.(*discoveryv1.EndpointSlice))
		}
		w.Services = append(w.Services, service)
	}
	return w
}

func (t *following) synced() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.object != nil && t.object.synced() || t.polled != nil
}

func (t *following) live() rollout.Object { t.mu.Lock(); defer t.mu.Unlock(); return t.seen() }

// seen is the object as the watch, or the polling in its place, has it. The caller holds the lock.
func (t *following) seen() rollout.Object {
	if t.object != nil {
		if objects := t.object.list(); len(objects) > 0 {
			return objects[0]
		}
	}
	return t.polled
}

// poll reads the object every two seconds, for an account that may get it but not watch it.
func (t *following) poll(ctx context.Context) {
	at := t.w.c.at(t.target.Resource, t.target.Ref.Namespace)
	for ctx.Err() == nil && !t.watched() {
		live, err := at.Get(ctx, t.target.Ref.Name, metav1.GetOptions{})
		switch {
		case err == nil:
			t.set(func() { t.polled = typed(live) })
		case apierrors.IsNotFound(err):
			t.set(func() { t.polled = nil })
		}
		t.wakeUp()
		select {
		case <-ctx.Done():
		case <-time.After(pollEvery):
		}
	}
}

// watched tells whether the watch of the object has had its first answer.
func (t *following) watched() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.object != nil && t.object.synced()
}

func (t *following) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// want is called again and again while it is wanted: there may be more to look at by now.
func (t *following) want(w want) {
	isNew := false
	t.set(func() { isNew, t.wanted = t.wanted&w != w, t.wanted|w })
	if isNew { // being woken up is news to whoever looks, and looking asks for the same again
		t.wakeUp()
	}
}

func (t *following) is(w want) bool { t.mu.Lock(); defer t.mu.Unlock(); return t.wanted&w != 0 }

func (t *following) knowsServices() bool { t.mu.Lock(); defer t.mu.Unlock(); return t.servicesKnown }

func (t *following) set(f func()) { t.mu.Lock(); defer t.mu.Unlock(); f() }

// problem notes once what could not be read.
func (t *following) problem(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !slices.Contains(t.problems, text) {
		t.problems = append(t.problems, text)
	}
}

func (t *following) notes() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.problems)
}

// degrade turns a refused read into a note: a gate that may not look at everything still judges by what it sees.
func (t *following) degrade(what string, err error) error {
	if IsDenied(err) {
		t.problem(fmt.Sprintf("%s of %s: %s", what, t.target.Ref, denial(err)))
		return nil
	}
	return err
}
