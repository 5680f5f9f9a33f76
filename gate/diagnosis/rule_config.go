package diagnosis

import (
	"fmt"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var ruleConfig = Rule{Family: "Configuration", Causes: []Cause{
	{Code: "ConfigMapNotFound", class: after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
		LooksUp: []string{"ConfigMap"}, MayArrive: true, InUndo: "UndoConfigDrift",
		Meaning: "A container takes its environment from a ConfigMap that does not exist in the namespace.",
		Signals: "Waiting reason `CreateContainerConfigError` with the text `configmap \"x\" not found`.",
		Remedy:  "Create the ConfigMap or correct its name in `env` or `envFrom`; mark the reference `optional: true` if the program can do without."},
	{Code: "SecretNotFound", class: after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
		LooksUp: []string{"Secret"}, MayArrive: true, InUndo: "UndoConfigDrift",
		Meaning: "A container takes its environment from a Secret that does not exist in the namespace.",
		Signals: "Waiting reason `CreateContainerConfigError` with the text `secret \"x\" not found`.",
		Remedy:  "Create the Secret, or see why the operator that should make it did not; correct its name, or mark the reference `optional: true`."},
	{Code: "ConfigKeyNotFound", class: after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
		LooksUpKeys: true, MayArrive: true, InUndo: "UndoConfigDrift",
		Meaning: "A ConfigMap or Secret that a container takes a variable from exists, but does not have the key.",
		Signals: "Waiting reason `CreateContainerConfigError` with the text `couldn't find key k in ConfigMap ns/x` (or Secret).",
		Remedy:  "Add the key or correct its name in `configMapKeyRef.key` or `secretKeyRef.key`; mark the reference `optional: true` if the program can do without."},
	{Code: "RunAsNonRootViolation", class: after("start", LayerPod, ScopeSpec, 1, 10*time.Second),
		Meaning: "The container must not run as root, but its image does, or names its user so that this cannot be checked.",
		Signals: "Waiting reason `CreateContainerConfigError` with `container has runAsNonRoot and image will run as root`, `image has non-numeric user`, or `runAsUser breaks non-root policy`.",
		Remedy:  "Set `securityContext.runAsUser` to a number other than 0, or `USER` in the image to such a number."},
	{Code: "SubPathFailed", class: after("start", LayerPod, ScopeSpec, 3, 30*time.Second),
		InUndo:  "UndoConfigDrift",
		Meaning: "The part of a volume that a container mounts with subPath cannot be prepared: it is absent, leads out of the volume, or cannot be made.",
		Signals: "Waiting reason `CreateContainerConfigError` with `failed to prepare subPath for volumeMount` or `failed to create subPath directory`.",
		Remedy:  "Check that the path exists in the volume, that it stays inside, and that the volume may be written to."},
	{Code: "ContainerConfigFailed", class: after("start", LayerPod, ScopeSpec, 3, time.Minute),
		Meaning: "The kubelet cannot put the container's configuration together, for a reason that is not among the known ones.",
		Signals: "Waiting reason `CreateContainerConfigError` with any other text.",
		Remedy:  "Act on the kubelet's words; they name the volume, variable or field."},
}}

// together is the patience for an object that the same run applies: it is on its way.
const together = time.Minute

// explainConfig names what CreateContainerConfigError means: ConfigMapNotFound, SecretNotFound, ConfigKeyNotFound,
// RunAsNonRootViolation, SubPathFailed, ContainerConfigFailed. A kubelet whose cache lags says nothing about the
// manifest, so that is no finding.
func (s *facts) explainConfig(c container, text string) []Finding {
	if messages.SaysKubeletLags(text) {
		return nil
	}
	f := s.in(c, "ContainerConfigFailed")
	f.Cause = fmt.Sprintf("the node cannot prepare container %s: %s", c.spec.Name, quote(text))
	f.Count = startAttempts(s, c)
	f.Fix = []string{"correct what the kubelet names, in env, volumeMounts or securityContext of the container"}
	if m, ok := messages.MissingObject(text); ok {
		f = s.missingObject(s.in(c, ""), m.Kind, m.Name)
		field, takes := envField(c, m.Kind, m.Name, "")
		f.FieldPath = s.field(c, field)
		f.Cause = fmt.Sprintf("container %s %s %s %s, which does not exist in namespace %s%s", c.spec.Name, takes, m.Kind, m.Name, s.w.Ref.Namespace, meant(m.Name, s.Names[m.Kind]))
	} else if m, ok := messages.MissingKey(text); ok {
		f = s.missingKey(c, m.Kind, m.Name, m.Key)
	} else if user, ok := messages.ParseRootUser(text); ok {
		f = s.asRoot(c, user)
	} else if volume, ok := messages.SubPath(text); ok {
		f = s.in(c, "SubPathFailed")
		f.Count = startAttempts(s, c)
		f.FieldPath = s.field(c, "volumeMounts")
		if volume != "" {
			f.Detail = volume
			f.FieldPath = s.field(c, subPathField(c, volume))
		}
		f.Cause = fmt.Sprintf("the node cannot prepare a subPath for container %s: %s", c.spec.Name, quote(text))
		f.Fix = []string{"check that the path exists in the volume and that the volume is writable"}
	}
	f.Evidence = []Proof{c.statusProof()}
	return []Finding{f}
}

// missingKey is a reference to a key that its ConfigMap or Secret does not have. The keys of a Secret are nobody's
// business; those of a ConfigMap are told.
func (s *facts) missingKey(c container, kind, name, key string) Finding {
	ref := manifest.Ref{Kind: kind, Namespace: s.w.Ref.Namespace, Name: name}
	f := s.in(c, "ConfigKeyNotFound")
	if _, known := s.Keys[ref]; !known {
		s.patient(&f, kind, name)
	}
	f.Confidence = Proven
	f.Detail = kind + "/" + name + "#" + key
	field, takes := envField(c, kind, name, key)
	f.FieldPath = s.field(c, field)
	f.Cause = fmt.Sprintf("container %s %s key %s of %s %s, which has no such key", c.spec.Name, takes, key, kind, name)
	if keys, known := s.Keys[ref]; known && kind == "ConfigMap" {
		hint := meant(key, keys)
		switch {
		case hint != "":
			f.Cause += hint
		case len(keys) == 0:
			f.Cause += "; it is empty"
		default:
			f.Cause += "; it has " + list(keys)
		}
	}
	f.Fix = []string{fmt.Sprintf("add key %s to the %s, or correct the key's name", key, kind), "mark the reference optional: true if the program can do without"}
	return f
}

// asRoot is a container that may not run as root and would, or might.
func (s *facts) asRoot(c container, user messages.RootUser) Finding {
	f := s.in(c, "RunAsNonRootViolation")
	f.Confidence = Proven
	f.FieldPath = s.field(c, "securityContext.runAsUser")
	f.Cause = fmt.Sprintf("container %s must not run as root (runAsNonRoot), but image %s runs as root", c.spec.Name, c.spec.Image)
	f.Fix = []string{"set securityContext.runAsUser to a number other than 0", "or set USER to such a number in the image"}
	if user.Named != "" {
		f.Cause = fmt.Sprintf("container %s must not run as root (runAsNonRoot), and that cannot be checked: image %s names its user %q instead of a number", c.spec.Name, c.spec.Image, user.Named)
	}
	if user.Asked {
		_, f.FieldPath = s.user(c)
		f.Cause = fmt.Sprintf("container %s must not run as root (runAsNonRoot), but runAsUser asks for just that", c.spec.Name)
		f.Fix = []string{"set runAsUser to a number other than 0, or remove runAsNonRoot"}
	}
	return f
}

// subPathField is the mount of a volume with a subPath.
func subPathField(c container, volume string) string {
	for i, m := range c.spec.VolumeMounts {
		if m.Name == volume && m.SubPath != "" {
			return fmt.Sprintf("volumeMounts[%d].subPath", i)
		}
		if m.Name == volume && m.SubPathExpr != "" {
			return fmt.Sprintf("volumeMounts[%d].subPathExpr", i)
		}
	}
	return "volumeMounts"
}

// missingObject turns f into ConfigMapNotFound or SecretNotFound.
func (s *facts) missingObject(f Finding, kind, name string) Finding {
	kept := f
	f = s.finding(kind + "NotFound")
	s.patient(&f, kind, name)
	f.Object, f.Container, f.pods, f.PodsAffected, f.Nodes, f.FirstSeen = kept.Object, kept.Container, kept.pods, kept.PodsAffected, kept.Nodes, kept.FirstSeen
	f.initial, f.injected, f.served = kept.initial, kept.injected, kept.served
	f.Confidence = Proven
	f.Detail = name
	f.Fix = []string{
		fmt.Sprintf("create %s %s in namespace %s, or correct the name", kind, name, s.w.Ref.Namespace),
		"apply it together with the workload, or mark the reference optional: true if the program can do without",
	}
	if near := similar(name, s.Names[kind]); len(near) > 0 {
		f.Fix = append([]string{fmt.Sprintf("write %s instead of %s, if that is what was meant", near[0], name)}, f.Fix...)
	}
	if s.togetherWith(kind, name) {
		f.Fix[0] = fmt.Sprintf("find out why %s %s, which this run applied, is not there: another namespace, or deleted since", kind, name)
	}
	return f
}

// patient gives a reference more time when its object is applied in the same run.
func (s *facts) patient(f *Finding, kind, name string) {
	if s.togetherWith(kind, name) {
		f.After = max(f.After, together)
	}
}

func (s *facts) togetherWith(kind, name string) bool {
	for _, r := range s.Together {
		if r.Kind == kind && r.Name == name {
			return true
		}
	}
	return false
}

// envField finds the field of a container that refers to an object (and key), env[name=X].valueFrom… or envFrom[0], and
// says in words what the container takes from it.
func envField(c container, kind, name, key string) (field, takes string) {
	for _, e := range c.spec.Env {
		if e.ValueFrom == nil {
			continue
		}
		takes = "takes variable " + e.Name + " from"
		if r := e.ValueFrom.ConfigMapKeyRef; r != nil && required(r.Optional) && kind == "ConfigMap" && r.Name == name && (key == "" || r.Key == key) {
			return fmt.Sprintf("env[name=%s].valueFrom.configMapKeyRef.%s", e.Name, part(key)), takes
		}
		if r := e.ValueFrom.SecretKeyRef; r != nil && required(r.Optional) && kind == "Secret" && r.Name == name && (key == "" || r.Key == key) {
			return fmt.Sprintf("env[name=%s].valueFrom.secretKeyRef.%s", e.Name, part(key)), takes
		}
	}
	for i, e := range c.spec.EnvFrom {
		if r := e.ConfigMapRef; r != nil && required(r.Optional) && kind == "ConfigMap" && r.Name == name {
			return fmt.Sprintf("envFrom[%d].configMapRef.name", i), "takes its environment from"
		}
		if r := e.SecretRef; r != nil && required(r.Optional) && kind == "Secret" && r.Name == name {
			return fmt.Sprintf("envFrom[%d].secretRef.name", i), "takes its environment from"
		}
	}
	return "env", "needs"
}

// required reports whether a reference is not marked optional.
func required(optional *bool) bool { return optional == nil || !*optional }

func part(key string) string {
	if key == "" {
		return "name"
	}
	return "key"
}
