package diagnosis

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var ruleStart = Rule{Family: "Starting", Find: explainStart, Causes: []Cause{
	{Code: "CommandNotFound", class: after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
		ReadsLogs: true,
		Meaning:   "The image does not have the program that the container should run, or not the interpreter that its script asks for.",
		Signals:   "`executable file not found`, `no such file or directory` or `no command specified` in a waiting container (`RunContainerError`, `CreateContainerError`) or in `StartError` (exit code 128) and `ContainerCannotRun` (127); or exit code 127 of a shell.",
		Remedy:    "Correct `command` or `args`, or copy the program into the final stage of the image; a script needs its interpreter and Unix line ends."},
	{Code: "CommandNotExecutable", class: after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
		ReadsLogs: true,
		Meaning:   "The program exists in the image, but the container's user may not execute it.",
		Signals:   "`permission denied` or `is a directory` behind the program's name in the runtime's text, or exit code 126 of a shell.",
		Remedy:    "Make the file executable in the image (`chmod +x`), and check that `runAsUser` may read it and the directories above it."},
	{Code: "ExecFormatError", class: after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
		ReadsLogs: true,
		Meaning:   "The node cannot execute the file: it is for another processor architecture, or a script without `#!` line.",
		Signals:   "`exec format error` in the runtime's text, in `terminated.message`, or in the log.",
		Remedy:    "Build the image for the node's architecture, or choose nodes with the label `kubernetes.io/arch`."},
	{Code: "MountTargetConflict", class: after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
		Meaning: "A directory is mounted where the image has a file, or a file where it has a directory.",
		Signals: "`not a directory` or `Are you trying to mount a directory onto a file` in the runtime's text about a mount.",
		Remedy:  "Mount a single file with `subPath` set to the key of the ConfigMap or Secret, or choose another `mountPath`."},
	{Code: "WorkingDirInvalid", class: after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
		Meaning: "The container's working directory is not a directory, or its user may not enter it.",
		Signals: "`chdir to cwd` in the runtime's text.",
		Remedy:  "Correct `workingDir`, or `WORKDIR` in the image."},
	{Code: "UserUnknown", class: after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
		Meaning: "The image asks to run as a user or group by a name that its /etc/passwd or /etc/group does not have.",
		Signals: "`unable to find user` or `no matching entries in passwd file` in the runtime's text.",
		Remedy:  "Add the user to the image, or set `USER` or `runAsUser` to a number."},
	{Code: "SecurityProfileMissing", class: after("start", LayerPod, ScopeNode, 2, 15*time.Second),
		Meaning: "The node does not have the seccomp or AppArmor profile that the container must run with.",
		Signals: "Text about `seccomp` or `apparmor` in a container that waits with `CreateContainerError` or `RunContainerError`.",
		Remedy:  "Install the profile on every node that may run the pod, or use the profile `RuntimeDefault`."},
	{Code: "ContainerNameReserved", class: atTimeout("start", LayerCluster, ScopeNode),
		Meaning: "The runtime still works on an earlier attempt to make the container, usually because the node's disk is slow.",
		Signals: "`failed to reserve container name` in a container that waits with `CreateContainerError`.",
		Remedy:  "Wait, or delete the pod so that it is placed anew; look at disk and load of the node."},
	{Code: "RuntimeTimeout", class: atTimeout("start", LayerCluster, ScopeNode),
		Meaning: "The runtime did not make or start the container in time; the node is overloaded.",
		Signals: "`context deadline exceeded` in a container that waits with `CreateContainerError` or `RunContainerError`.",
		Remedy:  "Look at disk and load of the node; delete the pod to have it placed elsewhere."},
	{Code: "PostStartHookFailed", class: after("start", LayerPod, ScopeSpec, 3, 10*time.Second),
		Meaning: "The container started, but its postStart hook failed, and the kubelet ends a container whose hook fails.",
		Signals: "Waiting reason `PostStartHookError`, or an event `FailedPostStartHook`; only the status has the hook's output.",
		Remedy:  "Run the command of `lifecycle.postStart` in the image by hand: it must exist and exit with 0."},
	{Code: "KubeletHookError", class: atTimeout("start", LayerCluster, ScopeNode),
		Meaning: "The kubelet itself could not prepare the container: its CPU, memory or device manager failed, not the manifest's hooks.",
		Signals: "Waiting reason `PreCreateHookError` or `PreStartHookError`, and an event that says `Internal PreCreateContainer hook failed` or `Internal PreStartContainer hook failed`.",
		Remedy:  "Look at the kubelet's log on the node and at its CPU and memory manager's state; delete the pod to have it placed elsewhere."},
	{Code: "ContainerStartFailed", class: after("start", LayerPod, ScopeNode, 3, 30*time.Second),
		Meaning: "The runtime cannot make or start the container, for a reason that is not among the known ones.",
		Signals: "Waiting reason `CreateContainerError` or `RunContainerError`, or `terminated.reason` `StartError` with exit code 128.",
		Remedy:  "Act on the runtime's words; if pods on other nodes start, the node is to blame."},
}}

