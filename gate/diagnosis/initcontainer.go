package diagnosis

import "fmt"

// initFinding turns the finding of an exit into InitContainerFailing: the step matters more than how it failed, which
// stays as the detail.
func (s *scene) initFinding(f Finding, e exit) Finding {
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
func explainInit(s *scene) []Finding {
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
		if words := s.words(c); words != "" {
			f.Cause += "; its last word is: " + words
		}
		f.Evidence = s.logProof(c)
		f.Fix = []string{fmt.Sprintf("see what it waits for: kubectl logs -n %s -c %s %s", c.pod.Namespace, c.spec.Name, c.pod.Name)}
		found = append(found, f)
	}
	return found
}
