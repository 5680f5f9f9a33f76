package diagnosis

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// How long a program may answer its readiness probe with a no after the time in which pods of the version before became
// ready: less when this rollout changed what is asked, and more when no older pod tells how long a start takes.
const (
	noAfterChange  = 30 * time.Second
	noAsMeasured   = time.Minute
	noUnmeasured   = 2 * time.Minute
	noesUntilProof = 3
)

// steadyNo lets a readiness probe decide early that a program answers, and answers no. A 503 and a refused connection say
// "not yet" and stay patient; a path that is not known, a login that is asked for or another protocol do not change by
// waiting. The kubelet writes few events of one pod after the first 25, so the last one stands for all after it.
func (s *facts) steadyNo(f *Finding, c container) {
	if !answersNo(f.Detail, f.Cause) || s.ready > 0 || f.Count < noesUntilProof {
		return
	}
	_, slowest, measured := s.measuredStart()
	f.Terminal, f.Attempts, f.After = TerminalAfter, noesUntilProof, noAsMeasured
	switch {
	case s.askedChanged(c):
		f.After = noAfterChange
	case measured == 0:
		f.After = noUnmeasured
	default:
		f.Cause += "; pods of the version before were ready after at most " + short(slowest)
	}
}

// answersNo tells the answers that waiting does not change from those that say "not yet".
func answersNo(detail, cause string) bool {
	switch detail {
	case "HttpNotFound", "HttpAuth", "GrpcUnimplemented":
		return true
	case "HttpStatus":
		return strings.Contains(cause, "answers 405")
	}
	return strings.HasPrefix(detail, "HttpBadRequest")
}

// askedChanged tells whether this rollout changed the readiness probe of a container or its ports.
func (s *facts) askedChanged(c container) bool {
	if s.previous == nil {
		return false
	}
	for _, before := range s.previous.Spec.Containers {
		if before.Name != c.spec.Name {
			continue
		}
		now := s.wanted(c.spec)
		return !equality.Semantic.DeepEqual(before.ReadinessProbe, now.ReadinessProbe) || !equality.Semantic.DeepEqual(before.Ports, now.Ports)
	}
	return false
}

// wanted is a container as the template has it; one that is not there, because it was injected, as it is.
func (s *facts) wanted(c corev1.Container) corev1.Container {
	if s.template == nil {
		return c
	}
	for _, t := range s.template.Spec.Containers {
		if t.Name == c.Name {
			return t
		}
	}
	return c
}
