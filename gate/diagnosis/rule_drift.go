package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleDrift = Rule{Family: "Configuration drift", Find: explainDrift, Causes: []Cause{
	{Code: "ConfigChangedWithoutRollout", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "This run changed a ConfigMap or Secret that the pods read, but not the pod template, so no pod was replaced and running ones keep what they read at their start.",
		Signals: "The ConfigMap or Secret is among the objects that this run changed; the template reads it by env, envFrom or a volume and is the same as before.",
		Remedy:  "Put a checksum of the configuration into an annotation of the pod template, or a version into the object's name, so that a change rolls out; or restart the workload with kubectl rollout restart."},
	{Code: "NoTemplateChange", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "This run applied the workload without changing its pod template, so no pod was replaced: the same image tag was pushed again, or only something outside of the template changed.",
		Signals: "The pod template before and after the write is the same.",
		Remedy:  "Use a tag or digest of its own for each version; to replace the pods as they are, use kubectl rollout restart."},
}}

// sameTemplate reports whether this run wrote the workload and left its pod template alone.
func (s *facts) sameTemplate() bool {
	k, _ := rollout.KindOf(s.w.Ref.GroupKind())
	return k.Replaces && !s.Undoing && s.template != nil && templateOf(s.Previous) != nil && len(s.changes()) == 0
}

// explainDrift tells of configuration that changed beside pods that did not: ConfigChangedWithoutRollout.
func explainDrift(s *facts) []Finding {
	if !s.sameTemplate() {
		return nil
	}
	var found []Finding
	for _, c := range s.Changed {
		if f, ok := s.unseen(c); ok {
			found = append(found, f)
		}
	}
	return found
}

// unseen is a change of configuration of which running pods see nothing, or see it late.
func (s *facts) unseen(c Changed) (Finding, bool) {
	u := usesOf(s.template.Spec, c.Object)
	effect := ""
	switch {
	case len(u.env) > 0:
		effect = fmt.Sprintf("%s %s it as environment, which is taken once, when a container starts", noun(len(u.env), "container")+" "+list(u.env), verb(len(u.env), "read"))
	case len(u.subPath) > 0:
		effect = fmt.Sprintf("%s %s it by subPath, and such a file never changes in a running pod", noun(len(u.subPath), "container")+" "+list(u.subPath), verb(len(u.subPath), "mount"))
	case len(u.files) > 0:
		effect = fmt.Sprintf("%s %s it as files, which follow in about a minute if the program reads them again", noun(len(u.files), "container")+" "+list(u.files), verb(len(u.files), "mount"))
	default:
		return Finding{}, false
	}
	f := s.finding("ConfigChangedWithoutRollout")
	f.Detail, f.FieldPath, f.Confidence = c.Object.String(), s.metaPath(), Proven
	f.Cause = fmt.Sprintf("this run changed %s but not the pod template of %s, so no pod is replaced%s: %s", c.Object, s.w.Ref, stillOld(u, s.Status.Updated), effect)
	text := "changed in this run: " + c.Object.String()
	if len(c.Keys) > 0 {
		text += fmt.Sprintf(", %s %s", noun(len(c.Keys), "key"), list(c.Keys))
	}
	f.Evidence = []Proof{{Type: "diff", Text: text, Ref: c.Object.String()}}
	f.Fix = []string{"add a checksum of it to the pod template's annotations, so that its changes roll out", "or replace the pods now: kubectl rollout restart -n " + s.w.Ref.Namespace + " " + s.w.Ref.String()}
	return f, true
}

// stillOld counts the pods that go on with what they read at their start. Files in a volume follow by themselves.
func stillOld(u uses, pods int32) string {
	if pods == 0 || len(u.env)+len(u.subPath) == 0 {
		return ""
	}
	return fmt.Sprintf(", and %s still %s with the old values", plural(int(pods), "pod"), verb(int(pods), "run"))
}

// uses are the containers that read a ConfigMap or Secret, by the way in which they do.
type uses struct{ env, files, subPath []string }

func usesOf(pod corev1.PodSpec, ref manifest.Ref) uses {
	var u uses
	is := func(kind, name string) bool { return kind == ref.Kind && name == ref.Name }
	var volumes []string
	for _, v := range pod.Volumes {
		if shows(v, is) {
			volumes = append(volumes, v.Name)
		}
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		if readsEnv(c, is) {
			u.env = union(u.env, []string{c.Name})
		}
		for _, m := range c.VolumeMounts {
			switch {
			case !slices.Contains(volumes, m.Name):
			case m.SubPath != "" || m.SubPathExpr != "":
				u.subPath = union(u.subPath, []string{c.Name})
			default:
				u.files = union(u.files, []string{c.Name})
			}
		}
	}
	return u
}

// shows reports whether a volume has the files of an object.
func shows(v corev1.Volume, is func(kind, name string) bool) bool {
	if v.ConfigMap != nil && is("ConfigMap", v.ConfigMap.Name) || v.Secret != nil && is("Secret", v.Secret.SecretName) {
		return true
	}
	return v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(p corev1.VolumeProjection) bool {
		return p.ConfigMap != nil && is("ConfigMap", p.ConfigMap.Name) || p.Secret != nil && is("Secret", p.Secret.Name)
	})
}

// readsEnv reports whether a container's environment comes from an object.
func readsEnv(c corev1.Container, is func(kind, name string) bool) bool {
	return slices.ContainsFunc(c.EnvFrom, func(e corev1.EnvFromSource) bool {
		return e.ConfigMapRef != nil && is("ConfigMap", e.ConfigMapRef.Name) || e.SecretRef != nil && is("Secret", e.SecretRef.Name)
	}) || slices.ContainsFunc(c.Env, func(e corev1.EnvVar) bool {
		from := e.ValueFrom
		return from != nil && (from.ConfigMapKeyRef != nil && is("ConfigMap", from.ConfigMapKeyRef.Name) || from.SecretKeyRef != nil && is("Secret", from.SecretKeyRef.Name))
	})
}

// noTemplateChange says that nothing rolled, unless a changed configuration says it already.
func (s *facts) noTemplateChange(found []Finding) (Finding, bool) {
	explained := slices.ContainsFunc(found, func(f Finding) bool { return f.Code == "ConfigChangedWithoutRollout" })
	if explained || !s.sameTemplate() {
		return Finding{}, false
	}
	f := s.finding("NoTemplateChange")
	f.Confidence, f.FieldPath = Proven, s.podPath+".containers"
	f.Cause = "this run changed nothing in the pod template of " + s.w.Ref.String() + ", so it replaced no pod: what is wrong was so before, or comes from outside of the template (the same tag pushed again, a ConfigMap, the cluster)"
	f.Evidence = []Proof{{Type: "diff", Text: "the pod template is the same as before this run", Ref: s.w.Ref.String()}}
	if images := s.images(); len(images) > 0 {
		f.Evidence = append(f.Evidence, Proof{Type: "object", Text: "images: " + strings.Join(images, ", "), Ref: s.w.Ref.String()})
	}
	return f, true
}

func (s *facts) images() []string {
	var all []string
	for _, c := range s.template.Spec.Containers {
		all = union(all, []string{c.Image})
	}
	return all
}
