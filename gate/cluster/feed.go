package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// source is one list and watch, and the type of what comes from it.
type source struct {
	lw     cache.ListerWatcher
	object runtime.Object
	what   string
}

// feed is one watch with what has arrived from it. The informer below survives expiry, reconnects and a restart of
// the API server. It is not a shared one: those have a buffer and four goroutines more for each listener, and a run can
// have a thousand watches.
type feed struct {
	store      cache.Store
	controller cache.Controller
	// part is the key of the objects that are meant, where several targets share the watch, and only a selector of them.
	part string
	only labels.Selector
}

// byKey is the index of a watch that several targets share.
const byKey = "key"

// feed starts to watch a source until ctx ends; arrived is called after each change, problem when reading is refused.
func (w *Watch) feed(ctx context.Context, s source, trim cache.TransformFunc, arrived func(), problem func(string)) *feed {
	return w.inform(ctx, s, trim, nil, arrived, func(any) { arrived() }, problem)
}

// sharedFeed starts a watch for several targets: parts gives each of them the objects with its key, and the functions of a
// key are called after a change of one of these.
func (w *Watch) sharedFeed(ctx context.Context, s source, trim cache.TransformFunc, key func(rollout.Object) string, members map[string][]func(),
	problem func(string)) (parts func(key string, only labels.Selector) *feed) {
	tell := func(all []func()) {
		for _, arrived := range all {
			arrived()
		}
	}
	everybody := func() {
		for _, all := range members {
			tell(all)
		}
	}
	index := cache.Indexers{byKey: func(o any) ([]string, error) { return []string{key(o.(rollout.Object))}, nil }}
	f := w.inform(ctx, s, trim, index, everybody, func(o any) {
		if gone, ok := o.(cache.DeletedFinalStateUnknown); ok {
			o = gone.Obj
		}
		if object, ok := o.(rollout.Object); ok {
			tell(members[key(object)])
		}
	}, problem)
	return func(key string, only labels.Selector) *feed {
		return &feed{store: f.store, controller: f.controller, part: key, only: only}
	}
}

// inform starts a watch. changed is called with each object that has changed, arrived with the first answer and with none.
func (w *Watch) inform(ctx context.Context, s source, trim cache.TransformFunc, index cache.Indexers, arrived func(), changed func(any), problem func(string)) *feed {
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: w.gently(s.lw, func(err error) {
			if IsDenied(err) {
				problem(fmt.Sprintf("%s: %s", s.what, denial(err)))
				arrived()
			}
		}),
		ObjectType: s.object, Transform: trim, Indexers: index,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    changed,
			UpdateFunc: func(_, o any) { changed(o) },
			DeleteFunc: changed,
		},
	})
	w.running.Go(func() { controller.RunWithContext(ctx) })
	w.running.Go(func() { // an empty first answer is news as well
		select {
		case <-ctx.Done():
		case <-controller.HasSyncedChecker().Done():
			arrived()
		}
	})
	return &feed{store: store, controller: controller}
}

// atOnce is how many watches are opened at a time. When many are opened at once, net/http makes a connection for each of
// them that finds the others full.
const atOnce = 16

// gently opens watches a few at a time, and tells why one could not be opened.
func (w *Watch) gently(lw cache.ListerWatcher, failed func(error)) cache.ListerWatcher {
	inner := cache.ToListerWatcherWithContext(lw)
	return &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return opened(ctx, w.opening, failed, func() (runtime.Object, error) { return inner.ListWithContext(ctx, o) })
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return opened(ctx, w.opening, failed, func() (watch.Interface, error) { return inner.WatchWithContext(ctx, o) })
		},
	}
}

// opened asks when there is a slot.
func opened[T any](ctx context.Context, slots chan struct{}, failed func(error), ask func() (T, error)) (T, error) {
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
		answer, err := ask()
		if err != nil {
			failed(err)
		}
		return answer, err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

func (f *feed) synced() bool { return f.controller.HasSynced() }

func (f *feed) list() []rollout.Object {
	all := f.store.List
	if index, ok := f.store.(cache.Indexer); ok && f.part != "" {
		all = func() []any { part, _ := index.ByIndex(byKey, f.part); return part } // there is that index
	}
	var out []rollout.Object
	for _, o := range all() {
		if object := o.(rollout.Object); f.only == nil || f.only.Matches(labels.Set(object.GetLabels())) {
			out = append(out, object)
		}
	}
	return out
}

// objectSource watches one object by its name.
func (c *Client) objectSource(t rollout.Target) source { return c.sourceOf(t, named(t.Ref.Name)) }

// objectsSource watches all objects of a target's kind in its namespace.
func (c *Client) objectsSource(t rollout.Target) source {
	return c.sourceOf(t, func(*metav1.ListOptions) {})
}

// sourceOf watches objects of a target's kind: as protobuf where there is a client for the kind's group.
func (c *Client) sourceOf(t rollout.Target, only func(*metav1.ListOptions)) source {
	k, _ := rollout.KindOf(t.Ref.GroupKind())
	if client := c.clientFor(k); client != nil {
		return typedSource(client, k.Resource.Resource, t.Ref.Namespace, k.New(), only)
	}
	at := c.at(t.Resource, t.Ref.Namespace)
	return source{
		object: &unstructured.Unstructured{}, what: t.Ref.String(),
		lw: &cache.ListWatch{
			ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
				only(&o)
				return at.List(ctx, o)
			},
			WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
				only(&o)
				return at.Watch(ctx, o)
			},
		},
	}
}

// clientFor is the client of a kind that has a Go type; nil for all others.
func (c *Client) clientFor(k rollout.Kind) rest.Interface {
	if k.Type == nil {
		return nil
	}
	switch (schema.GroupVersion{Group: k.Resource.Group, Version: k.Resource.Version}) {
	case corev1.SchemeGroupVersion:
		return c.typed.CoreV1().RESTClient()
	case appsv1.SchemeGroupVersion:
		return c.typed.AppsV1().RESTClient()
	case batchv1.SchemeGroupVersion:
		return c.typed.BatchV1().RESTClient()
	}
	return nil
}

func typedSource(client rest.Interface, resource, namespace string, object runtime.Object, narrow func(*metav1.ListOptions)) source {
	return source{
		object: object, what: resource,
		lw: cache.NewFilteredListWatchFromClient(client, resource, namespace, narrow),
	}
}

// IsDenied tells "you may not" from every other failure.
func IsDenied(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }

// denial says shortly what the account may not do. The API server's own text repeats user, group and namespace.
func denial(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error()
	}
	text := status.Status().Message
	if f, ok := messages.ParseForbidden(text); ok {
		return fmt.Sprintf("this account cannot %s resource %q", f.Verb, f.Resource)
	}
	return text
}

// IsTransient tells trouble that passes from a no.
func IsTransient(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded) || apierrors.IsTooManyRequests(err) ||
		apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) || apierrors.IsServiceUnavailable(err)
}

// eventTolerance is how much older than our write an event may be and still count: event times have whole seconds,
// and the clocks of nodes differ.
const eventTolerance = 2 * time.Second
