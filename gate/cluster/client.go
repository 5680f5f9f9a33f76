// Package cluster is the part of rolloutgate that talks to the API server.
//
// Takes: a rest.Config and manifests. Returns: plans, changes, workloads as they change, frozen evidence, and what
// became of an undo. Never: judges a rollout, prints, writes without a precondition, or holds what no rule reads.
package cluster

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// DefaultFieldManager owns the fields that a run applies.
const DefaultFieldManager = "rolloutgate"

// Client talks to one cluster. It is safe for concurrent use.
type Client struct {
	typed       kubernetes.Interface // protobuf, for the built-in kinds
	dynamic     dynamic.Interface    // JSON, for what is applied and for custom kinds
	names       metadata.Interface   // names only, of what is not this run's business
	mapper      *restmapper.DeferredDiscoveryRESTMapper
	clock       *serverClock
	credentials *credentials
	known       schemaStore
	kept        shelved
	sets        fieldSets
	partSize    int // of a record, in bytes

	// Namespace is where namespaced objects go that name no namespace.
	namespace    string
	fieldManager string
	force        bool
	changeCause  string
}

// Options say how a Client writes.
type Options struct {
	Namespace    string // for objects that name none; empty: "default"
	FieldManager string // empty: DefaultFieldManager
	Force        bool   // take fields that other managers own
	ChangeCause  string // what changed workloads are to say of their change, as one line; empty: nothing
}

// New returns a client for the cluster of config. It does not connect.
func New(config *rest.Config, o Options) (*Client, error) {
	config = rest.CopyConfig(config)
	// The API server's priority and fairness limits are the limit; a second one in the client only delays a verdict.
	config.QPS, config.Burst = -1, -1
	config.WarningHandlerWithContext = warnings{}
	clock := &serverClock{}
	config.Wrap(clock.wrap)

	proto := rest.CopyConfig(config)
	proto.ContentType = "application/vnd.kubernetes.protobuf"
	proto.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("building the client: %w", err)
	}
	who := &credentials{next: client.Transport}
	client.Transport = who
	typed, err := kubernetes.NewForConfigAndClient(proto, client)
	if err != nil {
		return nil, fmt.Errorf("building the client: %w", err)
	}
	dyn, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("building the dynamic client: %w", err)
	}
	meta, err := metadata.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("building the metadata client: %w", err)
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("building the discovery client: %w", err)
	}
	c := &Client{
		typed:        typed,
		dynamic:      dyn,
		names:        meta,
		mapper:       restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco)),
		clock:        clock,
		credentials:  who,
		namespace:    o.Namespace,
		fieldManager: o.FieldManager,
		force:        o.Force,
		changeCause:  o.ChangeCause,
		partSize:     record.PartSize,
	}
	if c.namespace == "" {
		c.namespace = "default"
	}
	if c.fieldManager == "" {
		c.fieldManager = DefaultFieldManager
	}
	return c, nil
}

// Now is the API server's time, to the second. Before the first answer it is the local time.
func (c *Client) Now() time.Time { return c.clock.now() }

// Resource asks where the API server serves a kind.
func (c *Client) Resource(ctx context.Context, gvk schema.GroupVersionKind) (manifest.Resource, error) {
	return c.resourceFor(ctx, gvk)
}

func (c *Client) resourceFor(ctx context.Context, gvk schema.GroupVersionKind) (manifest.Resource, error) {
	m, err := within(ctx, func() (*meta.RESTMapping, error) { return c.mapper.RESTMapping(gvk.GroupKind(), gvk.Version) })
	if err != nil {
		return manifest.Resource{}, err
	}
	return manifest.ResourceOf(m.Resource, m.Scope.Name() == meta.RESTScopeNameNamespace), nil
}

// within waits for something that knows no context, as discovery, no longer than ctx. A cancelled run has no time for an
// API server that hangs.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := do()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}

func (c *Client) at(r manifest.Resource, namespace string) dynamic.ResourceInterface {
	if r.Namespaced {
		return c.dynamic.Resource(r.GVR()).Namespace(namespace)
	}
	return c.dynamic.Resource(r.GVR())
}

// of is where the object of a write lives.
func (c *Client) of(w *patch.Write) dynamic.ResourceInterface {
	return c.at(w.Resource, w.Ref.Namespace)
}

func refOf(u *unstructured.Unstructured) manifest.Ref {
	return manifest.Object{Unstructured: u}.Ref()
}

// serverClock learns the difference between the API server's clock and ours from the Date header of its answers.
// Conditions and events carry the server's time, so everything that compares with them must use it too.
type serverClock struct {
	offset atomic.Int64 // nanoseconds
	known  atomic.Bool
}

func (s *serverClock) now() time.Time { return time.Now().Add(time.Duration(s.offset.Load())) }

func (s *serverClock) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		sent := time.Now()
		resp, err := next.RoundTrip(r)
		if err == nil && !s.known.Load() {
			s.learn(sent, time.Now(), resp.Header.Get("Date"))
		}
		return resp, err
	})
}

// learn ignores differences below two seconds: the header has whole seconds, and a clock that jumps by a fraction
// would only blur the order of things.
func (s *serverClock) learn(sent, received time.Time, date string) {
	server, err := http.ParseTime(date)
	if err != nil {
		return
	}
	middle := sent.Add(received.Sub(sent) / 2)
	offset := server.Add(500 * time.Millisecond).Sub(middle)
	if offset.Abs() < 2*time.Second {
		offset = 0
	}
	s.offset.Store(int64(offset))
	s.known.Store(true)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var crdResource = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
