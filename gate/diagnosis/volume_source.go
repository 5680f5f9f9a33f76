package diagnosis

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// source is one ConfigMap or Secret that a volume shows, and its field below the volume.
type source struct {
	kind, name, nameField, itemsField string
	items                             []corev1.KeyToPath
}

// sources are those of one volume of a pod.
func sources(p *corev1.Pod, volume string) []source {
	i := slices.IndexFunc(p.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == volume })
	if i < 0 {
		return nil
	}
	v := p.Spec.Volumes[i]
	var all []source
	if v.ConfigMap != nil {
		all = append(all, source{"ConfigMap", v.ConfigMap.Name, ".configMap.name", ".configMap.items", v.ConfigMap.Items})
	}
	if v.Secret != nil {
		all = append(all, source{"Secret", v.Secret.SecretName, ".secret.secretName", ".secret.items", v.Secret.Items})
	}
	if v.Projected == nil {
		return all
	}
	for i, part := range v.Projected.Sources {
		at := fmt.Sprintf(".projected.sources[%d]", i)
		if c := part.ConfigMap; c != nil {
			all = append(all, source{"ConfigMap", c.Name, at + ".configMap.name", at + ".configMap.items", c.Items})
		}
		if c := part.Secret; c != nil {
			all = append(all, source{"Secret", c.Name, at + ".secret.name", at + ".secret.items", c.Items})
		}
	}
	return all
}

// sourceOf is the name of the ConfigMap or Secret of which a volume shows a key.
func sourceOf(p *corev1.Pod, volume, kind, key string) string {
	for _, s := range sources(p, volume) {
		if s.kind == kind && s.item(key) >= 0 {
			return s.name
		}
	}
	return ""
}

func (s source) item(key string) int {
	return slices.IndexFunc(s.items, func(i corev1.KeyToPath) bool { return i.Key == key })
}

// sourceField is the field below a volume that names an object, or a key of it.
func sourceField(p *corev1.Pod, volume, kind, name, key string) string {
	for _, s := range sources(p, volume) {
		switch {
		case s.kind != kind || s.name != name:
		case key == "":
			return s.nameField
		case s.item(key) >= 0:
			return fmt.Sprintf("%s[%d].key", s.itemsField, s.item(key))
		}
	}
	return ""
}
