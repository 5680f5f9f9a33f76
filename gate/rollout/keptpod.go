package rollout

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// What a pod that is kept for a person to look at has instead of its labels.
const (
	KeptFromLabel        = "rolloutgate.dev/kept-from"   // the name of its workload
	KeptRunAnnotation    = "rolloutgate.dev/kept-run"    // the run, the workload in full, and the time
	KeptLabelsAnnotation = "rolloutgate.dev/kept-labels" // the labels that it had, as JSON
)

// CannotKeep is why a pod of a new version cannot be taken out of the hands of its controller without harm to what
// comes back in its place; empty when it can. claims are those of its namespace that were read.
func CannotKeep(p *corev1.Pod, claims []*corev1.PersistentVolumeClaim) string {
	owner := metav1.GetControllerOf(p)
	switch {
	case owner == nil:
		return "it is an object of the run itself, which the undo puts back"
	case owner.Kind == "StatefulSet":
		return "a StatefulSet gives its name to the pod that comes back, and a name can be there only once"
	case !slices.Contains([]string{"ReplicaSet", "ReplicationController", "DaemonSet"}, owner.Kind):
		return "a " + owner.Kind + " may not do without its pod"
	case p.DeletionTimestamp != nil:
		return "it is being deleted"
	case p.Spec.NodeName == "":
		return "no node has taken it, so there is nothing in it to look at"
	case p.Spec.HostNetwork:
		return "it has the network of its node, where its ports are taken as long as it is there"
	}
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				return fmt.Sprintf("it has the port %d of its node, which is taken as long as it is there", port.HostPort)
			}
		}
	}
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ReadOnly {
			continue
		}
		if name := v.PersistentVolumeClaim.ClaimName; !sharable(name, claims) {
			return fmt.Sprintf("it mounts the claim %s, which is not known to be mountable at several nodes at once", name)
		}
	}
	return ""
}

// sharable tells whether a claim is known to be one that pods on several nodes may mount.
func sharable(name string, claims []*corev1.PersistentVolumeClaim) bool {
	i := slices.IndexFunc(claims, func(c *corev1.PersistentVolumeClaim) bool { return c.Name == name })
	return i >= 0 && slices.ContainsFunc(claims[i].Spec.AccessModes, func(m corev1.PersistentVolumeAccessMode) bool {
		return m == corev1.ReadWriteMany || m == corev1.ReadOnlyMany
	})
}

// Keeping says for which run a pod is kept.
type Keeping struct {
	From manifest.Ref // the workload
	Run  string
	At   time.Time
}

// Kept is a copy of a pod that no controller owns any more and no selector finds: it has no labels but one by which people
// find it. Any label may be what a Service, a policy or the controller of another workload selects by, which may not be
// readable, so none stays; they are noted.
func Kept(p *corev1.Pod, k Keeping) *corev1.Pod {
	p = p.DeepCopy()
	p.OwnerReferences = slices.DeleteFunc(p.OwnerReferences, func(o metav1.OwnerReference) bool {
		return o.Controller != nil && *o.Controller
	})
	labels, _ := json.Marshal(p.Labels) // of strings, which always works
	p.Labels = map[string]string{KeptFromLabel: labelValue(k.From.Name)}
	if p.Annotations == nil {
		p.Annotations = map[string]string{}
	}
	p.Annotations[KeptLabelsAnnotation] = string(labels)
	p.Annotations[KeptRunAnnotation] = fmt.Sprintf("%s of %s at %s", k.Run, k.From, k.At.UTC().Format(time.RFC3339))
	return p
}

// labelValue cuts a name to what the value of a label may be.
func labelValue(name string) string {
	const most = 63
	return strings.TrimRight(name[:min(len(name), most)], "-.")
}
