package cluster

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// namesOf says where the names of a kind are listed. Only metadata is asked for: the names of Secrets, never what they
// hold.
var namesOf = map[string]resource{
	"ConfigMap":             {schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}, true},
	"Secret":                {schema.GroupVersionResource{Version: "v1", Resource: "secrets"}, true},
	"ServiceAccount":        {schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, true},
	"PersistentVolumeClaim": {schema.GroupVersionResource{Version: "v1", Resource: "persistentvolumeclaims"}, true},
	"StorageClass":          {schema.GroupVersionResource{Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"}, false},
	"PriorityClass":         {schema.GroupVersionResource{Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"}, false},
	"RuntimeClass":          {schema.GroupVersionResource{Group: "node.k8s.io", Version: "v1", Resource: "runtimeclasses"}, false},
}

// keysOf are the keys of a ConfigMap.
func keysOf(m *corev1.ConfigMap) []string {
	keys := slices.Collect(maps.Keys(m.Data))
	for key := range m.BinaryData {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// ChangedConfig says which ConfigMaps and Secrets a plan changes, by key; their values stay here.
func (p Plan) ChangedConfig() []diagnosis.Changed {
	var all []diagnosis.Changed
	for _, i := range p.Items {
		if i.Action != Configured || i.Live == nil || i.Predicted == nil { // planning may have failed half-way
			continue
		}
		ref := i.Ref()
		if ref.Group != "" || ref.Kind != "ConfigMap" && ref.Kind != "Secret" {
			continue
		}
		var keys []string
		for _, field := range []string{"data", "binaryData"} {
			before, _, _ := unstructured.NestedStringMap(i.Live.Object, field)
			after, _, _ := unstructured.NestedStringMap(i.Predicted.Object, field)
			for key, value := range after {
				if was, known := before[key]; !known || was != value {
					keys = append(keys, key)
				}
			}
			for key := range before {
				if _, still := after[key]; !still {
					keys = append(keys, key)
				}
			}
		}
		slices.Sort(keys)
		all = append(all, diagnosis.Changed{Object: ref, Keys: keys})
	}
	return all
}
