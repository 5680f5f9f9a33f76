package diagnosis

import "fmt"

// sayMemory writes the sentence for OomKilled and SuspectedOom. The runtime may report an out-of-memory kill late or
// never, as plain 137, because the cgroup is gone when it looks.
func (s *facts) sayMemory(f *Finding, e exit) {
	name := e.spec.Name
	f.FieldPath = s.field(e.container, "resources.limits.memory")
	limit, raise := "has no memory limit of its own: the node or the pod ran out of memory", "raise resources.limits.memory"
	if m := e.spec.Resources.Limits.Memory(); !m.IsZero() {
		limit = "its memory limit is " + m.String()
		if old := s.before(e.container); old != nil && !old.Resources.Limits.Memory().Equal(*m) && !old.Resources.Limits.Memory().IsZero() {
			limit += ", before this change it was " + old.Resources.Limits.Memory().String()
			if old.Resources.Limits.Memory().Cmp(*m) > 0 {
				raise += ": the version before had " + old.Resources.Limits.Memory().String()
			}
		}
	}
	f.Cause = fmt.Sprintf("container %s uses more memory than it may and is killed%s (%s); %s",
		name, afterStart(lasted(&e.end)), plural(e.times, "time"), limit)
	f.Confidence = Proven
	if f.Code == "SuspectedOom" {
		f.Confidence = Suspected
		f.Cause = fmt.Sprintf("container %s is killed with SIGKILL%s (%s), probably for using too much memory; %s",
			name, afterStart(lasted(&e.end)), plural(e.times, "time"), limit)
	}
	f.Fix = []string{raise, "or let the program use less: a runtime's heap limit must fit into the container's"}
}

// sayKilled writes the sentence for a container that the kubelet killed because of a probe. Programs that handle
// SIGTERM end with code 0 then, so the event decides, not the exit code (pkg/kubelet/kuberuntime/kuberuntime_manager.go,
// computePodActions).
func (s *facts) sayKilled(f *Finding, e exit) {
	kind, probe, field := "liveness", e.spec.LivenessProbe, "livenessProbe"
	if f.Code == "StartupProbeKilled" {
		kind, probe, field = "startup", e.spec.StartupProbe, "startupProbe"
	}
	f.Count = max(occurrences(e.kills), 1)
	f.FieldPath = s.field(e.container, field)
	f.FirstSeen = e.kills[0].First
	f.Evidence = append(proofs(e.kills, 1), f.Evidence...)
	failures := s.probeFailures(e.container, kind)
	f.Evidence = append(proofs(failures, 1), f.Evidence...)
	f.Cause = fmt.Sprintf("the kubelet restarts container %s because its %s probe fails (%s)", e.spec.Name, kind, plural(f.Count, "time"))
	if probe != nil {
		f.Cause = fmt.Sprintf("the kubelet restarts container %s because its %s probe %s fails (%s)", e.spec.Name, kind, describe(probe), plural(f.Count, "time"))
	}
	if len(failures) > 0 {
		why := decodeProbe(e.container, probe, probeError(failures[len(failures)-1].Message))
		f.Detail = why.detail
		f.Cause += ": " + why.text
		f.Fix = append(f.Fix, why.fix)
	}
	if probe == nil {
		return
	}
	allowed := budget(probe)
	if words, fix := s.startBudget(kind, probe); words != "" {
		f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: words, Ref: e.ref()})
		if fix != "" {
			f.Fix = append(f.Fix, fix)
		}
	}
	if kind == "startup" {
		f.Fix = append(f.Fix, fmt.Sprintf("if the program needs longer than %s to start, raise startupProbe.failureThreshold", short(allowed)))
		return
	}
	f.Fix = append(f.Fix, fmt.Sprintf("if the program needs longer than %s to start, give it a startupProbe instead of a patient livenessProbe", short(allowed)),
		"a liveness probe should not depend on other services")
}
