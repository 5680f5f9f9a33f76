package cluster

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// apiServer answers lists and reads from a table of paths, and lets watches wait for ever.
type apiServer map[string]any

func (a apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	fail := func(code int, reason metav1.StatusReason) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(code)})
	}
	q := r.URL.Query()
	answer, known := a[r.URL.Path]
	switch {
	case q.Get("sendInitialEvents") != "": // an API server without streaming lists; the client then lists
		fail(http.StatusUnprocessableEntity, metav1.StatusReasonInvalid)
	case q.Get("watch") != "":
		w.Header().Set("Content-Type", "application/json")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case !known:
		fail(http.StatusNotFound, metav1.StatusReasonNotFound)
	case answer == nil:
		<-r.Context().Done() // an API server that hangs
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer)
	}
}

// list is a list in the form of the API.
func list(kind, version string, items ...any) map[string]any {
	return map[string]any{"kind": kind, "apiVersion": version, "metadata": map[string]any{"resourceVersion": "1"}, "items": slices.Clip(items)}
}

func startServer(t *testing.T, a apiServer) *Client {
	t.Helper()
	server := httptest.NewServer(a)
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL}, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A kind that is one file and one row of rollout.Kinds is found, watched and evaluated, with its pods.
func TestOneMoreKind(t *testing.T) {
	before := rollout.Kinds
	t.Cleanup(func() { rollout.Kinds = before })
	rollout.Kinds = append(slices.Clip(before), rollout.Kind{
		GroupKind: schema.GroupKind{Group: "example.com", Kind: "Fleet"},
		Resource:  manifest.Resource{Group: "example.com", Version: "v1", Resource: "fleets", Namespaced: true},
		Evaluate: func(w rollout.Workload) rollout.Status {
			s := rollout.Status{Phase: rollout.Progressing, Desired: 1, Updated: int32(len(rollout.NewPods(w)))}
			if s.Updated == s.Desired {
				s.Phase = rollout.Complete
			}
			return s
		},
		Spec: func(o rollout.Object) rollout.Spec {
			return rollout.Spec{Replicas: 1, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"fleet": o.GetName()}}, Observed: true}
		},
		RevisionLabel: "ship-version",
		Revision:      func(w rollout.Workload) string { return w.Live.GetAnnotations()["version"] },
		Standalone:    true,
	})
	fleet := map[string]any{"apiVersion": "example.com/v1", "kind": "Fleet", "metadata": map[string]any{
		"name": "north", "namespace": "shop", "uid": "f1", "resourceVersion": "1", "annotations": map[string]any{"version": "v2"}}}
	ship := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "north-0", Namespace: "shop", UID: "p1", Labels: map[string]string{"fleet": "north", "ship-version": "v2"}}}
	c := startServer(t, apiServer{
		"/apis/example.com/v1/namespaces/shop/fleets": list("FleetList", "example.com/v1", fleet),
		"/api/v1/namespaces/shop/pods":                list("PodList", "v1", ship),
		"/api/v1/namespaces/shop/services":            list("ServiceList", "v1"),
		"/api/v1/namespaces/shop/events":              list("EventList", "v1"),
		"/apis/apps/v1/namespaces/shop/deployments":   list("DeploymentList", "apps/v1"),
		"/apis/apps/v1/namespaces/shop/statefulsets":  list("StatefulSetList", "apps/v1"),
		"/apis/apps/v1/namespaces/shop/daemonsets":    list("DaemonSetList", "apps/v1"),
		"/apis/batch/v1/namespaces/shop/jobs":         list("JobList", "batch/v1"),
	})
	targets, notes, err := c.FindAll(t.Context(), false)
	if err != nil || len(notes) != 0 {
		t.Fatal(err, notes)
	}
	i := slices.IndexFunc(targets, func(t rollout.Target) bool { return t.Ref.Kind == "Fleet" })
	if i < 0 {
		t.Fatalf("not found: %v", targets)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	w := c.Watch(ctx, targets[i:i+1])
	defer w.Wait()
	defer stop()
	for rollout.Evaluate(w.Workload(0)).Phase != rollout.Complete {
		select {
		case <-w.Changed():
		case <-ctx.Done():
			t.Fatalf("it is %+v of %+v", rollout.Evaluate(w.Workload(0)), w.Workload(0))
		}
	}
}

