package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// shop is a namespace with complete Deployments of one pod, each with its Service.
func shop(deployments int) (apiServer, []rollout.Target) {
	var all, sets, pods, services, endpoints []any
	var targets []rollout.Target
	one, controller := int32(1), true
	for i := range deployments {
		name, hash := fmt.Sprintf("web-%d", i), fmt.Sprintf("hash%d", i)
		app := map[string]string{"app": name}
		template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "app", Image: "app:1", ReadinessProbe: &corev1.Probe{}}}}}
		all = append(all, appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: "d" + uid(i), Generation: 1, ResourceVersion: "1"},
			Spec:       appsv1.DeploymentSpec{Replicas: &one, Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template},
			Status:     appsv1.DeploymentStatus{ObservedGeneration: 1, Replicas: 1, UpdatedReplicas: 1, ReadyReplicas: 1, AvailableReplicas: 1},
		})
		of := map[string]string{"app": name, "pod-template-hash": hash}
		sets = append(sets, appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Name: name + "-" + hash, Namespace: "shop", UID: "r" + uid(i), Labels: of,
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment", Name: name, UID: "d" + uid(i), Controller: &controller}}},
			Spec: appsv1.ReplicaSetSpec{Template: template},
		})
		pods = append(pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-" + hash + "-bcdfg", Namespace: "shop", UID: "p" + uid(i), Labels: of}, Spec: template.Spec})
		services = append(services, corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop"}, Spec: corev1.ServiceSpec{Selector: app}})
		endpoints = append(endpoints, discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Name: name, Namespace: "shop", Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{"10.0.0.1"}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: name + "-" + hash + "-bcdfg", UID: "p" + uid(i)}}},
		})
		targets = append(targets, rollout.Target{
			Ref:      manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: name},
			Resource: manifest.Resource{Group: "apps", Version: "v1", Resource: "deployments", Namespaced: true},
		})
	}
	all = append(all, appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "neighbour", Namespace: "shop", UID: "n", Annotations: map[string]string{"much": "text"}}})
	return apiServer{
		"/apis/apps/v1/namespaces/shop/deployments":                list("DeploymentList", "apps/v1", all...),
		"/apis/apps/v1/namespaces/shop/replicasets":                list("ReplicaSetList", "apps/v1", sets...),
		"/api/v1/namespaces/shop/pods":                             list("PodList", "v1", pods...),
		"/api/v1/namespaces/shop/services":                         list("ServiceList", "v1", services...),
		"/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices": list("EndpointSliceList", "discovery.k8s.io/v1", endpoints...),
		"/api/v1/namespaces/shop/events":                           list("EventList", "v1"),
	}, targets
}

// narrowed answers a list with what a selector of labels or a name leaves of it.
func narrowed(w http.ResponseWriter, r *http.Request, answer any) {
	var all struct {
		Kind       string           `json:"kind"`
		APIVersion string           `json:"apiVersion"`
		Metadata   map[string]any   `json:"metadata"`
		Items      []map[string]any `json:"items"`
	}
	text, _ := json.Marshal(answer)
	_ = json.Unmarshal(text, &all)
	only, err := labels.Parse(r.URL.Query().Get("labelSelector"))
	name, named := strings.CutPrefix(r.URL.Query().Get("fieldSelector"), "metadata.name=")
	all.Items = slices.DeleteFunc(all.Items, func(o map[string]any) bool {
		u := unstructured.Unstructured{Object: o}
		return err != nil || !only.Matches(labels.Set(u.GetLabels())) || named && u.GetName() != name
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all)
}

// counting counts the watches by their resource; it may refuse those of Deployments that name none.
type counting struct {
	apiServer
	refuses bool
	mu      sync.Mutex
	watches map[string]int
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	resource := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	if c.refuses && resource == "deployments" && !strings.Contains(q.Get("fieldSelector"), "metadata.name") && q.Get("limit") != "1" {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_ = json.NewEncoder(w).Encode(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: metav1.StatusReasonForbidden, Code: http.StatusForbidden})
		return
	}
	if q.Get("watch") != "" && q.Get("sendInitialEvents") == "" {
		c.mu.Lock()
		c.watches[resource]++
		c.mu.Unlock()
	}
	if answer, known := c.apiServer[r.URL.Path]; known && q.Get("watch") == "" {
		narrowed(w, r, answer)
		return
	}
	c.apiServer.ServeHTTP(w, r)
}

// TestManyShareWatches: many targets of one namespace share their watches, each sees what is its own, and each is evaluated as
// it is alone. Where the account may watch single objects only, each target has its own watch.
func TestManyShareWatches(t *testing.T) {
	for _, c := range []struct {
		name        string
		deployments int
		refuses     bool
		want        map[string]int // the most watches
	}{
		{"many", 150, false, map[string]int{"deployments": 1, "pods": 50, "endpointslices": 50, "events": 1}},
		{"many, by name only", 30, true, map[string]int{"deployments": 30, "pods": 15, "endpointslices": 15, "events": 1}},
		{"few", many - 1, false, map[string]int{"deployments": many - 1, "pods": many - 1, "endpointslices": many - 1, "events": 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			answers, targets := shop(c.deployments)
			server := &counting{apiServer: answers, refuses: c.refuses, watches: map[string]int{}}
			listening := httptest.NewServer(server)
			t.Cleanup(listening.Close)
			client, err := New(&rest.Config{Host: listening.URL}, Options{Namespace: "shop"})
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			w := client.Watch(ctx, targets)
			defer w.Wait()
			defer stop()
			for done := 0; done < len(targets); {
				done = 0
				for i := range targets {
					workload := w.Workload(i)
					s := rollout.Evaluate(workload)
					if s.Reason == rollout.ReasonCheckingServices {
						w.LookAtServices(i)
					}
					if workload.PodsKnown && s.Phase == rollout.Complete {
						done++
					}
				}
				if done == len(targets) {
					break
				}
				select {
				case <-w.Changed():
				case <-ctx.Done():
					t.Fatalf("%d of %d are complete; the last one is %+v", done, len(targets), rollout.Evaluate(w.Workload(len(targets)-1)))
				}
			}
			for i, target := range targets {
				workload := w.Workload(i)
				if len(workload.Pods) != 1 || !strings.HasPrefix(workload.Pods[0].Name, target.Ref.Name+"-hash") || len(workload.Services) != 1 || len(workload.Services[0].Slices) < 1 {
					t.Errorf("%s has %d pods and %d Services", target.Ref, len(workload.Pods), len(workload.Services))
				}
				if live := workload.Live; live.GetName() != target.Ref.Name {
					t.Errorf("%s is %s", target.Ref, live.GetName())
				}
			}
			server.mu.Lock()
			defer server.mu.Unlock()
			for resource, most := range c.want {
				if got := server.watches[resource]; got > most {
					t.Errorf("%d watches of %s, want %d at most", got, resource, most)
				}
			}
		})
	}
}

func uid(i int) types.UID { return types.UID(fmt.Sprint(i)) }
