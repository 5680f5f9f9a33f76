package rollout

import (
	"reflect"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Kind is everything that must be known of one kind of object to follow its rollout. Each is one file of this package
// and one row of Kinds; nothing else anywhere asks which kind an object is of to learn one of these things.
//
// The functions of a row are given objects of its Type and must not look kinds up.
type Kind struct {
	schema.GroupKind
	// Resource is where the API server serves the kind.
	Resource manifest.Resource
	// Type is a nil pointer of the kind's Go type; nil for kinds that are read as *unstructured.Unstructured.
	Type Object

	// Evaluate says how far a rollout is. Nil: objects of the kind are applied, and there is nothing to wait for.
	Evaluate func(Workload) Status
	// Spec reads what an object says of its pods. Nil for kinds without pods.
	Spec func(Object) Spec
	// Template is the path of the pod template in a manifest; empty for a Pod, which is its own.
	Template string

	// RevisionLabel is the label by which the pods of one revision are told from those of another; empty for kinds
	// without revisions. Revision is its value for the new pods, empty while the controller has not made the revision;
	// Previous that of the revision before.
	RevisionLabel      string
	Revision, Previous func(Workload) string
	// Owns are the objects that keep the revisions.
	Owns Revisions
	// PodNames is a regular expression for the names of all pods that a workload of that name ever had; nil for kinds
	// without pods of their own.
	PodNames func(name string) string

	// Serves says that Services may send traffic to what the kind runs.
	Serves bool
	// Ends says that its pods are meant to end.
	Ends bool
	// Replaces says that another pod template makes the controller replace the pods. A Job's template cannot change, and
	// admission controllers may complete it while it is suspended; a ReplicaSet's does not touch the pods that exist.
	Replaces bool
	// Outlives says that the verdict on the last state outlives the object.
	Outlives bool
	// Standalone says that such objects are usually made by people, so that all of a namespace are worth a look.
	Standalone bool
	// KeepsNames says that new pods get the names of the old ones.
	KeepsNames bool
	// OldPodsMatter says that the pods of old revisions are needed to judge a rollout.
	OldPodsMatter bool
	// OnEachNode says that it runs a pod on each node, so that nodes that are down matter.
	OnEachNode bool
	// DeletesFailed says that the controller deletes pods that failed, so that only what was said of them remains.
	DeletesFailed bool
	// Staged is how a few pods get a new version while the others keep the old one.
	Staged Staging
}

// Spec is what an object says of its pods.
type Spec struct {
	Template *corev1.PodTemplateSpec
	Selector *metav1.LabelSelector
	// Replicas is the number of pods that are to run, or to succeed.
	Replicas        int32
	MinReadySeconds int32
	// Observed says that the controller has taken in the newest generation of the object.
	Observed bool
}

// Revisions are the objects in which a kind keeps its revisions.
type Revisions string

// The objects that keep revisions.
const (
	ReplicaSets         Revisions = "replicasets"
	ControllerRevisions Revisions = "controllerrevisions"
)

// Staging is a way to give a few pods a new version.
type Staging string

// The ways of staging; empty for kinds that cannot be staged.
const (
	BySurge     Staging = "surge"     // maxSurge lets so many new pods run beside all the old ones
	ByPartition Staging = "partition" // the partition keeps the pods below it
	ByDeletion  Staging = "deletion"  // OnDelete: a pod that is deleted comes back new
)

// KindOf is the row of a kind; false for kinds that have none.
func KindOf(gk schema.GroupKind) (Kind, bool) {
	for _, k := range Kinds {
		if k.GroupKind == gk {
			return k, true
		}
	}
	return Kind{}, false
}

// kindOf is the row of an object's kind, and the object in the Go type of that row. A nil in any form has no row and
// comes back as plain nil, and an object of a kind without a row as it is.
func kindOf(o Object) (Kind, Object) {
	if isNil(o) {
		return Kind{}, nil
	}
	if u, ok := o.(*unstructured.Unstructured); ok {
		k, _ := KindOf(u.GroupVersionKind().GroupKind())
		return k, k.read(u)
	}
	for _, k := range Kinds {
		if k.Type != nil && reflect.TypeOf(k.Type) == reflect.TypeOf(o) {
			return k, o
		}
	}
	return Kind{}, o
}

// typed is an object in the Go type of its kind.
func typed(o Object) Object {
	_, o = kindOf(o)
	return o
}

func isNil(o Object) bool {
	return o == nil || reflect.ValueOf(o).Kind() == reflect.Pointer && reflect.ValueOf(o).IsNil()
}

// New is an empty object of the kind.
func (k Kind) New() Object {
	if k.Type == nil {
		return &unstructured.Unstructured{}
	}
	return reflect.New(reflect.TypeOf(k.Type).Elem()).Interface().(Object)
}

// read turns an unstructured object into the kind's Go type; one that is malformed, or needs no type, stays as it is.
func (k Kind) read(u *unstructured.Unstructured) Object {
	if k.Type == nil {
		return u
	}
	into := k.New()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return u
	}
	return into
}

