package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// startTests tell the errors apart with which a runtime refuses to start a process (runc through containerd, CRI-O or
// cri-dockerd).
var startTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"ExecFormatError", regexp.MustCompile(`(?i)exec format error`)},
	{"MountTargetConflict", regexp.MustCompile(`(?i)mount.*not a directory|are you trying to mount a directory onto a file`)},
	{"WorkingDirInvalid", regexp.MustCompile(`(?i)chdir to cwd|container init: mkdir \S+: not a directory`)},
	{"UserUnknown", regexp.MustCompile(`(?i)unable to find (user|group)|no users found|no matching entries in (passwd|group)|etc/passwd: no such file`)},
	{"CommandNotFound", regexp.MustCompile(`(?i)executable file not found in|exec: "?[^"]*"?: stat .*no such file or directory|exec: "?[^"]*"?: no such file or directory|no command specified`)},
	{"CommandNotExecutable", regexp.MustCompile(`(?i)exec: "?[^"]*"?: (permission denied|is a directory)|starting container process caused.*permission denied`)},
	{"SecurityProfileMissing", regexp.MustCompile(`(?i)apparmor|seccomp`)},
	{"ContainerNameReserved", regexp.MustCompile(`(?i)failed to reserve container name|name .* is reserved for`)},
	{"RuntimeTimeout", regexp.MustCompile(`(?i)deadline exceeded`)},
}

var (
	startWrapper = regexp.MustCompile(`(?s)^.*(unable to start container process|starting container process caused|OCI runtime create failed)( "[^"]*")?: (runc create failed: )?`)
	execName     = regexp.MustCompile(`exec: "([^"]+)"`)
)

// startReasons are the waiting reasons of a container that could not be created or started
// (pkg/kubelet/kuberuntime/kuberuntime_container.go).
var startReasons = map[string]bool{"CreateContainerError": true, "RunContainerError": true, "PostStartHookError": true}

// explainStart names what keeps a container from being made or its process from being started: the causes of
// CreateContainerConfigError in config.go, and CommandNotFound, CommandNotExecutable, ExecFormatError,
// MountTargetConflict, WorkingDirInvalid, UserUnknown, SecurityProfileMissing, ContainerNameReserved, RuntimeTimeout,
// PostStartHookFailed, ContainerStartFailed. The text is in the waiting state or, while the kubelet backs off, in the
// StartError of the last attempt.
func explainStart(s *scene) []Finding {
	var found []Finding
	for _, c := range s.containers {
		reason, text := c.waiting()
		if reason == "CreateContainerConfigError" {
			found = append(found, s.explainConfig(c, text)...)
			continue
		}
		t := c.terminated()
		if !startReasons[reason] && !neverStarted(c) || c.status.State.Running != nil {
			continue
		}
		if !startReasons[reason] {
			text = t.Message
		}
		code := startCode(reason, text)
		f := s.in(c, code)
		f.Count = startAttempts(s, c)
		if !startReasons[reason] {
			f.Evidence = []Proof{c.exitProof()}
		} else {
			f.Evidence = []Proof{c.statusProof()}
		}
		s.sayStart(&f, c, text)
		found = append(found, f)
	}
	return found
}

// neverStarted reports whether the last attempt ended before the process ran: containerd says StartError with exit
// code 128, cri-dockerd says ContainerCannotRun.
func neverStarted(c container) bool {
	t := c.terminated()
	return t != nil && (t.Reason == "StartError" || t.Reason == "ContainerCannotRun")
}

func startCode(reason, text string) string {
	if reason == "PostStartHookError" {
		return "PostStartHookFailed"
	}
	for _, t := range startTests {
		if t.text.MatchString(text) {
			return t.code
		}
	}
	return "ContainerStartFailed"
}

// startAttempts counts attempts. CRI-O fails when it creates the container, which counts no restart; then the events
// do, or the time: the kubelet tries again at every sync, at least once a minute and a half.
func startAttempts(s *scene, c container) int {
	n := int(c.status.RestartCount)
	if c.terminated() != nil {
		n++
	}
	n = max(n, 1, occurrences(s.eventsAbout(c, "Failed", "Error: ")))
	if started := c.pod.Status.StartTime; n < 2 && started != nil && s.now.Sub(started.Time) > 90*time.Second {
		n = 2
	}
	return n
}

