package diagnosis

import (
	"fmt"
	"regexp"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// The kubelet's words for what an environment refers to (pkg/kubelet/kubelet_pods.go, makeEnvironmentVariables) and
// for users (pkg/kubelet/kuberuntime/security_context_others.go).
var (
	objectMissing = regexp.MustCompile(`(?i)(configmap|secret) "([^"]+)" not found`)
	keyMissing    = regexp.MustCompile(`couldn't find key (\S+) in (ConfigMap|Secret) \S*?/?([^/\s]+)$`)
	rootImage     = regexp.MustCompile(`runAsNonRoot and image (will run as root|has non-numeric user \(([^)]*)\))`)
	cacheLag      = regexp.MustCompile(`failed to sync (configmap|secret) cache`)
	subPath       = regexp.MustCompile(`(?i)subPath`)
)

// together is the patience for an object that the same run applies: it is on its way.
const together = time.Minute

// explainConfig names what CreateContainerConfigError means: ConfigMapNotFound, SecretNotFound, ConfigKeyNotFound,
// RunAsNonRootViolation, SubPathFailed, ContainerConfigFailed. A kubelet whose cache lags says nothing about the
// manifest, so that is no finding.
func (s *scene) explainConfig(c container, text string) []Finding {
	if cacheLag.MatchString(text) {
		return nil
	}
	f := s.in(c, "ContainerConfigFailed")
	f.Cause = fmt.Sprintf("the node cannot prepare container %s: %s", c.spec.Name, quote(text))
	f.Count = startAttempts(s, c)
	if m := objectMissing.FindStringSubmatch(text); m != nil {
		f = s.missingObject(s.in(c, ""), m[1], m[2])
		f.FieldPath = s.field(c, envField(c, kindOf(m[1]), m[2], ""))
		f.Cause = fmt.Sprintf("container %s needs %s %s, which does not exist in namespace %s", c.spec.Name, kindOf(m[1]), m[2], s.w.Ref.Namespace)
	} else if m := keyMissing.FindStringSubmatch(text); m != nil {
		f = s.patient(s.in(c, "ConfigKeyNotFound"), manifest.Ref{Kind: m[2], Namespace: s.w.Ref.Namespace, Name: m[3]})
		f.Confidence = Proven
		f.Detail = m[2] + "/" + m[3] + "#" + m[1]
		f.FieldPath = s.field(c, envField(c, m[2], m[3], m[1]))
		f.Cause = fmt.Sprintf("container %s needs key %s of %s %s, which has no such key", c.spec.Name, m[1], m[2], m[3])
		f.Fix = []string{fmt.Sprintf("add key %s to the %s, or correct the key's name", m[1], m[2]), "mark the reference optional: true if the program can do without"}
	} else if m := rootImage.FindStringSubmatch(text); m != nil {
		f = s.in(c, "RunAsNonRootViolation")
		f.Confidence = Proven
		f.FieldPath = s.field(c, "securityContext.runAsUser")
		f.Cause = fmt.Sprintf("container %s must not run as root (runAsNonRoot), but image %s runs as root", c.spec.Name, c.spec.Image)
		if m[2] != "" {
			f.Cause = fmt.Sprintf("container %s must not run as root (runAsNonRoot), and that cannot be checked: image %s names its user %q instead of a number", c.spec.Name, c.spec.Image, m[2])
		}
		f.Fix = []string{"set securityContext.runAsUser to a number other than 0", "or set USER to such a number in the image"}
	} else if subPath.MatchString(text) {
		f = s.in(c, "SubPathFailed")
		f.FieldPath = s.field(c, "volumeMounts")
		f.Cause = fmt.Sprintf("the node cannot prepare a subPath for container %s: %s", c.spec.Name, quote(text))
		f.Fix = []string{"check that the path exists in the volume and that the volume is writable"}
	}
	f.Evidence = []Proof{c.statusProof()}
	return []Finding{f}
}

// missingObject turns f into ConfigMapNotFound or SecretNotFound.
func (s *scene) missingObject(f Finding, kind, name string) Finding {
	kind = kindOf(kind)
	kept := f
	f = s.patient(s.finding(kind+"NotFound"), manifest.Ref{Kind: kind, Namespace: s.w.Ref.Namespace, Name: name})
	f.Object, f.Container, f.pods, f.PodsAffected, f.Nodes, f.FirstSeen = kept.Object, kept.Container, kept.pods, kept.PodsAffected, kept.Nodes, kept.FirstSeen
	f.initial, f.injected, f.served = kept.initial, kept.injected, kept.served
	f.Confidence = Proven
	f.Detail = name
	f.Fix = []string{
		fmt.Sprintf("create %s %s in namespace %s, or correct the name", kind, name, s.w.Ref.Namespace),
		"apply it together with the workload, or mark the reference optional: true if the program can do without",
	}
	if s.togetherWith(kind, name) {
		f.Fix[0] = fmt.Sprintf("find out why %s %s, which this run applied, is not there: another namespace, or deleted since", kind, name)
	}
	return f
}

// patient gives a reference more time when its object is applied in the same run.
func (s *scene) patient(f Finding, ref manifest.Ref) Finding {
	if s.togetherWith(ref.Kind, ref.Name) {
		f.After = max(f.After, together)
	}
	return f
}

func (s *scene) togetherWith(kind, name string) bool {
	for _, r := range s.Together {
		if r.Kind == kind && r.Name == name {
			return true
		}
	}
	return false
}

// kindOf spells a kind that a message wrote in lower case.
func kindOf(word string) string {
	if len(word) > 0 && (word[0] == 's' || word[0] == 'S') {
		return "Secret"
	}
	return "ConfigMap"
}

// envField finds the field of a container that refers to an object (and key): env[name=X].valueFrom… or envFrom[0].
func envField(c container, kind, name, key string) string {
	for _, e := range c.spec.Env {
		if e.ValueFrom == nil {
			continue
		}
		if r := e.ValueFrom.ConfigMapKeyRef; r != nil && kind == "ConfigMap" && r.Name == name && (key == "" || r.Key == key) {
			return fmt.Sprintf("env[name=%s].valueFrom.configMapKeyRef.%s", e.Name, part(key))
		}
		if r := e.ValueFrom.SecretKeyRef; r != nil && kind == "Secret" && r.Name == name && (key == "" || r.Key == key) {
			return fmt.Sprintf("env[name=%s].valueFrom.secretKeyRef.%s", e.Name, part(key))
		}
	}
	for i, e := range c.spec.EnvFrom {
		if r := e.ConfigMapRef; r != nil && kind == "ConfigMap" && r.Name == name {
			return fmt.Sprintf("envFrom[%d].configMapRef.name", i)
		}
		if r := e.SecretRef; r != nil && kind == "Secret" && r.Name == name {
			return fmt.Sprintf("envFrom[%d].secretRef.name", i)
		}
	}
	return "env"
}

func part(key string) string {
	if key == "" {
		return "name"
	}
	return "key"
}