// spec is the row's Spec of an object, empty for kinds without pods and for objects that are not of the row's type.
func (k Kind) spec(o Object) Spec {
	if k.Spec == nil || o == nil || k.Type != nil && reflect.TypeOf(k.Type) != reflect.TypeOf(o) {
		return Spec{Observed: true}
	}
	return k.Spec(o)
}

// specOf is what an object of any kind says of its pods.
func specOf(o Object) Spec {
	k, o := kindOf(o)
	return k.spec(o)
}

// PodTemplate is the pod template of an object, for a CronJob that of its jobs, for a Pod the pod itself. It is nil for
// kinds without pods. The result must not be changed.
func PodTemplate(o Object) *corev1.PodTemplateSpec { return specOf(o).Template }

// Replicas is the number of pods that an object asks for. A DaemonSet asks for one on each node that its status counts.
func Replicas(o Object) int32 { return specOf(o).Replicas }

// Observed tells whether the controller has taken in the newest generation of an object; true for kinds whose status
// does not say.
func Observed(o Object) bool { return specOf(o).Observed }

// PodSelector selects the pods of an object; false for kinds without a selector and for selectors that are empty or
// invalid, which must not be mistaken for "all pods".
func PodSelector(o Object) (labels.Selector, bool) {
	s := specOf(o).Selector
	if s == nil {
		return nil, false
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return selector, err == nil && !selector.Empty()
}

// PodSpecPath is the path of the pod's spec in a manifest of a kind. Kinds without a row are taken to have it where
// most have it.
func PodSpecPath(gk schema.GroupKind) string {
	k, known := KindOf(gk)
	switch {
	case known && k.Template != "":
		return k.Template + ".spec"
	case known && k.Spec != nil:
		return "spec"
	}
	return "spec.template.spec"
}

// builtIn are the API groups of Kubernetes itself. Their kinds that have no row have no rollout.
func builtIn(group string) bool {
	switch group {
	case "", "apps", "batch", "autoscaling", "policy", "extensions",
		"admissionregistration.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
		"certificates.k8s.io", "coordination.k8s.io", "discovery.k8s.io", "events.k8s.io",
		"flowcontrol.apiserver.k8s.io", "networking.k8s.io", "node.k8s.io",
		"rbac.authorization.k8s.io", "resource.k8s.io", "scheduling.k8s.io", "storage.k8s.io":
		return true
	}
	return false
}

// Watched says whether objects of a kind can have a status that is worth waiting for. For a kind that Kubernetes does
// not define it is true; whether there is one shows in the object, and Status.Watched has the answer.
func Watched(gk schema.GroupKind) bool {
	k, known := KindOf(gk)
	return known && k.Evaluate != nil || !known && !builtIn(gk.Group)
}

// HasPods says whether a kind runs pods that Services can send traffic to.
func HasPods(gk schema.GroupKind) bool {
	k, _ := KindOf(gk)
	return k.Serves
}
