package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// many is from how many targets on they share watches: each watch is a stream of its own, with goroutines and buffers at
	// both ends, and of the streams a connection carries a hundred.
	many = 20
	// mostShared bounds how many share one watch that names them in its selector: a URL has to pass every proxy on the way.
	mostShared = 100
	// gatherTime is how long is waited for others who want to share a watch.
	gatherTime = time.Second
	// crowded is how many objects of a kind there may be for each target, so that one watch of them all is still the cheaper
	// way.
	crowded = 3
)

// kindIn is one kind in one namespace.
type kindIn struct {
	kind      schema.GroupKind
	namespace string
}

// followAll begins to follow targets of one kind in one namespace. Objects of other kinds than the built-in ones may be large,
// as CRDs are: those of others are not read.
func (w *Watch) followAll(ctx context.Context, all []*following) {
	of := all[0].target.Ref
	if k, _ := rollout.KindOf(of.GroupKind()); len(all) < many || of.Namespace == "" || k.Type == nil {
		for _, t := range all {
			t.followObject(ctx)
		}
		return
	}
	w.running.Go(func() {
		if w.worthSharing(ctx, all) {
			w.shareObjects(ctx, all)
			return
		}
		for _, t := range all {
			t.followObject(ctx)
		}
	})
}

// worthSharing asks how many objects of the targets' kind there are.
func (w *Watch) worthSharing(ctx context.Context, all []*following) bool {
	t := all[0].target
	list, err := w.c.names.Resource(t.Resource.GVR()).Namespace(t.Ref.Namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if err != nil {
		return false // the own watch of each tells what is wrong
	}
	n := len(list.Items)
	if list.RemainingItemCount != nil {
		n += int(*list.RemainingItemCount)
	} else if list.Continue != "" {
		return false
	}
	return n <= crowded*len(all)
}

// shareObjects watches all objects of the kind, and keeps of others than the targets nothing but their names. Where that is
// refused, each target has a watch of its own: an account may have a right for these objects alone.
func (w *Watch) shareObjects(ctx context.Context, all []*following) {
	sharing, stop := context.WithCancel(ctx)
	members := map[string][]func(){}
	for _, t := range all {
		members[t.target.Ref.Name] = []func(){t.wakeUp}
	}
	name := func(o rollout.Object) string { return o.GetName() }
	trim := func(o any) (any, error) {
		object, ok := o.(rollout.Object)
		if !ok {
			return nil, fmt.Errorf("watching: unexpected %T", o)
		}
		if members[object.GetName()] != nil {
			return trimObject(o)
		}
		return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Namespace: object.GetNamespace(), Name: object.GetName(), ResourceVersion: object.GetResourceVersion(),
		}}, nil
	}
	apart := sync.OnceFunc(func() {
		w.running.Go(func() { // not from within the watch that ends by this
			stop()
			for _, t := range all {
				t.followObject(ctx)
			}
		})
	})
	parts := w.sharedFeed(sharing, w.c.objectsSource(all[0].target), trim, name, members, func(string) { apart() })
	for _, t := range all {
		t.set(func() {
			if t.object == nil {
				t.object = parts(t.target.Ref.Name, nil)
			}
		})
		t.wakeUp()
	}
}

// gathering collects targets of one namespace that want the same, so that one watch serves many of them.
type gathering struct {
	w     *Watch
	open  func(ctx context.Context, asked []*following)
	mu    sync.Mutex
	still int // how many have not asked yet
	asked []*following
}

// ask takes a target in. It is served when enough have asked, when all have, or when its time is up.
func (g *gathering) ask(ctx context.Context, t *following) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, t)
	g.still--
	if g.still <= 0 || len(g.asked) >= mostShared {
		g.serve(ctx)
		return
	}
	if len(g.asked) == 1 {
		g.w.running.Go(func() {
			select {
			case <-ctx.Done():
			case <-time.After(gatherTime):
				g.mu.Lock()
				defer g.mu.Unlock()
				g.serve(ctx)
			}
		})
	}
}

