package rights

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// clusterScoped are the kinds of Kubernetes itself that belong to no namespace.
var clusterScoped = []string{
	"APIService", "CSIDriver", "CSINode", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ClusterTrustBundle",
	"ComponentStatus", "DeviceClass", "DeviceTaintRule", "FlowSchema", "IPAddress", "IngressClass", "MutatingAdmissionPolicy",
	"MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume",
	"PriorityClass", "PriorityLevelConfiguration", "ResourceSlice", "RuntimeClass", "SelfSubjectAccessReview",
	"SelfSubjectReview", "SelfSubjectRulesReview", "ServiceCIDR", "StorageClass", "StorageVersion", "StorageVersionMigration",
	"SubjectAccessReview", "TokenReview", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding",
	"ValidatingWebhookConfiguration", "VolumeAttachment", "VolumeAttributesClass",
}

// Find says where the objects live, each with its namespace filled in. What the kinds of Kubernetes, the kinds with rules of
// their own and the CRDs among the objects do not tell, ask is asked.
func Find(objects []manifest.Object, namespace string, ask func(schema.GroupVersionKind) (manifest.Resource, error)) ([]Object, error) {
	defined := map[schema.GroupKind]manifest.Resource{}
	for _, o := range objects {
		if gk, r, ok := definition(o.Unstructured); ok {
			defined[gk] = r
		}
	}
	asked := map[schema.GroupVersionKind]manifest.Resource{}
	var all []Object
	for _, o := range objects {
		gvk := o.GroupVersionKind()
		r, ok := defined[gvk.GroupKind()]
		if !ok {
			r, ok = known(gvk)
		}
		if !ok {
			r, ok = asked[gvk]
		}
		if !ok {
			var err error
			if r, err = ask(gvk); err != nil {
				return nil, &UnknownKindError{Object: o, Err: err}
			}
			asked[gvk] = r
		}
		o.Unstructured = o.DeepCopy()
		switch {
		case !r.Namespaced:
			o.SetNamespace("")
		case o.GetNamespace() == "":
			o.SetNamespace(namespace)
		}
		all = append(all, Object{Object: o, Resource: r})
	}
	return all, nil
}

// UnknownKindError is a kind that is not known without a cluster, and that no cluster told.
type UnknownKindError struct {
	Object manifest.Object
	Err    error
}

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("%s:%d: what the API calls the kind %s is not known offline, and the cluster could not be asked: %v",
		e.Object.Source.Path, e.Object.Source.Line, e.Object.GroupVersionKind().GroupKind(), e.Err)
}

func (e *UnknownKindError) Unwrap() error { return e.Err }

// known is where a kind lives that is the same in every cluster.
func known(gvk schema.GroupVersionKind) (manifest.Resource, bool) {
	if k, ok := rollout.KindOf(gvk.GroupKind()); ok {
		return k.Resource, true
	}
	if !scheme.Scheme.Recognizes(gvk) {
		return manifest.Resource{}, false
	}
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return manifest.ResourceOf(plural, !slices.Contains(clusterScoped, gvk.Kind)), true
}

// definition reads the kind that a CRD defines; ok is false for every other object.
func definition(u *unstructured.Unstructured) (gk schema.GroupKind, r manifest.Resource, ok bool) {
	if u.GroupVersionKind().GroupKind() != (schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}) {
		return gk, r, false
	}
	gk.Group, _, _ = unstructured.NestedString(u.Object, "spec", "group")
	gk.Kind, _, _ = unstructured.NestedString(u.Object, "spec", "names", "kind")
	plural, _, _ := unstructured.NestedString(u.Object, "spec", "names", "plural")
	scope, _, _ := unstructured.NestedString(u.Object, "spec", "scope")
	return gk, manifest.Resource{Group: gk.Group, Resource: plural, Namespaced: scope != "Cluster"}, gk.Kind != "" && plural != ""
}