// sayStart writes the sentence and the remedy.
func (s *scene) sayStart(f *Finding, c container, text string) {
	text = strings.TrimSuffix(text, `, message: ""`) // of a hook that printed nothing
	words := quote(strings.TrimSuffix(startWrapper.ReplaceAllString(text, ""), ": unknown"))
	command := c.spec.Name
	if m := execName.FindStringSubmatch(text); m != nil {
		command = m[1]
	}
	f.FieldPath = s.field(c, commandField(c))
	if old := s.before(c); old != nil && strings.Join(old.Command, " ") != strings.Join(c.spec.Command, " ") {
		f.Evidence = append(f.Evidence, diff("the command of container "+c.spec.Name, fmt.Sprintf("%q", old.Command), fmt.Sprintf("%q", c.spec.Command)))
	}
	switch f.Code {
	case "CommandNotFound":
		f.Detail = command
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("container %s cannot start: its image %s has no program %q", c.spec.Name, c.spec.Image, command)
		f.Fix = []string{"correct command or args, or the image's ENTRYPOINT", "check that the program is copied into the final build stage"}
		if strings.Contains(text, "no command specified") {
			f.Cause = fmt.Sprintf("container %s cannot start: neither the manifest nor image %s names a command", c.spec.Name, c.spec.Image)
			f.Fix = []string{"set command, or ENTRYPOINT in the image"}
		}
	case "CommandNotExecutable":
		f.Detail = command
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("container %s cannot start: %q may not be executed (%s)", c.spec.Name, command, words)
		f.Fix = []string{"make it executable in the image: chmod +x", "check securityContext.runAsUser: that user must be allowed to run it"}
	case "ExecFormatError":
		f.FieldPath = s.field(c, "image")
		f.Cause = fmt.Sprintf("container %s cannot start: the program in image %s is for another processor than the node%s, or a script without #! line", c.spec.Name, c.spec.Image, s.platform(c.pod))
		f.Fix = []string{"build the image for the node's architecture", "or choose nodes with nodeSelector kubernetes.io/arch"}
	case "MountTargetConflict":
		f.FieldPath = s.field(c, "volumeMounts")
		f.Cause = fmt.Sprintf("container %s cannot start: a directory is mounted over a file, or the other way round: %s", c.spec.Name, words)
		f.Fix = []string{"mount one file with subPath set to the key of the ConfigMap or Secret"}
	case "WorkingDirInvalid":
		f.FieldPath = s.field(c, "workingDir")
		f.Cause = fmt.Sprintf("container %s cannot start in its working directory %s: %s", c.spec.Name, c.spec.WorkingDir, words)
		f.Fix = []string{"correct workingDir, or WORKDIR in the image: it must be a directory that the user may enter"}
	case "UserUnknown":
		f.FieldPath = s.field(c, "image")
		f.Cause = fmt.Sprintf("container %s cannot start: image %s names a user that it does not define", c.spec.Name, c.spec.Image)
		f.Fix = []string{"set USER in the image to a number, or securityContext.runAsUser", "or add the user to the image's /etc/passwd"}
	case "SecurityProfileMissing":
		f.FieldPath = s.field(c, "securityContext")
		f.Cause = fmt.Sprintf("container %s cannot start: the node lacks its security profile: %s", c.spec.Name, words)
		f.Fix = []string{"install the profile on every node, or use RuntimeDefault"}
	case "PostStartHookFailed":
		f.FieldPath = s.field(c, "lifecycle.postStart")
		f.Cause = fmt.Sprintf("the postStart hook of container %s fails: %s", c.spec.Name, words)
		f.Fix = []string{"run the hook's command in the image by hand; it must exit 0"}
	case "ContainerNameReserved", "RuntimeTimeout":
		f.Confidence = Suspected
		f.Cause = fmt.Sprintf("the runtime on the node is too slow to start container %s: %s", c.spec.Name, words)
		f.Fix = []string{"look at disk and load of the node; delete the pod to have it placed elsewhere"}
	default:
		f.FieldPath = s.field(c, "")
		f.Cause = fmt.Sprintf("the node cannot start container %s: %s", c.spec.Name, words)
		f.Fix = []string{"compare with pods on other nodes: on one node only, it is the node"}
	}
}

// commandField is the field that named the program: the manifest's command, its args, or the image.
func commandField(c container) string {
	switch {
	case len(c.spec.Command) > 0:
		return "command"
	case len(c.spec.Args) > 0:
		return "args"
	}
	return "image"
}
