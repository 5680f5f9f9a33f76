package diagnosis

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Reads tells whether the pods of a template read a ConfigMap or Secret: into their environment, or as files.
func Reads(template *corev1.PodTemplateSpec, ref manifest.Ref) bool {
	u := usesOf(template.Spec, ref)
	return len(u.env)+len(u.files)+len(u.subPath) > 0
}
