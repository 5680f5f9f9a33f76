package diagnosis

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// hints are last words of which the usual remedy is known. By themselves they change no verdict: a program may say them
// and recover. Where a field of the pod explains them as well, they leave no hope, and two ends will do; proves finds
// that field and says what it has to do with it.
var hints = []struct {
	detail string
	text   *regexp.Regexp
	fix    string
	proves func(s *facts, e exit, words string) (field, why string, ok bool)
}{
	{"PermissionDenied", regexp.MustCompile(`bind: permission denied|bind\(\) to .* failed \(13`), "listen on a port above 1023, or add capability NET_BIND_SERVICE", bindsAsUser},
	{"PortInUse", regexp.MustCompile(`(?i)address already in use|EADDRINUSE|only one usage of each socket address|bind\(\) to .* failed \(98`), "two processes want the same port: containers of a pod share its ports, and with hostNetwork those of the node", sharesNode},
	{"ReadOnlyFilesystem", regexp.MustCompile(`(?i)read-only file ?system|EROFS`), "let it write: mount an emptyDir at that path, or a volume that is not read-only", readOnlyRoot},
	{"AppRbacDenied", regexp.MustCompile(`is forbidden: User "system:serviceaccount:`), "grant the service account what the program asks of the API server", asServiceAccount},
	{"PermissionDenied", regexp.MustCompile(`(?i)permission denied|EACCES|EPERM|operation not permitted|access to the path .* is denied|AccessDeniedException`), "the user that the container runs as must own the path: set fsGroup for volumes, or chown it in the image", runsAsUser},
	{"MissingLibrary", regexp.MustCompile(`error while loading shared libraries|Error loading shared library|version .GLIBC(XX)?_[\d.]+. not found|UnsatisfiedLinkError`), "the image lacks a library that the program is linked with: build it on the same base image, or install the library", nil},
	{"MissingModule", regexp.MustCompile(`ModuleNotFoundError|Cannot find module|Cannot find package|ClassNotFoundException|NoClassDefFoundError|cannot load such file|no main manifest attribute|Could not find or load main class|Unable to access jarfile|Could not load file or assembly`), "the image lacks a part of the program: check what the build copies into its last stage, and the path in command or args", nil},
	{"SchemaMissing", regexp.MustCompile(`(?i)relation "[^"]+" does not exist|no such table|table '[^']+' doesn't exist|unknown column|column "?[\w.]+"? does not exist`), "run the database migration of this version before the program, in a Job or an init container", nil},
	{"AppConfigInvalid", regexp.MustCompile(`(?i)environment variable|env var|KeyError|must be set|is not set|is not specified|is required|required (option|value|field|key|flag)|missing required|unrecognized (argument|option)|unknown (shorthand )?(flag|option|argument|command|directive)|flag provided but not defined|no such file or directory|file not found|FileNotFound|ENOENT|yaml:|toml:|unexpected (token|end of JSON)|invalid character .* looking for|JSONDecodeError|cannot unmarshal|failed to parse|(parsing|parse) .*config|(bad|invalid|wrong|malformed|broken) (config|configuration|settings?|value|syntax|argument)|is not a (valid )?(duration|number|integer|boolean|port|URL|address|path)|(can(no|')t|could not|unable to) parse|strconv\.Parse\w+: parsing|NumberFormatException|ValueError: (invalid|could not convert)|could not resolve placeholder`), "compare its configuration with what this version expects: env, args, mounted files", configChanged},
}

// hint adds the remedy for last words that are known, and decides sooner where a field proves them.
func (s *facts) hint(f *Finding, e exit, words string) {
	for _, h := range hints {
		if !h.text.MatchString(words) {
			continue
		}
		f.Detail += ", " + h.detail
		f.Fix = append([]string{h.fix}, f.Fix...)
		if h.proves == nil {
			return
		}
		field, why, ok := h.proves(s, e, words)
		if field != "" {
			f.FieldPath = field
		}
		if why != "" {
			f.Cause += "; " + why
		}
		if ok && f.Terminal == TerminalAfter {
			f.Attempts = min(f.Attempts, 2)
		}
		return
	}
}