// Evidence is read beside the loop: several at a time, while the watch is asked for more, and it ends with its context
// though the API server hangs.
func TestReadBesideTheLoop(t *testing.T) {
	one := int32(1)
	deployment := appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "d1", Generation: 1, ResourceVersion: "1"},
		Spec: appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "app", Image: "app:1", EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}}}}}}},
		Status: appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1},
	}
	controller := true
	set := appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-7c9f8d5b46", Namespace: "shop", UID: "r1", Labels: map[string]string{"app": "web", "pod-template-hash": "7c9f8d5b46"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: "web", UID: "d1", Controller: &controller}}},
		Spec: appsv1.ReplicaSetSpec{Template: deployment.Spec.Template}}
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "web-7c9f8d5b46-x2x4z", Namespace: "shop", UID: "p1", Labels: set.Labels}, Spec: deployment.Spec.Template.Spec}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", RestartCount: 3, State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
		Reason: "CreateContainerConfigError", Message: `configmap "settings" not found`}}}}
	a := apiServer{
		"/apis/apps/v1/namespaces/shop/deployments": list("DeploymentList", "apps/v1", deployment),
		"/apis/apps/v1/namespaces/shop/replicasets": list("ReplicaSetList", "apps/v1", set),
		"/api/v1/namespaces/shop/pods":              list("PodList", "v1", pod),
		"/api/v1/namespaces/shop/events":            list("EventList", "v1"),
		"/api/v1/namespaces/shop/services":          list("ServiceList", "v1"),
		"/api/v1/namespaces/shop/configmaps":        list("PartialObjectMetadataList", "meta.k8s.io/v1"),
		"/api/v1/nodes":                             list("NodeList", "v1"),
		"/api/v1/namespaces/shop":                   corev1.Namespace{TypeMeta: metav1.TypeMeta{Kind: "Namespace", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
	}
	c := startServer(t, a)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	ref := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	w := c.Watch(ctx, []rollout.Target{{Ref: ref, Resource: manifest.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespaced: true}}})
	defer w.Wait()
	defer stop()
	for !w.Workload(0).PodsKnown {
		select {
		case <-w.Changed():
		case <-ctx.Done():
			t.Fatal("the pod was not seen")
		}
	}
	var reads sync.WaitGroup
	for range 4 {
		reads.Go(func() {
			ev := w.Read(ctx, 0, rollout.Evaluate(w.Workload(0)), diagnosis.Needs)
			if len(ev.Workload.Pods) != 1 || ev.Namespace == nil || ev.Nodes == nil {
				t.Errorf("read %d pods, namespace %v, nodes %v, unreadable %v", len(ev.Workload.Pods), ev.Namespace, ev.Nodes, ev.Unreadable)
			}
		})
		w.LookCloser(0)
		w.LookAtServices(0)
		w.Evidence(0, rollout.Status{})
	}
	reads.Wait()

	slow := startServer(t, apiServer{"/api/v1/namespaces/shop": nil, "/api/v1/nodes": nil, "/api/v1/namespaces/shop/pods": nil})
	late := &Watch{c: slow, env: &environment{}, services: map[string]*serviceList{"shop": {}}, following: []*following{{
		w: &Watch{c: slow}, target: rollout.Target{Ref: ref}, object: w.following[0].object}}}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if ev := late.Read(short, 0, rollout.Status{}, diagnosis.Needs); len(ev.Unreadable) == 0 {
		t.Error("that it was cut short is not said")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s to notice that nobody waits any more", took)
	}
}

// Whoever shares a read that ended with somebody else's context makes it anew.
func TestShare(t *testing.T) {
	e := &environment{}
	ended, end := context.WithCancel(t.Context())
	begun := make(chan struct{})
	go func() {
		_, _ = share(ended, e, "nodes", func() (int, error) { close(begun); <-ended.Done(); return 0, ended.Err() })
	}()
	<-begun
	got := make(chan int, 1)
	go func() {
		n, err := share(t.Context(), e, "nodes", func() (int, error) { return 7, nil })
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	end()
	if n := <-got; n != 7 {
		t.Errorf("got %d", n)
	}
	if n, _ := share(t.Context(), e, "nodes", func() (int, error) { return 8, nil }); n != 7 {
		t.Errorf("read again though it is young: %d", n)
	}
}

// TestEventsMayOnlyBeListed: an account that may list events and not watch them is told so, instead of waiting for ever.
func TestEventsMayOnlyBeListed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			apiServer{"/api/v1/namespaces/shop/events": list("EventList", "v1")}.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(metav1.Status{
			TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden,
		})
	}))
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL}, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	log := &eventLog{client: c, namespace: "shop"}
	log.run(ctx)
	if notes := log.notes(); ctx.Err() != nil || len(notes) != 1 {
		t.Errorf("notes %v, %v", notes, ctx.Err())
	}
}
