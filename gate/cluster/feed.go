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
}

// feed starts to watch a source until ctx ends; arrived is called after each change, problem when reading is refused.
func (w *Watch) feed(ctx context.Context, s source, trim cache.TransformFunc, arrived func(), problem func(string)) *feed {
	store, controller := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: w.gently(s.lw, func(err error) {
			if IsDenied(err) {
				problem(fmt.Sprintf("%s: %s", s.what, denial(err)))
				arrived()
			}
		}),
		ObjectType: s.object, Transform: trim,
		Handler: cache.ResourceEventHandlerFuncs{
			AddFunc:    func(any) { arrived() },
			UpdateFunc: func(any, any) { arrived() },
			DeleteFunc: func(any) { arrived() },
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
	return &feed{store, controller}
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
	var out []rollout.Object
	for _, o := range f.store.List() {
		out = append(out, o.(rollout.Object))
	}
	return out
}

// objectSource watches one object by its name: as protobuf where there is a client for the kind's group.
func (c *Client) objectSource(t rollout.Target) source {
	k, _ := rollout.KindOf(t.Ref.GroupKind())
	if client := c.clientFor(k); client != nil {
		return typedSource(client, k.Resource.Resource, t.Ref.Namespace, k.New(), named(t.Ref.Name))
	}
	at, only := c.at(t.Resource, t.Ref.Namespace), named(t.Ref.Name)
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
