package diagnosis

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// exitCode is the code for an exit.
func (s *facts) exitCode(e exit) string {
	words := s.words(e.container, true) + "\n" + e.end.Message
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
	case strings.Contains(strings.ToLower(words), "exec format error"):
		return "ExecFormatError"
	case t.ExitCode == 0:
		return "CommandCompleted"
	case unloadable.MatchString(words): // the loader, too, ends with 127
		return s.crash(e)
	case t.ExitCode == 126 || execDenied.MatchString(words):
		return "CommandNotExecutable"
	case t.ExitCode == 127 || execMissing.MatchString(words):
		return "CommandNotFound"
	case t.ExitCode == 159 || t.Reason == "seccomp killed":
		return "SeccompKilled"
	case t.ExitCode == 137 && !e.spec.Resources.Limits.Memory().IsZero():
		return "SuspectedOom"
	case native[t.ExitCode]:
		return "NativeCrash"
	}
	return s.crash(e)
}

// crash is the code for a program that ended by its own decision.
func (s *facts) crash(e exit) string {
	if e.sidecar {
		return "SidecarCrash"
	}
	return "AppCrash"
}

// What the runtime's init process writes into the log, because the container counts as started already: runc as of 1.1
// (libcontainer/standard_init_linux.go), and before. A script whose interpreter is missing, or ends in a carriage
// return, "does not exist" although it does.
var (
	execMissing = regexp.MustCompile(`(?m)^exec /\S+: no such file or directory|exec user process caused:? "?no such file or directory`)
	execDenied  = regexp.MustCompile(`(?m)^exec /\S+: permission denied|exec user process caused:? "?permission denied`)
	unloadable  = regexp.MustCompile(`error while loading shared libraries|Error loading shared library|Error relocating`)
)

// signals are exit codes of 128 plus a signal's number.
var signals = map[int32]string{
	129: "SIGHUP", 130: "SIGINT", 131: "SIGQUIT", 132: "SIGILL", 134: "SIGABRT", 135: "SIGBUS", 136: "SIGFPE", 137: "SIGKILL",
	138: "SIGUSR1", 139: "SIGSEGV", 140: "SIGUSR2", 141: "SIGPIPE", 142: "SIGALRM", 143: "SIGTERM", 159: "SIGSYS",
}

// native are the signals that the processor or the C library sends a broken program.
var native = map[int32]bool{132: true, 134: true, 135: true, 136: true, 139: true}

// restartingAll is the reason of a container that its pod's restart rule stopped (Kubernetes 1.35 and later,
// pkg/kubelet/container, RestartAllContainers).
const restartingAll = "RestartingAllContainers"

// ruleFired tells of a restart that the manifest asked for.
func (s *facts) ruleFired(c container) (Finding, bool) {
	waiting, _ := c.waiting()
	last := c.status.LastTerminationState.Terminated
	if waiting != restartingAll && (last == nil || last.Reason != restartingAll || !s.fresh(c.pod.CreationTimestamp.Time)) {
		return Finding{}, false
	}
	rule := c
	for _, other := range s.containersOf(c.pod) {
		for _, r := range other.spec.RestartPolicyRules {
			if r.Action == corev1.ContainerRestartRuleActionRestartAllContainers {
				rule = other
			}
		}
	}
	f := s.in(rule, "RestartRuleFired")
	f.Confidence = Proven
	f.FieldPath = s.field(rule, "restartPolicyRules")
	f.Count = max(1, int(c.status.RestartCount))
	f.Cause = fmt.Sprintf("all containers of the pod were restarted, as restartPolicyRules of container %s asks", rule.spec.Name)
	f.Fix = []string{fmt.Sprintf("find out why container %s ended with an exit code of that rule: kubectl logs --previous -n %s -c %s %s", rule.spec.Name, c.pod.Namespace, rule.spec.Name, c.pod.Name)}
	text := "terminated: " + restartingAll
	if waiting == restartingAll {
		text = "waiting: " + restartingAll
	}
	f.Evidence = []Proof{{Type: "status", Text: text, Ref: c.ref()}}
	return f, true
}