// startTests tell the errors apart with which a runtime refuses to start a process: runc, crun and youki, through
// containerd, CRI-O or cri-dockerd. crun quotes a program with backticks, youki with apostrophes.
var startTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"ExecFormatError", regexp.MustCompile(`(?i)exec format error`)},
	{"MountTargetConflict", regexp.MustCompile(`(?i)mount.*not a directory|are you trying to mount a directory onto a file`)},
	{"WorkingDirInvalid", regexp.MustCompile(`(?i)chdir to cwd|container init: mkdir \S+: not a directory`)},
	{"UserUnknown", regexp.MustCompile(`(?i)unable to find (user|group)|no users found|no matching entries in (passwd|group)|etc/passwd: no such file`)},
	{"CommandNotFound", regexp.MustCompile(`(?i)executable file not found in|executable (file )?[\x60'"][^\x60'"]*[\x60'"] not found|exec: "?[^"]*"?: stat .*no such file or directory|exec: "?[^"]*"?: no such file or directory|exec /\S+: no such file or directory|exec user process caused:? "?no such file|no command specified`)},
	{"CommandNotExecutable", regexp.MustCompile(`(?i)exec: "?[^"]*"?: (permission denied|is a directory)|exec /\S+: permission denied|starting container process caused.*permission denied|open executable: permission denied|executable [\x60'"][^\x60'"]*[\x60'"] .*(permission|not executable)|path .* is not executable`)},
	{"SecurityProfileMissing", regexp.MustCompile(`(?i)apparmor|seccomp`)},
	{"ContainerNameReserved", regexp.MustCompile(`(?i)failed to reserve container name|name .* is reserved for`)},
	{"RuntimeTimeout", regexp.MustCompile(`(?i)deadline exceeded`)},
}

var (
	startWrapper = regexp.MustCompile(`(?s)^.*(unable to start container process|starting container process caused|OCI runtime create failed)( "[^"]*")?: (runc create failed: )?`)
	execName     = regexp.MustCompile(`exec: "([^"]+)"|executable (?:file )?[\x60'"]([^\x60'"]+)[\x60'"]|exec (/[^\s:]+): `)
)

// startReasons are the waiting reasons of a container that could not be created or started
// (pkg/kubelet/kuberuntime/kuberuntime_container.go).
var startReasons = map[string]bool{
	"CreateContainerError": true, "RunContainerError": true, "PostStartHookError": true,
	"PreCreateHookError": true, "PreStartHookError": true,
}

// explainStart names what keeps a container from being made or its process from being started: the causes of
// CreateContainerConfigError in config.go, and CommandNotFound, CommandNotExecutable, ExecFormatError,
// MountTargetConflict, WorkingDirInvalid, UserUnknown, SecurityProfileMissing, ContainerNameReserved, RuntimeTimeout,
// PostStartHookFailed, KubeletHookError, ContainerStartFailed. The text is in the waiting state or, while the kubelet backs off, in the
// StartError of the last attempt.
func explainStart(s *facts) []Finding {
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
	switch reason {
	case "PostStartHookError":
		return "PostStartHookFailed"
	case "PreCreateHookError", "PreStartHookError":
		return "KubeletHookError"
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
func startAttempts(s *facts, c container) int {
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
func (s *facts) sayStart(f *Finding, c container, text string) {
	text = strings.TrimSuffix(text, `, message: ""`) // of a hook that printed nothing
	words := quote(strings.TrimSuffix(startWrapper.ReplaceAllString(text, ""), ": unknown"))
	command := "the program of the image"
	if len(c.spec.Command) > 0 {
		command = c.spec.Command[0]
	}
	if m := execName.FindStringSubmatch(text); m != nil {
		command = cmp.Or(m[1], m[2], m[3])
	}
	f.FieldPath = s.field(c, commandField(c))
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
		f.FieldPath, f.Detail = s.profile(c, text)
		f.Cause = fmt.Sprintf("container %s cannot start: node %s lacks its security profile: %s", c.spec.Name, c.pod.Spec.NodeName, words)
		f.Fix = []string{"install the profile on every node that may run the pod, or use type RuntimeDefault"}
	case "PostStartHookFailed":
		f.FieldPath = s.field(c, "lifecycle.postStart")
		f.Cause = fmt.Sprintf("the postStart hook of container %s fails: %s", c.spec.Name, words)
		f.Fix = []string{"run the hook's command in the image by hand; it must exit 0"}
	case "KubeletHookError":
		f.FieldPath = s.field(c, "")
		f.Cause = fmt.Sprintf("the kubelet of node %s cannot prepare container %s, before anything of the container ran: %s", c.pod.Spec.NodeName, c.spec.Name, words)
		f.Fix = []string{"look at the kubelet's log on node " + c.pod.Spec.NodeName + ": its CPU, memory or device manager failed", "delete the pod to have it placed elsewhere"}
		f.Evidence = append(f.Evidence, proofs(s.eventsAbout(c, "Failed", "Internal Pre"), 1)...)
	case "ContainerNameReserved", "RuntimeTimeout":
		f.FieldPath = s.field(c, "")
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

// profile is the field that asks for the security profile that a text is about, and the profile's name.
func (s *facts) profile(c container, text string) (field, name string) {
	of := func(path string, seccomp *corev1.SeccompProfile, armor *corev1.AppArmorProfile) bool {
		switch {
		case strings.Contains(strings.ToLower(text), "apparmor") && armor != nil:
			field = path + ".appArmorProfile"
			if armor.LocalhostProfile != nil {
				name = *armor.LocalhostProfile
			}
		case strings.Contains(strings.ToLower(text), "seccomp") && seccomp != nil:
			field = path + ".seccompProfile"
			if seccomp.LocalhostProfile != nil {
				name = *seccomp.LocalhostProfile
			}
		default:
			return false
		}
		return true
	}
	if sc := c.spec.SecurityContext; sc != nil && of(s.field(c, "securityContext"), sc.SeccompProfile, sc.AppArmorProfile) {
		return field, name
	}
	if sc := c.pod.Spec.SecurityContext; sc != nil && of(s.podPath+".securityContext", sc.SeccompProfile, sc.AppArmorProfile) {
		return field, name
	}
	return s.field(c, "securityContext"), ""
}