// serve opens the watch for those who have asked. The caller holds the lock.
func (g *gathering) serve(ctx context.Context) {
	if asked := g.asked; len(asked) > 0 && ctx.Err() == nil {
		g.asked = nil
		g.open(ctx, asked)
	}
}

// gather makes the gatherings of the namespaces with many targets.
func (w *Watch) gather() {
	pods, serving := map[string]int{}, map[string]int{}
	for _, t := range w.following {
		ns := t.target.Ref.Namespace
		k, _ := rollout.KindOf(t.target.Ref.GroupKind())
		if t.gathersPods(k) && (t.target.Applied == nil || rollout.Replicas(t.target.Applied) <= smallRollout) {
			pods[ns]++
		}
		if k.Serves {
			serving[ns]++
		}
	}
	for ns, n := range pods {
		if n >= many {
			w.pods[ns] = &gathering{w: w, open: w.sharePods, still: n}
		}
	}
	for ns, n := range serving {
		if n >= many {
			w.slices[ns] = &gathering{w: w, open: w.shareSlices, still: n}
		}
	}
}

// gathersPods tells whether a watch of pods that several targets share can serve this one: the new pods are all that matters.
func (t *following) gathersPods(k rollout.Kind) bool {
	return k.RevisionLabel != "" && !k.OldPodsMatter && !t.target.OldPods
}

// sharePods watches the new pods of several targets, by the revisions that they wanted when they asked.
func (w *Watch) sharePods(ctx context.Context, asked []*following) {
	byLabel := map[string][]*following{} // by the label that says the revision
	for _, t := range asked {
		k, _ := rollout.KindOf(t.target.Ref.GroupKind())
		byLabel[k.RevisionLabel] = append(byLabel[k.RevisionLabel], t)
	}
	for label, all := range byLabel {
		members, wanted := map[string][]func(){}, map[*following]sharedPods{}
		for _, t := range all {
			wanted[t] = t.wanting()
			members[wanted[t].revision] = append(members[wanted[t].revision], t.news)
		}
		source := typedSource(w.c.typed.CoreV1().RESTClient(), "pods", all[0].target.Ref.Namespace, &corev1.Pod{}, labelled(among(label, members)))
		revision := func(o rollout.Object) string { return o.GetLabels()[label] }
		parts := w.sharedFeed(ctx, source, trimPod, revision, members, func(text string) {
			for _, t := range all {
				t.deniedPods(text)
			}
		})
		for _, t := range all {
			t.set(func() {
				if t.asked.revision == wanted[t].revision { // it may have changed since
					t.pods = parts(t.asked.revision, t.asked.selector)
				}
			})
			t.news()
		}
	}
}

// shareSlices watches the EndpointSlices of the Services that select the new pods of several targets.
func (w *Watch) shareSlices(ctx context.Context, asked []*following) {
	members, selecting := map[string][]func(){}, map[*following][]*corev1.Service{}
	for _, t := range asked {
		selecting[t] = t.selected()
		for _, s := range selecting[t] {
			members[s.Name] = append(members[s.Name], t.news)
		}
	}
	source := typedSource(w.c.typed.DiscoveryV1().RESTClient(), "endpointslices", asked[0].target.Ref.Namespace, &discoveryv1.EndpointSlice{},
		cached(labelled(among(discoveryv1.LabelServiceName, members))))
	service := func(o rollout.Object) string { return o.GetLabels()[discoveryv1.LabelServiceName] }
	parts := func(string, labels.Selector) *feed { return nil }
	if len(members) > 0 {
		parts = w.sharedFeed(ctx, source, trimObject, service, members, func(text string) {
			for _, t := range asked {
				t.deniedSlices(text)
			}
		})
	}
	for _, t := range asked {
		var feeds []serviceFeed
		for _, s := range selecting[t] {
			feeds = append(feeds, serviceFeed{s, parts(s.Name, nil)})
		}
		t.set(func() { t.services, t.servicesKnown = feeds, true })
		t.news()
	}
}

// among is a selector for the objects whose label has one of some values.
func among(label string, members map[string][]func()) string {
	values := make([]string, 0, len(members))
	for v := range members {
		values = append(values, v)
	}
	slices.Sort(values)
	return label + " in (" + strings.Join(values, ",") + ")"
}
