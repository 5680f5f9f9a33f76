package diagnosis

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// lookedUp lists, by code, the kind of the object that is missing: the names that exist tell a typo from an omission.
var lookedUp = map[string][]string{
	"ConfigMapNotFound":      {"ConfigMap"},
	"ConfigKeyNotFound":      nil, // its keys are looked up
	"SecretNotFound":         {"Secret"},
	"MountConfigMissing":     {"ConfigMap", "Secret"},
	"ImagePullDenied":        {"Secret"},
	"ImagePullSecretMissing": {"Secret"},
	"PvcNotFound":            {"PersistentVolumeClaim"},
	"StorageClassMissing":    {"StorageClass"},
	"PvcUnbound":             {"StorageClass"},
	"ServiceAccountMissing":  {"ServiceAccount"},
	"PriorityClassMissing":   {"PriorityClass"},
	"RuntimeClassMissing":    {"RuntimeClass"},
}

// Lookups says what else is worth reading before Explain is asked for the last time: the kinds of which the existing
// names help, and the ConfigMaps of which the keys help.
func (c *Catalogue) Lookups(ev Evidence) (kinds []string, configMaps []manifest.Ref) {
	s := c.newFacts(ev)
	for _, f := range c.Explain(ev) {
		kinds = append(kinds, lookedUp[f.Code]...)
		if f.Code == "ConfigKeyNotFound" || f.Code == "MountConfigMissing" {
			configMaps = append(configMaps, s.configMaps()...)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds), configMaps
}

// unproven is how long something missing may be missing when nobody could look whether it is there by now: the kubelet
// and the controllers try again less and less often, and say the old thing until they do.
const unproven = time.Minute

// seldom are the causes of which the text may be that old: the kubelet waits up to two minutes before it mounts again
// (pkg/kubelet/volumemanager), and a controller as long as its back-off has grown. A container's environment is tried
// every few seconds, and the scheduler hears of a new claim at once.
var seldom = map[string]bool{"MountConfigMissing": true, "ServiceAccountMissing": true, "PriorityClassMissing": true, "RuntimeClassMissing": true}

// arrived gives findings about missing objects their due patience: an object that exists by now is only waited for.
func (s *facts) arrived(found []Finding) {
	for i := range found {
		f := &found[i]
		kinds, missing := lookedUp[f.Code]
		if !missing || f.Code == "ImagePullDenied" || f.Code == "PvcUnbound" {
			continue
		}
		kind, name, qualified := strings.Cut(f.Detail, "/")
		if !qualified && len(kinds) > 0 {
			kind, name = kinds[0], f.Detail
		}
		name, key, keyed := strings.Cut(name, "#")
		names, read := s.Names[kind]
		if keyed {
			name = key
			names, read = s.keys(kind, f.Detail)
		}
		switch {
		case slices.Contains(names, name):
			f.Terminal = TerminalTimeout
			f.Cause += "; it exists by now, and will be tried again"
			f.Evidence = append(f.Evidence, Proof{Type: "object", Text: f.Detail + " exists"})
		case !read && seldom[f.Code] && f.Terminal == TerminalAfter:
			f.After = max(f.After, unproven)
		}
	}
}

// keys are those of the object of which one is missing, if they were read.
func (s *facts) keys(kind, detail string) (keys []string, read bool) {
	name, _, _ := strings.Cut(strings.TrimPrefix(detail, kind+"/"), "#")
	keys, read = s.Keys[manifest.Ref{Kind: kind, Namespace: s.w.Ref.Namespace, Name: name}]
	return keys, read
}

// configMaps are those that the new pods read.
func (s *facts) configMaps() []manifest.Ref {
	if s.template == nil {
		return nil
	}
	var refs []manifest.Ref
	add := func(name string) {
		ref := manifest.Ref{Kind: "ConfigMap", Namespace: s.w.Ref.Namespace, Name: name}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	pod := s.template.Spec
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil {
				add(e.ConfigMapRef.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				add(e.ValueFrom.ConfigMapKeyRef.Name)
			}
		}
	}
	for _, v := range pod.Volumes {
		for _, name := range configVolumes(v) {
			add(name)
		}
	}
	return refs
}

// configVolumes are the ConfigMaps that a volume shows, projected ones too.
func configVolumes(v corev1.Volume) []string {
	var names []string
	if v.ConfigMap != nil {
		names = append(names, v.ConfigMap.Name)
	}
	if v.Projected != nil {
		for _, source := range v.Projected.Sources {
			if source.ConfigMap != nil {
				names = append(names, source.ConfigMap.Name)
			}
		}
	}
	return names
}