// bindsAsUser: a user other than root may not listen on a port below 1024 without NET_BIND_SERVICE.
func bindsAsUser(s *facts, e exit, words string) (field, why string, ok bool) {
	user, field := s.user(e.container)
	if user <= 0 {
		return s.field(e.container, ""), "", false
	}
	return field, fmt.Sprintf("it runs as user %d, who may not listen on a port below 1024", user), true
}

// runsAsUser: the manifest chose the user, and that user may not.
func runsAsUser(s *facts, e exit, words string) (field, why string, ok bool) {
	user, field := s.user(e.container)
	if user <= 0 {
		return s.field(e.container, ""), "", false
	}
	// A volume may be given to the user's group a moment later by whoever made it; the image stays as it is.
	path := mountOf(e.spec, words)
	if path != "" {
		return field, fmt.Sprintf("it runs as user %d, and %s is a mounted volume", user, path), false
	}
	return field, fmt.Sprintf("securityContext makes it run as user %d", user), true
}

// user is the user that the manifest makes a container run as, and the field that says so; 0 when the image decides.
func (s *facts) user(c container) (int64, string) {
	if sc := c.spec.SecurityContext; sc != nil && sc.RunAsUser != nil {
		return *sc.RunAsUser, s.field(c, "securityContext.runAsUser")
	}
	if sc := c.pod.Spec.SecurityContext; sc != nil && sc.RunAsUser != nil {
		return *sc.RunAsUser, s.podPath + ".securityContext.runAsUser"
	}
	return 0, s.field(c, "securityContext")
}

// mountOf is the mount of a container that a text names a path of.
func mountOf(c corev1.Container, text string) string {
	for _, m := range c.VolumeMounts {
		if len(m.MountPath) > 1 && strings.Contains(text, m.MountPath) {
			return m.MountPath
		}
	}
	return ""
}

// readOnlyRoot: the manifest made the file system read-only, or mounted the volume so.
func readOnlyRoot(s *facts, e exit, words string) (field, why string, ok bool) {
	for i, m := range e.spec.VolumeMounts {
		if m.ReadOnly && strings.Contains(words, m.MountPath) {
			return s.field(e.container, fmt.Sprintf("volumeMounts[%d].readOnly", i)), "volume " + m.Name + " is mounted readOnly at " + m.MountPath, true
		}
	}
	if sc := e.spec.SecurityContext; sc != nil && sc.ReadOnlyRootFilesystem != nil && *sc.ReadOnlyRootFilesystem && mountOf(e.spec, words) == "" {
		return s.field(e.container, "securityContext.readOnlyRootFilesystem"), "readOnlyRootFilesystem is set", true
	}
	if path := mountOf(e.spec, words); path != "" {
		return s.field(e.container, "volumeMounts"), "the volume at " + path + " cannot be written to", false
	}
	return s.field(e.container, ""), "", false
}

// asServiceAccount: the API server refused the very account that the pod has. What the same run applies may be on its
// way; roles and bindings need a moment to be seen.
func asServiceAccount(s *facts, e exit, words string) (field, why string, ok bool) {
	namespace, account, refused := messages.RefusedServiceAccount(words)
	field = s.podPath + ".serviceAccountName"
	if !refused || namespace != e.pod.Namespace || account != e.pod.Spec.ServiceAccountName {
		return field, "", false
	}
	granting := slices.ContainsFunc(s.Together, func(r manifest.Ref) bool {
		return strings.HasPrefix(r.Kind, "Role") || strings.HasPrefix(r.Kind, "ClusterRole")
	})
	return field, fmt.Sprintf("the API server refuses what service account %s asks", account), !granting
}

