package diagnosis

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Reads tells whether the pods of a template read a ConfigMap or Secret: into their environment, or as files.
func Reads(template *corev1.PodTemplateSpec, ref manifest.Ref) bool {
	u := usesOf(template.Spec, ref)
	return len(u.env)+len(u.files)+len(u.subPath) > 0
}

// ReadBy are the ConfigMaps and Secrets that the pods of a template read: into their environment, or as files.
func ReadBy(template *corev1.PodTemplateSpec, namespace string) []manifest.Ref {
	var refs []manifest.Ref
	collect := func(kind, name string) bool {
		if ref := (manifest.Ref{Kind: kind, Namespace: namespace, Name: name}); name != "" && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
		return false // there may be more
	}
	for _, kind := range []string{"ConfigMap", "Secret"} {
		is := func(k, name string) bool { return k == kind && collect(k, name) }
		for _, v := range template.Spec.Volumes {
			shows(v, is)
		}
		for _, c := range slices.Concat(template.Spec.InitContainers, template.Spec.Containers) {
			readsEnv(c, is)
		}
	}
	return refs
}
