package prune

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Reader is something that runs pods, or will: a workload with its template, or a pod.
type Reader struct {
	Object manifest.Ref
	Spec   corev1.PodSpec
	// Claims are the templates of its claims, by which the names of its claims begin.
	Claims []string
}

// Readable tells whether pods read objects of the kind: as environment, as files, or as who they are.
func Readable(ref manifest.Ref) bool {
	return ref.Group == "" && slices.Contains([]string{"ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim"}, ref.Kind)
}

// ReadersOf are those that read an object, in their order.
func ReadersOf(ref manifest.Ref, all []Reader) []Reader {
	var found []Reader
	for _, r := range all {
		if r.Object.Namespace == ref.Namespace && r.reads(ref) {
			found = append(found, r)
		}
	}
	return found
}

// Names joins at most three names of readers.
func Names(readers []Reader) string {
	var names []string
	for _, r := range readers[:min(len(readers), 3)] {
		names = append(names, r.Object.String())
	}
	text := strings.Join(names, ", ")
	if more := len(readers) - len(names); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func read(l Leftover, f Facts) string {
	if !Readable(l.Was.Ref) {
		return ""
	}
	if readers := ReadersOf(l.Was.Ref, f.Readers); len(readers) > 0 {
		return "it is still read by " + Names(readers)
	}
	if err := f.Unlisted[l.Was.Ref.Namespace]; err != nil {
		return "whether pods still read it is not known: " + err.Error()
	}
	return ""
}

// reads tells whether a reader names an object of its namespace.
func (r Reader) reads(ref manifest.Ref) bool {
	if ref.Kind == "ServiceAccount" {
		return r.Spec.ServiceAccountName == ref.Name || r.Spec.ServiceAccountName == "" && ref.Name == "default"
	}
	if ref.Kind == "Secret" && slices.ContainsFunc(r.Spec.ImagePullSecrets, func(s corev1.LocalObjectReference) bool { return s.Name == ref.Name }) {
		return true
	}
	if ref.Kind == "PersistentVolumeClaim" && slices.ContainsFunc(r.Claims, func(c string) bool { return strings.HasPrefix(ref.Name, c+"-"+r.Object.Name+"-") }) {
		return true
	}
	return slices.ContainsFunc(r.Spec.Volumes, func(v corev1.Volume) bool { return mounts(v, ref) }) ||
		slices.ContainsFunc(environments(r.Spec), func(e environment) bool { return e.reads(ref) })
}

func mounts(v corev1.Volume, ref manifest.Ref) bool {
	switch ref.Kind {
	case "PersistentVolumeClaim":
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == ref.Name
	case "ConfigMap":
		return v.ConfigMap != nil && v.ConfigMap.Name == ref.Name || projects(v, func(p corev1.VolumeProjection) bool {
			return p.ConfigMap != nil && p.ConfigMap.Name == ref.Name
		})
	}
	return v.Secret != nil && v.Secret.SecretName == ref.Name || ofDriver(v) == ref.Name || projects(v, func(p corev1.VolumeProjection) bool {
		return p.Secret != nil && p.Secret.Name == ref.Name
	})
}

// ofDriver is the Secret with which a volume of a driver is mounted; "" when there is none.
func ofDriver(v corev1.Volume) string {
	if v.CSI != nil && v.CSI.NodePublishSecretRef != nil {
		return v.CSI.NodePublishSecretRef.Name
	}
	return ""
}

func projects(v corev1.Volume, is func(corev1.VolumeProjection) bool) bool {
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, is)
}

// environment is that of one container.
type environment struct {
	env  []corev1.EnvVar
	from []corev1.EnvFromSource
}

func environments(spec corev1.PodSpec) []environment {
	var all []environment
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		all = append(all, environment{c.Env, c.EnvFrom})
	}
	for _, c := range spec.EphemeralContainers {
		all = append(all, environment{c.Env, c.EnvFrom})
	}
	return all
}

func (e environment) reads(ref manifest.Ref) bool {
	config, secret := ref.Kind == "ConfigMap", ref.Kind == "Secret"
	return slices.ContainsFunc(e.env, func(v corev1.EnvVar) bool {
		from := v.ValueFrom
		return from != nil && (config && from.ConfigMapKeyRef != nil && from.ConfigMapKeyRef.Name == ref.Name ||
			secret && from.SecretKeyRef != nil && from.SecretKeyRef.Name == ref.Name)
	}) || slices.ContainsFunc(e.from, func(f corev1.EnvFromSource) bool {
		return config && f.ConfigMapRef != nil && f.ConfigMapRef.Name == ref.Name || secret && f.SecretRef != nil && f.SecretRef.Name == ref.Name
	})
}

// ReaderOf is the reader that an object is; ok is false for one that runs no pods.
func ReaderOf(ref manifest.Ref, u *unstructured.Unstructured) (r Reader, ok bool) {
	if u == nil {
		return r, false
	}
	fields, found, _ := unstructured.NestedMap(u.Object, strings.Split(rollout.PodSpecPath(ref.GroupKind()), ".")...)
	if !found || fields["containers"] == nil {
		return r, false
	}
	r.Object = ref
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &r.Spec); err != nil {
		return r, false
	}
	claims, _, _ := unstructured.NestedSlice(u.Object, "spec", "volumeClaimTemplates")
	for _, c := range claims {
		template, _ := c.(map[string]any)
		name, _, _ := unstructured.NestedString(template, "metadata", "name")
		r.Claims = append(r.Claims, name)
	}
	return r, true
}
