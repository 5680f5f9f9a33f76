package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// stages in the order in which a pod passes them. What fails earlier explains what fails later.
var stages = []string{"apply", "controller", "create", "schedule", "volume", "unbound", "image", "start", "init", "run", "probe", "traffic", "forecast", "symptom"}

// class is what all findings of one code have in common.
type class struct {
	stage    string
	layer    Layer
	scope    Scope
	terminal Terminal
	attempts int
	after    time.Duration
}

// now, after, deadlock, atTimeout and remark build classes; the table below reads like one.
func now(stage string, l Layer, s Scope) class { return class{stage, l, s, TerminalNow, 1, confirm} }
func after(stage string, l Layer, s Scope, attempts int, d time.Duration) class {
	return class{stage, l, s, TerminalAfter, attempts, d}
}
func atTimeout(stage string, l Layer, s Scope) class {
	return class{stage, l, s, TerminalTimeout, 1, 0}
}
func remark(stage string, l Layer, s Scope) class { return class{stage, l, s, TerminalContext, 1, 0} }

// confirm is how long a finding that cannot heal must last, so that one odd read decides nothing.
const confirm = 5 * time.Second

// classes holds every code and its default patience. A rule may be more patient than this table where its evidence is
// weaker, and says so. It is never written to.
var classes = map[string]class{
	// Apply: the API server refused the write.
	"SchemaInvalid":           now("apply", LayerWorkload, ScopeSpec),
	"ImmutableFieldChanged":   now("apply", LayerWorkload, ScopeSpec),
	"FieldOwnershipConflict":  now("apply", LayerWorkload, ScopeSpec),
	"ApplyForbidden":          now("apply", LayerCluster, ScopeEnv),
	"NamespaceNotFound":       now("apply", LayerCluster, ScopeSpec),
	"NamespaceTerminating":    now("apply", LayerCluster, ScopeEnv),
	"KindNotServed":           now("apply", LayerCluster, ScopeSpec),
	"ObjectTooLarge":          now("apply", LayerWorkload, ScopeSpec),
	"ServiceAllocationFailed": now("apply", LayerService, ScopeSpec),
	"ApiUnavailable":          atTimeout("apply", LayerCluster, ScopeEnv),
	"ApplyRejected":           now("apply", LayerWorkload, ScopeSpec),

	// Controller: the workload's own state.
	"SupersededRollout":       now("controller", LayerWorkload, ScopeSpec),
	"RolloutPaused":           atTimeout("controller", LayerWorkload, ScopeSpec),
	"UpdateStrategyOnDelete":  atTimeout("controller", LayerWorkload, ScopeSpec),
	"ControllerNotObserving":  after("controller", LayerCluster, ScopeEnv, 1, time.Minute),
	"ZeroReplicas":            remark("controller", LayerWorkload, ScopeSpec),
	"StatefulSetRollbackTrap": atTimeout("controller", LayerWorkload, ScopeSpec),
	"OldPodsStuckTerminating": atTimeout("controller", LayerPod, ScopeNode),

	// Jobs end; the controller has the last word.
	"JobBackoffLimitExceeded": now("controller", LayerWorkload, ScopeApp),
	"JobDeadlineExceeded":     now("controller", LayerWorkload, ScopeApp),
	"JobPodFailurePolicy":     now("controller", LayerWorkload, ScopeApp),
	"JobIndexesFailed":        now("controller", LayerWorkload, ScopeApp),
	"JobFailed":               now("controller", LayerWorkload, ScopeApp),

	// Create: the controller may not make pods.
	"QuotaExceeded":         after("create", LayerCluster, ScopeEnv, 2, time.Minute),
	"QuotaNeedsResources":   after("create", LayerCluster, ScopeSpec, 2, 10*time.Second),
	"LimitRangeViolation":   after("create", LayerCluster, ScopeSpec, 2, 10*time.Second),
	"PodSecurityViolation":  after("create", LayerCluster, ScopeSpec, 2, 10*time.Second),
	"AdmissionDenied":       after("create", LayerCluster, ScopeSpec, 2, 15*time.Second),
	"AdmissionWebhookDown":  after("create", LayerCluster, ScopeEnv, 3, 2*time.Minute),
	"ServiceAccountMissing": after("create", LayerCluster, ScopeSpec, 2, 30*time.Second),
	"PriorityClassMissing":  after("create", LayerCluster, ScopeSpec, 2, 30*time.Second),
	"RuntimeClassMissing":   after("create", LayerCluster, ScopeSpec, 2, 30*time.Second),
	"PodCreateRejected":     after("create", LayerCluster, ScopeSpec, 3, 30*time.Second),

	// Schedule: no node takes the pod.
	"InsufficientResources":      atTimeout("schedule", LayerCluster, ScopeEnv),
	"RequestTooBig":              {"schedule", LayerCluster, ScopeSpec, TerminalDeadlock, 1, 30 * time.Second},
	"NodeSelectorMismatch":       after("schedule", LayerCluster, ScopeSpec, 1, 90*time.Second),
	"UntoleratedTaint":           after("schedule", LayerCluster, ScopeSpec, 1, 90*time.Second),
	"NodesCordoned":              atTimeout("schedule", LayerCluster, ScopeEnv),
	"PodAffinityUnsatisfied":     after("schedule", LayerCluster, ScopeSpec, 1, 90*time.Second),
	"PodAntiAffinityUnsatisfied": atTimeout("schedule", LayerCluster, ScopeSpec),
	"TopologySpreadUnsatisfied":  atTimeout("schedule", LayerCluster, ScopeSpec),
	"HostPortConflict":           atTimeout("schedule", LayerCluster, ScopeSpec),
	"VolumeTopologyConflict":     after("schedule", LayerCluster, ScopeEnv, 1, 90*time.Second),
	"VolumeLimitReached":         atTimeout("schedule", LayerCluster, ScopeEnv),
	"RwopInUse":                  atTimeout("schedule", LayerCluster, ScopeSpec),
	"NoNodes":                    atTimeout("schedule", LayerCluster, ScopeEnv),
	"NoScheduler":                after("schedule", LayerCluster, ScopeSpec, 1, time.Minute),
	"SchedulingGated":            after("schedule", LayerCluster, ScopeSpec, 1, 2*time.Minute),
	"UnschedulableOther":         atTimeout("schedule", LayerCluster, ScopeEnv),

	// Volume and node: the pod has a node, but no containers yet, or the node threw it out.
	"PvcNotFound":          after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
	"PvcUnbound":           after("unbound", LayerCluster, ScopeSpec, 1, 90*time.Second),
	"PvcLost":              after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
	"StorageClassMissing":  after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
	"ProvisioningFailed":   after("volume", LayerCluster, ScopeEnv, 3, 2*time.Minute),
	"MountConfigMissing":   after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
	"HostPathTypeMismatch": after("volume", LayerCluster, ScopeNode, 2, time.Minute),
	"MountFailed":          atTimeout("volume", LayerCluster, ScopeEnv),
	"MultiAttach":          atTimeout("volume", LayerCluster, ScopeSpec),
	"AttachFailed":         atTimeout("volume", LayerCluster, ScopeEnv),
	"SandboxFailed":        atTimeout("volume", LayerCluster, ScopeNode),
	"EvictedNodePressure":  after("volume", LayerCluster, ScopeNode, 3, 30*time.Second),
	"EvictedOwnLimit":      after("run", LayerPod, ScopeApp, 2, 10*time.Second),
	"KubeletRejected":      after("volume", LayerCluster, ScopeNode, 3, 30*time.Second),
	"NodeNotReady":         atTimeout("volume", LayerCluster, ScopeNode),

	// Image.
	"ImageNameInvalid":       now("image", LayerPod, ScopeSpec),
	"ImageNotFound":          after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
	"ImagePullDenied":        after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
	"ImagePullSecretMissing": after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
	"ImageRateLimited":       atTimeout("image", LayerCluster, ScopeEnv),
	"RegistryUnreachable":    atTimeout("image", LayerCluster, ScopeEnv),
	"RegistryTls":            after("image", LayerCluster, ScopeEnv, 2, time.Minute),
	"ImagePlatformMismatch":  after("image", LayerPod, ScopeNode, 2, 10*time.Second),
	"ImageNeverPull":         after("image", LayerPod, ScopeNode, 1, confirm),
	"ImageSignatureRejected": after("image", LayerPod, ScopeSpec, 2, 10*time.Second),
	"ImageUnpackFailed":      after("image", LayerCluster, ScopeNode, 3, time.Minute),
	"ImageInspectFailed":     atTimeout("image", LayerCluster, ScopeNode),
	"ImagePullFailed":        atTimeout("image", LayerPod, ScopeEnv),
	"ImagePullSlow":          atTimeout("image", LayerCluster, ScopeEnv),

	// Start: the container cannot be made, or its first process cannot be started.
	"ConfigMapNotFound":      after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
	"SecretNotFound":         after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
	"ConfigKeyNotFound":      after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
	"RunAsNonRootViolation":  after("start", LayerPod, ScopeSpec, 1, 10*time.Second),
	"SubPathFailed":          after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
	"CommandNotFound":        after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
	"CommandNotExecutable":   after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
	"ExecFormatError":        after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
	"MountTargetConflict":    after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
	"WorkingDirInvalid":      after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
	"UserUnknown":            after("start", LayerPod, ScopeSpec, 2, 15*time.Second),
	"SecurityProfileMissing": after("start", LayerPod, ScopeNode, 2, 15*time.Second),
	"ContainerNameReserved":  atTimeout("start", LayerCluster, ScopeNode),
	"RuntimeTimeout":         atTimeout("start", LayerCluster, ScopeNode),
	"PostStartHookFailed":    after("start", LayerPod, ScopeSpec, 3, 10*time.Second),
	"ContainerConfigFailed":  after("start", LayerPod, ScopeSpec, 3, time.Minute),
	"ContainerStartFailed":   after("start", LayerPod, ScopeNode, 3, 30*time.Second),

	// Init: a step before the containers.
	"InitContainerFailing": after("init", LayerApplication, ScopeApp, crashes, 10*time.Second),
	"InitContainerWaiting": atTimeout("init", LayerApplication, ScopeApp),
	"SidecarNotStarted":    atTimeout("init", LayerPod, ScopeApp),

	// Run: the process ends.
	"AppCrash":             after("run", LayerApplication, ScopeApp, crashes, 10*time.Second),
	"NativeCrash":          after("run", LayerApplication, ScopeApp, 2, 10*time.Second),
	"SeccompKilled":        after("run", LayerPod, ScopeSpec, 2, 10*time.Second),
	"OomKilled":            after("run", LayerPod, ScopeApp, 2, 10*time.Second),
	"SuspectedOom":         after("run", LayerPod, ScopeApp, 3, 10*time.Second),
	"CommandCompleted":     after("run", LayerPod, ScopeApp, 3, 10*time.Second),
	"LivenessKilled":       after("run", LayerPod, ScopeApp, 3, 10*time.Second),
	"StartupProbeKilled":   after("run", LayerPod, ScopeApp, 2, 10*time.Second),
	"RuntimeLostContainer": atTimeout("run", LayerCluster, ScopeNode),
	"RestartedThenReady":   remark("run", LayerApplication, ScopeApp),

	// Probe: the process runs, but is not ready.
	"ProbePortNameUnknown":  now("probe", LayerPod, ScopeSpec),
	"ReadinessProbeFailing": atTimeout("probe", LayerApplication, ScopeApp),
	"ReadinessFlapping":     atTimeout("probe", LayerApplication, ScopeApp),
	"ReadinessGateUnmet":    atTimeout("probe", LayerCluster, ScopeEnv),
	"MinReadyPending":       atTimeout("forecast", LayerWorkload, ScopeSpec),
	"TimeoutTooShort":       atTimeout("forecast", LayerWorkload, ScopeSpec),
	"NotReady":              atTimeout("probe", LayerPod, ScopeApp),

	"ServiceEndpointsPending": atTimeout("traffic", LayerService, ScopeEnv),

	// Symptoms are never a cause on their own.
	"ProgressDeadlineExceeded": atTimeout("symptom", LayerWorkload, ScopeApp),
	"Unexplained":              atTimeout("symptom", LayerWorkload, ScopeApp),
}

