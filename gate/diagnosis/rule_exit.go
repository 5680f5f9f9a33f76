package diagnosis

import (
	"fmt"
	"math/bits"
	"regexp"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var ruleExit = Rule{Family: "Exits", Find: explainExit, Causes: []Cause{
	{Code: "AppCrash", class: after("run", LayerApplication, ScopeApp, crashes, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The program ends with an error, again and again, for a reason that only its own words tell.",
		Signals:   "`lastState.terminated` of a container with an exit code other than 0 and a rising `restartCount`, and the end of its log or `terminated.message`.",
		Remedy:    "Read the quoted line of the log and repair what it names; the fields that this rollout changed are the first suspects."},
	{Code: "NativeCrash", class: after("run", LayerApplication, ScopeApp, 2, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The processor or the C library stopped the program: a segmentation fault, an abort, or an instruction that the processor does not have.",
		Signals:   "`lastState.terminated.exitCode` 132 (SIGILL), 134 (SIGABRT), 135 (SIGBUS), 136 (SIGFPE) or 139 (SIGSEGV).",
		Remedy:    "Compare the image with the one before; with exit code 132 build for an older processor than the build machine has."},
	{Code: "SeccompKilled", class: after("run", LayerPod, ScopeSpec, 2, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The kernel ended the program because it made a system call that its seccomp profile forbids.",
		Signals:   "`lastState.terminated.exitCode` 159 (SIGSYS), or reason `seccomp killed` from CRI-O.",
		Remedy:    "Allow the system call in the profile, or use the profile `RuntimeDefault`."},
	{Code: "OomKilled", class: after("run", LayerPod, ScopeApp, 2, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The container used more memory than its limit allows and the kernel killed it.",
		Signals:   "`lastState.terminated.reason` `OOMKilled`, in any container, init containers too.",
		Remedy:    "Raise `resources.limits.memory`, or make the program use less; the heap of a runtime such as the JVM or Node.js must fit into the limit."},
	{Code: "SuspectedOom", class: after("run", LayerPod, ScopeApp, 3, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The container was killed without warning and has a memory limit; runtimes do not always notice that memory was the reason.",
		Signals:   "`lastState.terminated.exitCode` 137 with reason `Error`, no `Killing` event of the kubelet, and `resources.limits.memory` is set.",
		Remedy:    "Compare the container's memory with its limit at that time, and raise the limit if they were near."},
	{Code: "CommandCompleted", class: after("run", LayerPod, ScopeApp, 3, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The program ends without an error, but a container of a workload that serves is expected to go on running.",
		Signals:   "`lastState.terminated` with exit code 0 and reason `Completed`, restart policy Always, and no `Killing` event.",
		Remedy:    "Start the program in the foreground instead of as a daemon, or use a Job for work that ends."},
	{Code: "LivenessKilled", class: after("run", LayerPod, ScopeApp, 3, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The kubelet restarts the container because its liveness probe fails, however the program ended then.",
		Signals:   "A `Killing` event that says `failed liveness probe, will be restarted`; the exit code is 137, 143 or even 0.",
		Remedy:    "Correct the probe's port and path, give a slow start a startupProbe, and keep other services out of a liveness probe."},
	{Code: "StartupProbeKilled", class: after("run", LayerPod, ScopeApp, 2, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "The kubelet restarts the container because it did not come up within the time that its startup probe grants.",
		Signals:   "A `Killing` event that says `failed startup probe, will be restarted`.",
		Remedy:    "Raise `startupProbe.failureThreshold`, or find out what the program waits for when it starts."},
	{Code: "RuntimeLostContainer", class: atTimeout("run", LayerCluster, ScopeNode),
		ReadsLogs: true,
		Meaning:   "The node lost track of the container because its runtime or the node itself restarted; the program is not to blame.",
		Signals:   "`terminated.reason` `ContainerStatusUnknown` with exit code 137, or `Unknown` with exit code 255.",
		Remedy:    "Look at the node: its uptime, its container runtime's log, its disk and memory."},
	{Code: "RestartedThenReady", class: remark("run", LayerApplication, ScopeApp),
		Meaning: "A container restarted during the rollout and is well now; it is told because a customer may have met it.",
		Signals: "`restartCount` above 0 and a Ready container that has run for longer than the attempt that ended.",
		Remedy:  "Nothing has to be done for this rollout; a program that waits for what it depends on need not restart."},
	{Code: "RestartRuleFired", class: remark("run", LayerPod, ScopeSpec),
		Meaning: "All containers of the pod were restarted because the manifest asks for that when one of them ends in a certain way.",
		Signals: "Reason `RestartingAllContainers` of a container (exit code 137, which is no kill), the pod's condition `AllContainersRestarting`, and `restartPolicyRules`.",
		Remedy:  "Look at the container whose rule has the action RestartAllContainers: it ended with one of the exit codes of the rule."},
}}

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
// InitContainerFailing for all of these in an init container, SidecarCrash for a program that stays beside the others,
// RestartRuleFired, and RestartedThenReady for what healed.
func explainExit(s *facts) []Finding {
	var found []Finding
	for _, c := range s.containers {
		if f, ok := s.ruleFired(c); ok {
			found = append(found, f)
		}
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
func (s *facts) exitOf(c container) (exit, bool) {
	t := c.terminated()
	if t == nil || !s.fresh(t.FinishedAt.Time) || neverStarted(c) || t.Reason == restartingAll {
		return exit{}, false
	}
	if reason, _ := c.waiting(); startReasons[reason] || imageReasons[reason] || reason == "CreateContainerConfigError" || reason == restartingAll {
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
func (s *facts) ends(c container) int {
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
func (s *facts) explainOne(e exit) Finding {
	code := s.exitCode(e)
	f := s.in(e.container, code)
	f.Count = e.times
	f.FirstSeen = e.end.FinishedAt.Time
	f.Evidence = append([]Proof{e.exitProof()}, s.lastProof(e.container)...)
	words := s.words(e.container, true)
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
	return s.weigh(f, e)
}

// weigh says how much an exit means at this moment: a container that runs again may be well now, and a Job retries.
func (s *facts) weigh(f Finding, e exit) Finding {
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
	// What runs well past the point at which it ended before has another trouble, if any.
	past := s.now.Sub(running.StartedAt.Time) > lasted(&e.end)+time.Minute
	if e.status.Ready && e.times < f.Attempts || past && !e.status.Ready {
		f.Terminal = TerminalContext
	}
	return f
}

var digits = regexp.MustCompile(`\d+`)

// signature tells whether two attempts ended alike. Numbers in the message differ with time and addresses.
func signature(e exit) string {
	return fmt.Sprintf("%s/%d/%s", e.end.Reason, e.end.ExitCode, digits.ReplaceAllString(e.end.Message, "#"))
}

// sayExit writes the sentence for a program that ended by itself.
func (s *facts) sayExit(f *Finding, e exit, words string) {
	name, when := e.spec.Name, afterStart(lasted(&e.end))
	kind := "container"
	if e.sidecar {
		kind = "sidecar"
	}
	f.Detail = fmt.Sprintf("exit code %d", e.end.ExitCode)
	restarts := plural(int(e.status.RestartCount), "restart")
	if s.isJob() {
		restarts = plural(e.times, "attempt")
	}
	f.Cause = fmt.Sprintf("%s %s exits with code %d%s (%s)", kind, name, e.end.ExitCode, when, restarts)
	if sig := signals[e.end.ExitCode]; sig != "" {
		f.Cause = fmt.Sprintf("%s %s is ended by %s%s (%s)", kind, name, sig, when, restarts)
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
	crashed := f.Code == "AppCrash" || f.Code == "SidecarCrash"
	switch {
	case words != "":
		f.Cause += ": " + words
	case crashed && s.logsUnread() != "":
		f.Cause += "; its log could not be read"
	case crashed && len(s.logOf(e.container)) > 0:
		f.Cause += "; the log of that attempt is gone"
	case crashed:
		f.Cause += "; it left no message"
	}
	if crashed && words != "" && !s.soften(f, e, words) {
		s.hint(f, e, words)
	}
}
