package manifest

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// serverFields are set by the cluster alone: by the API server, by controllers in the status and in the revision of a
// Deployment, by kubectl in its record of the last apply. In a manifest they come from an export of the live object.
// Sent along, an old resourceVersion or uid is a conflict for ever, and the others would be owned by us and fought over.
var serverFields = [][]string{
	{"metadata", "resourceVersion"}, {"metadata", "uid"}, {"metadata", "generation"}, {"metadata", "creationTimestamp"},
	{"metadata", "deletionTimestamp"}, {"metadata", "deletionGracePeriodSeconds"}, {"metadata", "selfLink"}, {"metadata", "managedFields"},
	{"metadata", "annotations", "deployment.kubernetes.io/revision"},
	{"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"},
	{"status"},
}

// dropServerFields removes what only the cluster sets, and notes what of it said anything: kubectl create --dry-run writes
// an empty creationTimestamp and an empty status into every manifest.
func (o *Object) dropServerFields() {
	var dropped []string
	for _, field := range serverFields {
		value, found, _ := unstructured.NestedFieldNoCopy(o.Object, field...)
		if !found {
			continue
		}
		unstructured.RemoveNestedField(o.Object, field...)
		if !saysNothing(value) {
			dropped = append(dropped, strings.Join(field, "."))
		}
	}
	if annotations, found, _ := unstructured.NestedMap(o.Object, "metadata", "annotations"); found && len(annotations) == 0 {
		unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
	}
	if n := len(dropped); n == 1 {
		o.Notes = append(o.Notes, dropped[0]+" is left out, only the cluster sets it")
	} else if n > 1 {
		o.Notes = append(o.Notes, strings.Join(dropped[:n-1], ", ")+" and "+dropped[n-1]+" are left out, only the cluster sets them")
	}
}

// saysNothing is true of null, empty values, and what holds nothing else.
func saysNothing(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		for _, item := range v {
			if !saysNothing(item) {
				return false
			}
		}
		return true
	case map[string]any:
		for _, value := range v {
			if !saysNothing(value) {
				return false
			}
		}
		return true
	}
	return false
}