// crashes is how often a program must end before that decides: three restarts. Two restarts do when it always ended
// the same way; Sightings knows.
const crashes = 4

// Codes lists every code, sorted, for flags that name one.
func Codes() []string { return slices.Sorted(maps.Keys(classes)) }

// Describe says in one line when findings of a code decide by default. It is empty for an unknown code.
func Describe(code string) string {
	c, ok := classes[code]
	if !ok {
		return ""
	}
	return patience(c.terminal, c.attempts, c.after)
}

// patience puts the three numbers of a verdict into words.
func patience(t Terminal, attempts int, d time.Duration) string {
	switch t {
	case TerminalNow:
		return "fails when it was seen for " + short(d)
	case TerminalDeadlock:
		return "fails when the proof stood for " + short(d)
	case TerminalAfter:
		if attempts > 1 {
			return fmt.Sprintf("fails after %d attempts and %s", attempts, short(d))
		}
		return "fails after " + short(d)
	case TerminalTimeout:
		return "is the cause only when the time is up"
	}
	return "never decides"
}

// knob says how to tune a finding's patience.
func knob(code string, t Terminal, d time.Duration) string {
	switch t {
	case TerminalNow, TerminalAfter, TerminalDeadlock:
		return fmt.Sprintf("--grace %s=%s or --no-fail-fast=%s", code, short(max(2*d, time.Minute).Round(time.Second)), code)
	case TerminalTimeout:
		return fmt.Sprintf("--grace %s=2m fails earlier", code)
	}
	return ""
}

// finding starts a finding of a code about the whole workload.
func (s *scene) finding(code string) Finding {
	c := classes[code]
	stage := c.stage
	switch stage { // these exist only to order findings
	case "forecast":
		stage = "probe"
	case "symptom":
		stage = "controller"
	case "unbound":
		stage = "volume"
	}
	return Finding{
		Code: code, Layer: c.layer, Scope: c.scope, Stage: stage, Terminal: c.terminal, Attempts: c.attempts,
		After: c.after, Confidence: Likely, Object: s.w.Ref, Workload: s.w.Ref, Count: 1,
		PodsTotal: len(s.pods) + len(s.failed), PodsReady: s.ready, FirstSeen: s.now,
	}
}

// rank orders codes by the stage in which they fail.
func rank(code string) int {
	c, ok := classes[code]
	if !ok {
		return len(stages)
	}
	return slices.Index(stages, c.stage)
}

// short prints a duration without its zero parts: 1m30s, 2m, 45s.
func short(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
