package diagnosis

import (
	"fmt"
	"math/bits"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// exit is a container that ended during this rollout.
type exit struct {
	container
	end   corev1.ContainerStateTerminated
	times int // how often it ended
	kills []Event
}

// explainExit names why programs end: AppCrash, NativeCrash, SeccompKilled, OomKilled, SuspectedOom, CommandCompleted,
// LivenessKilled, StartupProbeKilled, RuntimeLostContainer, ExecFormatError, CommandNotFound and CommandNotExecutable
// (as a shell says it, 127 and 126), PostStartHookFailed (the kubelet ends a container whose hook failed),
// InitContainerFailing for all of these in an init container, and RestartedThenReady for what healed.
func explainExit(s *scene) []Finding {
	var found []Finding
	for _, c := range s.containers {
		if e, ok := s.exitOf(c); ok {
			found = append(found, s.explainOne(e))
		}
	}
	if s.w.Ref.Kind != "Pod" {
		return found
	}
	for _, c := range s.failedContainers() { // of a pod that nobody starts again
		if e, ok := s.exitOf(c); ok {
			f := s.explainOne(e)
			f.Attempts, f.PodsTotal = 1, 1
			found = append(found, f)
		}
	}
	return found
}

// exitOf decides whether a container's last end belongs to this rollout and is worth a word.
func (s *scene) exitOf(c container) (exit, bool) {
	t := c.terminated()
	if t == nil || !s.fresh(t.FinishedAt.Time) || neverStarted(c) || t.Reason == "RestartingAllContainers" {
		return exit{}, false
	}
	if reason, _ := c.waiting(); startReasons[reason] || imageReasons[reason] || reason == "CreateContainerConfigError" {
		return exit{}, false // what it waits for now is the trouble
	}
	if t.ExitCode == 0 && (c.initial && !c.sidecar || s.isJob() || c.pod.Spec.RestartPolicy != corev1.RestartPolicyAlways) {
		return exit{}, false
	}
	e := exit{container: c, end: *t, times: s.ends(c)}
	e.kills = s.eventsAbout(c, "Killing", " probe, will be restarted")
	return e, true
}

// backOff is the kubelet's word for how long it waits before it starts a container again.
var backOff = regexp.MustCompile(`back-off (\S+) restarting failed`)

// ends counts how often a container ended in this rollout. A pod that is older than the rollout has restarts from
// before in its count; its back-off, which doubles from ten seconds, tells the recent ones.
func (s *scene) ends(c container) int {
	if s.fresh(c.pod.CreationTimestamp.Time) {
		n := int(c.status.RestartCount)
		if c.status.State.Running == nil {
			n++
		}
		return max(n, 1)
	}
	_, message := c.waiting()
	if m := backOff.FindStringSubmatch(message); m != nil {
		if d, err := time.ParseDuration(m[1]); err == nil {
			return bits.Len(uint(d / (10 * time.Second)))
		}
	}
	return 1
}

// explainOne decodes one exit. The order matters: the API's own word for it, then who killed it, then the exit code.
func (s *scene) explainOne(e exit) Finding {
	code := s.exitCode(e)
	f := s.in(e.container, code)
	f.Count = e.times
	f.FirstSeen = e.end.FinishedAt.Time
	f.Evidence = append([]Proof{e.exitProof()}, s.logProof(e.container)...)
	words := s.words(e.container)
	switch code {
	case "OomKilled", "SuspectedOom":
		s.sayMemory(&f, e)
	case "LivenessKilled", "StartupProbeKilled":
		s.sayKilled(&f, e)
	default:
		s.sayExit(&f, e, words)
	}
	if e.initial && !e.sidecar {
		f = s.initFinding(f, e)
	}
	return s.mood(f, e)
}

// exitCode is the code for an exit.
func (s *scene) exitCode(e exit) string {
	words := s.words(e.container) + "\n" + e.end.Message
	switch t := e.end; {
	case t.Reason == "OOMKilled":
		return "OomKilled"
	case t.Reason == "ContainerStatusUnknown", t.Reason == "Unknown" && t.ExitCode == 255:
		return "RuntimeLostContainer"
	case len(s.eventsAbout(e.container, "FailedPostStartHook", "")) > 0:
		return "PostStartHookFailed"
	case len(e.kills) > 0 && strings.Contains(e.kills[len(e.kills)-1].Message, "startup probe"):
		return "StartupProbeKilled"
	case len(e.kills) > 0:
		return "LivenessKilled"
	case strings.Contains(words, "exec format error"):
		return "ExecFormatError"
	case t.ExitCode == 0:
		return "CommandCompleted"
	case t.ExitCode == 126 && strings.Contains(strings.ToLower(words), "permission denied"):
		return "CommandNotExecutable"
	case t.ExitCode == 127:
		return "CommandNotFound"
	case t.ExitCode == 137 && !e.spec.Resources.Limits.Memory().IsZero():
		return "SuspectedOom"
	case signals[t.ExitCode] != "" && t.ExitCode != 137 && t.ExitCode != 143 && t.ExitCode != 130:
		return "NativeCrash"
	case t.ExitCode == 159:
		return "SeccompKilled"
	}
	return "AppCrash"
}

// signals are exit codes of 128 plus a signal's number.
var signals = map[int32]string{
	130: "SIGINT", 132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL", 139: "SIGSEGV",
	143: "SIGTERM",
}

// mood is how much an exit means at this moment: a container that runs again may be well now, and a Job retries.
func (s *scene) mood(f Finding, e exit) Finding {
	f.Signature = signature(e)
	running := e.status.State.Running
	if s.isJob() && f.Terminal == TerminalAfter {
		f.Terminal = TerminalTimeout
		return f
	}
	if running == nil || len(e.kills) > 0 && !e.status.Ready {
		return f
	}
	// It is well when it has run for longer than the attempt that failed.
	if e.status.Ready && s.now.Sub(running.StartedAt.Time) > lasted(&e.end)+10*time.Second {
		f.Code, f.Detail, f.Confidence, f.Terminal = "RestartedThenReady", "", Proven, TerminalContext
		f.Cause = fmt.Sprintf("container %s restarted %s and is ready now", e.spec.Name, plural(e.times, "time"))
		f.Fix = nil
		return f
	}
	f.Terminal = TerminalTimeout
	if e.status.Ready && e.times < f.Attempts {
		f.Terminal = TerminalContext
	}
	return f
}

// signature tells whether two attempts ended alike. Numbers in the message differ with time and addresses.
func signature(e exit) string {
	return fmt.Sprintf("%s/%d/%s", e.end.Reason, e.end.ExitCode, digits.ReplaceAllString(e.end.Message, "#"))
}

// sayExit writes the sentence for a program that ended by itself.
func (s *scene) sayExit(f *Finding, e exit, words string) {
	name, when := e.spec.Name, afterStart(lasted(&e.end))
	f.Detail = fmt.Sprintf("exit code %d", e.end.ExitCode)
	restarts := plural(int(e.status.RestartCount), "restart")
	if s.isJob() {
		restarts = plural(e.times, "attempt")
	}
	f.Cause = fmt.Sprintf("container %s exits with code %d%s (%s)", name, e.end.ExitCode, when, restarts)
	if sig := signals[e.end.ExitCode]; sig != "" {
		f.Cause = fmt.Sprintf("container %s is ended by %s%s (%s)", name, sig, when, restarts)
	}
	previous := "--previous "
	if e.status.LastTerminationState.Terminated == nil || e.status.State.Terminated != nil {
		previous = ""
	}
	f.Fix = []string{fmt.Sprintf("read the log of the attempt that ended: kubectl logs %s-n %s -c %s %s", previous, e.pod.Namespace, name, e.pod.Name)}
	switch f.Code {
	case "CommandCompleted":
		f.FieldPath = s.field(e.container, commandField(e.container))
		f.Cause = fmt.Sprintf("container %s ends by itself with exit code 0%s (%s): its command finishes instead of serving", name, when, restarts)
		f.Fix = []string{"start the program in the foreground, not as a daemon", "for work that is meant to end use a Job"}
		return
	case "ExecFormatError":
		f.FieldPath = s.field(e.container, "image")
		f.Cause = fmt.Sprintf("the program in image %s of container %s is for another processor than the node%s, or a script without #! line", e.spec.Image, name, s.platform(e.pod))
		f.Fix = []string{"build the image for the node's architecture", "or choose nodes with nodeSelector kubernetes.io/arch"}
		return
	case "PostStartHookFailed":
		hooks := s.eventsAbout(e.container, "FailedPostStartHook", "")
		f.FieldPath, f.Detail = s.field(e.container, "lifecycle.postStart"), ""
		f.Cause = fmt.Sprintf("the kubelet ends container %s because its postStart hook fails (%s)", name, restarts)
		f.Evidence = append(proofs(hooks, 1), f.Evidence...)
		f.Fix = []string{"run the hook's command in the image by hand; it must exit 0"}
		return
	case "CommandNotFound", "CommandNotExecutable":
		f.FieldPath = s.field(e.container, commandField(e.container))
		f.Fix = []string{"correct the command, or put the program into the image and make it executable", "a script needs its interpreter in the image, and Unix line ends"}
	case "NativeCrash":
		f.FieldPath = s.field(e.container, "image")
		f.Fix = append(f.Fix, "compare with the image before this change: the crash is in native code")
		if e.end.ExitCode == 132 {
			f.Fix = []string{"build for an older processor: the node's lacks an instruction that the program uses"}
		}
	case "SeccompKilled":
		f.FieldPath = s.field(e.container, "securityContext.seccompProfile")
		f.Fix = []string{"allow the system call in the seccomp profile"}
	case "RuntimeLostContainer":
		f.Cause = fmt.Sprintf("the node lost container %s: its runtime or the node restarted", name)
		f.Fix = []string{"look at node " + e.pod.Spec.NodeName}
	}
	if words == "" {
		if f.Code == "AppCrash" {
			f.Cause += "; it left no message"
		}
		return
	}
	f.Cause += ": " + words
	if f.Code == "AppCrash" {
		s.soften(f, e, words)
		hint(f, words)
	}
}
