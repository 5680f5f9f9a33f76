package diagnosis

import (
	"fmt"
	"time"
)

var ruleInit = Rule{Family: "Init containers", Find: explainInit, Causes: []Cause{
	{Code: "InitContainerFailing", class: after("init", LayerApplication, ScopeApp, crashes, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "A step that has to succeed before the containers start fails, so that they never start.",
		Signals:   "`initContainerStatuses[]` with a terminated state of an exit code other than 0 or `CrashLoopBackOff`, while the containers wait with `PodInitializing`.",
		Remedy:    "Read the log of the init container; the detail says how it ended, as for any other container."},
	{Code: "InitContainerWaiting", class: atTimeout("init", LayerApplication, ScopeApp),
		ReadsLogs: true,
		Meaning:   "A step that has to end before the containers start runs and does not end; usually it waits for something.",
		Signals:   "`initContainerStatuses[].state.running` of a container without `restartPolicy: Always`.",
		Remedy:    "See in its log what it waits for, and bring that up first."},
	{Code: "SidecarCrash", class: after("run", LayerApplication, ScopeApp, crashes, 10*time.Second),
		ReadsLogs: true,
		Meaning:   "A sidecar (an init container with `restartPolicy: Always`, which stays beside the others) ends with an error, again and again.",
		Signals:   "A rising `restartCount` in `initContainerStatuses[]` of such a container, and `lastState.terminated`; the pod's phase may be Running.",
		Remedy:    "Read the sidecar's log; until it runs, the containers that are declared after it do not start."},
}}

// initFinding turns the finding of an exit into InitContainerFailing: the step matters more than how it failed, which
// stays as the detail.
func (s *facts) initFinding(f Finding, e exit) Finding {
	cause := f
	f = s.in(e.container, "InitContainerFailing")
	f.Detail = cause.Code
	f.Count, f.FirstSeen, f.Evidence, f.Fix, f.FieldPath = cause.Count, cause.FirstSeen, cause.Evidence, cause.Fix, cause.FieldPath
	f.Attempts = max(cause.Attempts, 2)
	f.Terminal, f.Confidence = cause.Terminal, cause.Confidence
	if f.Detail == "AppCrash" && cause.Detail != "" {
		f.Detail = cause.Detail
	}
	f.Cause = fmt.Sprintf("init step %s fails, so the containers never start: %s", e.spec.Name, cause.Cause)
	return f
}

// explainInit explains pods that hang in an init container that runs and does not end, as InitContainerWaiting: usually
// it waits for something.
func explainInit(s *facts) []Finding {
	var found []Finding
	for _, c := range s.containers {
		running := c.status.State.Running
		if running == nil || !c.initial || c.sidecar {
			continue
		}
		since := s.now.Sub(running.StartedAt.Time)
		f := s.in(c, "InitContainerWaiting")
		f.FirstSeen = running.StartedAt.Time
		f.Cause = fmt.Sprintf("init step %s has run for %s and the containers wait for it to end", c.spec.Name, short(since))
		words := s.words(c, false)
		if words != "" {
			f.Cause += "; its last word is: " + words
		}
		f.Evidence = s.logProof(c)
		f.Fix = []string{fmt.Sprintf("see what it waits for: kubectl logs -n %s -c %s %s", c.pod.Namespace, c.spec.Name, c.pod.Name)}
		s.soften(&f, exit{container: c}, words)
		found = append(found, f)
	}
	return found
}
