package cluster

import (
	"context"
	"fmt"
	"sync"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// scaler says how an autoscaler scales one workload.
type scaler struct {
	scales bool
	// toZero says that it scales to zero. One that does not sleeps at zero: the 0 is not its wish.
	toZero bool
}

// scalers know what scales the workloads of a plan. Those of a namespace are read when the first workload asks.
type scalers struct {
	c         *Client
	inPlan    map[manifest.Ref]scaler // of the objects of the plan itself
	mu        sync.Mutex
	inCluster map[string]*scaledIn // by namespace
}

type scaledIn struct {
	once sync.Once
	by   map[manifest.Ref]scaler
	err  error
}

func (c *Client) scalersOf(writes []patch.Write) *scalers {
	s := &scalers{c: c, inPlan: map[manifest.Ref]scaler{}, inCluster: map[string]*scaledIn{}}
	for _, w := range writes {
		gk := w.Object.GroupVersionKind().GroupKind()
		target, _, _ := unstructured.NestedMap(w.Object.Object, "spec", "scaleTargetRef")
		name, _ := target["name"].(string)
		apiVersion, _ := target["apiVersion"].(string)
		kind, _ := target["kind"].(string)
		switch gk {
		case schema.GroupKind{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}:
			least, named, _ := unstructured.NestedInt64(w.Object.Object, "spec", "minReplicas")
			s.inPlan[targetRef(apiVersion, kind, w.Ref.Namespace, name)] = scaler{scales: true, toZero: named && least == 0}
		case schema.GroupKind{Group: "keda.sh", Kind: "ScaledObject"}:
			if kind == "" { // KEDA's defaults
				apiVersion, kind = "apps/v1", "Deployment"
			}
			s.inPlan[targetRef(apiVersion, kind, w.Ref.Namespace, name)] = scaler{scales: true, toZero: true}
		}
	}
	return s
}

// of tells what scales an object. An error says in words what is not known.
func (s *scalers) of(ctx context.Context, ref manifest.Ref) (scaler, error) {
	s.mu.Lock()
	in := s.inCluster[ref.Namespace]
	if in == nil {
		in = &scaledIn{}
		s.inCluster[ref.Namespace] = in
	}
	s.mu.Unlock()
	in.once.Do(func() { in.by, in.err = s.c.scaledIn(ctx, ref.Namespace) })
	if by := in.by[ref]; by.scales {
		return by, nil
	}
	if by := s.inPlan[ref]; by.scales {
		return by, nil
	}
	return scaler{}, in.err
}

// scaledIn are the targets of the autoscalers of a namespace. KEDA works through HorizontalPodAutoscalers of its own,
// and goes to zero by itself.
func (c *Client) scaledIn(ctx context.Context, namespace string) (map[manifest.Ref]scaler, error) {
	list, err := c.typed.AutoscalingV2().HorizontalPodAutoscalers(namespace).List(ctx, metav1.ListOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return nil, fmt.Errorf("autoscalers in %s are not readable: spec.replicas is applied as written", namespace)
	case err != nil:
		return nil, fmt.Errorf("autoscalers in %s could not be read (%w): spec.replicas is applied as written", namespace, err)
	}
	by := map[manifest.Ref]scaler{}
	for _, hpa := range list.Items {
		owner := metav1.GetControllerOf(&hpa)
		keda := owner != nil && owner.Kind == "ScaledObject"
		by[hpaTarget(hpa)] = scaler{scales: true, toZero: keda || hpa.Spec.MinReplicas != nil && *hpa.Spec.MinReplicas == 0}
	}
	return by, nil
}

func hpaTarget(hpa autoscalingv2.HorizontalPodAutoscaler) manifest.Ref {
	t := hpa.Spec.ScaleTargetRef
	return targetRef(t.APIVersion, t.Kind, hpa.Namespace, t.Name)
}

func targetRef(apiVersion, kind, namespace, name string) manifest.Ref {
	gv, _ := schema.ParseGroupVersion(apiVersion)
	return manifest.Ref{Group: gv.Group, Kind: kind, Namespace: namespace, Name: name}
}

// leaveReplicas takes spec.replicas out of what is sent when it is up to an autoscaler. At zero most have no wish: then
// the manifest's number wakes the workload up.
func (s *scalers) leaveReplicas(ctx context.Context, w *patch.Write) error {
	live, has, _ := unstructured.NestedInt64(w.Before.Object, "spec", "replicas")
	sent, sends, _ := unstructured.NestedInt64(w.Sent.Object, "spec", "replicas")
	if !has || !sends || live == sent {
		return nil
	}
	by, err := s.of(ctx, w.Ref)
	if by.scales && (live > 0 || by.toZero) {
		unstructured.RemoveNestedField(w.Sent.Object, "spec", "replicas")
	}
	return err
}