// sharesNode: with hostNetwork the ports are those of the node, where the old pod may still listen.
func sharesNode(s *facts, e exit, words string) (field, why string, ok bool) {
	if !e.pod.Spec.HostNetwork {
		return s.field(e.container, ""), "", false
	}
	field = s.podPath + ".hostNetwork"
	for _, p := range s.old {
		if p.Spec.NodeName == e.pod.Spec.NodeName {
			_, unavailable := s.surge()
			return field, fmt.Sprintf("hostNetwork shares the ports of node %s, where pod %s of the old version runs", p.Spec.NodeName, p.Name), unavailable == 0 && s.w.Ref.Kind == "Deployment"
		}
	}
	return field, "hostNetwork shares the ports of node " + e.pod.Spec.NodeName, len(s.leaving) == 0
}

// flags is how programs complain about what stands in args.
var flags = regexp.MustCompile(`(?i)(unknown|unrecognized|invalid) (shorthand )?(flag|option|argument|command)|flag provided but not defined`)

// configChanged: this rollout changed the very setting that the program now complains about. An image that expects more
// than the old one fails as surely, but then nothing in the manifest shows it.
func configChanged(s *facts, e exit, words string) (field, why string, ok bool) {
	field = s.field(e.container, "")
	for _, v := range e.spec.Env {
		if mentions(words, v.Name) {
			field = s.field(e.container, fmt.Sprintf("env[name=%s]", v.Name))
		}
	}
	env, args := s.settings(e.container)
	var parts []string
	for _, verb := range []string{"added", "removed", "changed"} {
		if names := env[verb]; len(names) > 0 {
			parts = append(parts, verb+" "+list(names))
			ok = ok || slices.ContainsFunc(names, func(n string) bool { return mentions(words, n) })
		}
	}
	if args && flags.MatchString(words) {
		return s.field(e.container, "args"), "this rollout changed its command line", true
	}
	for _, c := range s.Changed {
		if s.template != nil && reads(s.template.Spec, e.spec.Name, c.Object) {
			ok = ok || slices.ContainsFunc(c.Keys, func(k string) bool { return mentions(words, k) })
		}
	}
	if len(parts) > 0 {
		why = "this rollout changed its environment: " + strings.Join(parts, "; ")
	}
	return field, why, ok
}

// mentions reports whether a text has a name as a word.
func mentions(text, name string) bool {
	for i := strings.Index(text, name); name != "" && i >= 0; {
		end := i + len(name)
		if !wordAt(text, i-1) && !wordAt(text, end) {
			return true
		}
		next := strings.Index(text[end:], name)
		if next < 0 {
			return false
		}
		i = end + next
	}
	return false
}

func wordAt(text string, i int) bool {
	return i >= 0 && i < len(text) && (text[i] == '_' || text[i] >= '0' && text[i] <= '9' || text[i]|0x20 >= 'a' && text[i]|0x20 <= 'z')
}

// settings are the names of the environment variables of a container that this rollout added, removed or changed, and
// whether it changed the command line.
func (s *facts) settings(c container) (env map[string][]string, args bool) {
	env = map[string][]string{}
	for _, change := range s.changes() {
		rest, mine := strings.CutPrefix(change.Path, s.field(c, "")+".")
		name, isEnv := strings.CutPrefix(rest, "env[name=")
		switch {
		case !mine:
		case isEnv:
			name, below, _ := strings.Cut(name, "]")
			verb := "changed"
			if below == "" && s.hasEnv(c, name) {
				verb = "added"
			} else if below == "" {
				verb = "removed"
			}
			if !slices.Contains(env[verb], name) {
				env[verb] = append(env[verb], name)
			}
		case strings.HasPrefix(rest, "args"), strings.HasPrefix(rest, "command"):
			args = true
		}
	}
	return env, args
}

// hasEnv reports whether a container has an environment variable of that name.
func (s *facts) hasEnv(c container, name string) bool {
	return slices.ContainsFunc(c.spec.Env, func(v corev1.EnvVar) bool { return v.Name == name })
}
