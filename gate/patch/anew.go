package patch

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Anew is an object that was deleted in the form in which it is created again: without what only the server sets, and
// without what binds it to its former self. What the server has chosen for it, as the address of a Service, is asked for
// again.
func Anew(u *unstructured.Unstructured) *unstructured.Unstructured {
	out := WithoutServerFields(u)
	delete(out.Object, "status")
	annotations := out.GetAnnotations()
	for _, a := range serverAnnotations {
		delete(annotations, a)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	out.SetAnnotations(annotations)
	finalizers := slices.DeleteFunc(out.GetFinalizers(), func(f string) bool {
		return f == metav1.FinalizerDeleteDependents || f == metav1.FinalizerOrphanDependents
	})
	if len(finalizers) == 0 {
		finalizers = nil
	}
	out.SetFinalizers(finalizers)
	if again, ok := anew[out.GroupVersionKind().GroupKind().String()]; ok {
		again(out.Object)
	}
	return out
}

// anew takes out of an object of a kind what was about its former self.
var anew = map[string]func(map[string]any){
	"Job.batch": jobAnew,
	"Pod":       podAnew,
	"PersistentVolume": func(o map[string]any) {
		unstructured.RemoveNestedField(o, "spec", "claimRef", "uid")
		unstructured.RemoveNestedField(o, "spec", "claimRef", "resourceVersion")
	},
	"PersistentVolumeClaim": func(o map[string]any) {
		if by, _, _ := unstructured.NestedString(o, "metadata", "annotations", "pv.kubernetes.io/bound-by-controller"); by != "" {
			unstructured.RemoveNestedField(o, "spec", "volumeName") // which was found for it, and may be gone
		}
		if annotations, _, _ := unstructured.NestedMap(o, "metadata", "annotations"); annotations != nil {
			for name := range annotations {
				if strings.HasPrefix(name, "pv.kubernetes.io/") || strings.HasPrefix(name, "volume.kubernetes.io/selected-node") {
					unstructured.RemoveNestedField(o, "metadata", "annotations", name)
				}
			}
		}
	},
}

// uidLabels are those by which a Job finds its pods: they hold its UID.
var uidLabels = []string{"controller-uid", "batch.kubernetes.io/controller-uid"}

func jobAnew(o map[string]any) {
	if manual, _, _ := unstructured.NestedBool(o, "spec", "manualSelector"); manual {
		return
	}
	unstructured.RemoveNestedField(o, "spec", "selector")
	for _, label := range uidLabels {
		unstructured.RemoveNestedField(o, "metadata", "labels", label)
		unstructured.RemoveNestedField(o, "spec", "template", "metadata", "labels", label)
	}
}

func podAnew(o map[string]any) { unstructured.RemoveNestedField(o, "spec", "nodeName") }

// Unallocated is an object without what the server has chosen for it from what all share: somebody else may have that by
// now. chosen says that there was any of it.
func Unallocated(u *unstructured.Unstructured) (out *unstructured.Unstructured, chosen bool) {
	out = u.DeepCopy()
	if gk := u.GroupVersionKind().GroupKind().String(); gk != "Service" {
		return out, false
	}
	if ip, _, _ := unstructured.NestedString(out.Object, "spec", "clusterIP"); ip != "" && ip != "None" {
		unstructured.RemoveNestedField(out.Object, "spec", "clusterIP")
		unstructured.RemoveNestedField(out.Object, "spec", "clusterIPs")
		chosen = true
	}
	unstructured.RemoveNestedField(out.Object, "spec", "healthCheckNodePort")
	ports, _, _ := unstructured.NestedSlice(out.Object, "spec", "ports")
	for _, p := range ports {
		if fields, ok := p.(map[string]any); ok && fields["nodePort"] != nil {
			delete(fields, "nodePort")
			chosen = true
		}
	}
	if len(ports) > 0 {
		_ = unstructured.SetNestedSlice(out.Object, ports, "spec", "ports")
	}
	return out, chosen
}
