package cluster

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// namesOf says where the names of a kind are listed. Only metadata is asked for: the names of Secrets, never what they
// hold.
var namesOf = map[string]manifest.Resource{
	"ConfigMap":             {Version: "v1", Resource: "configmaps", Namespaced: true},
	"Secret":                {Version: "v1", Resource: "secrets", Namespaced: true},
	"ServiceAccount":        {Version: "v1", Resource: "serviceaccounts", Namespaced: true},
	"PersistentVolumeClaim": {Version: "v1", Resource: "persistentvolumeclaims", Namespaced: true},
	"StorageClass":          {Group: "storage.k8s.io", Version: "v1", Resource: "storageclasses"},
	"PriorityClass":         {Group: "scheduling.k8s.io", Version: "v1", Resource: "priorityclasses"},
	"RuntimeClass":          {Group: "node.k8s.io", Version: "v1", Resource: "runtimeclasses"},
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
