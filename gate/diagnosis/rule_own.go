package diagnosis

import (
	"fmt"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleOwn = Rule{Family: "Expressions of one's own", Find: explainOwn, Causes: []Cause{
	{Code: "CustomFailed", class: now("controller", LayerWorkload, ScopeApp),
		By: Decision{
			When: "fails as soon as the expression is true",
			Rule: "the expression that says when the object has failed is true",
			Knob: "failed under objects in the config file, or the annotation rolloutgate.dev/failed",
		},
		Meaning: "The object has failed by the expression that its users gave for that: failed in the config file, or the annotation rolloutgate.dev/failed.",
		Signals: "The expression is true of an object whose status is newer than what this run wrote; what message says of it is quoted.",
		Remedy:  "Read the message and the log of the object's controller; correct the expression if the object is well."},
	{Code: "CustomNotReady", class: atTimeout("symptom", LayerWorkload, ScopeApp),
		Meaning: "The object was not complete in time by the expression that its users gave for that: ready in the config file, or the annotation rolloutgate.dev/ready.",
		Signals: "The expression was false when the time was up, or it had no answer: it names something that the object does not have.",
		Remedy:  "Read the message and the log of the object's controller; correct the expression if it names what is never there."},
}}

// explainOwn is about objects that expressions of their users decide about: CustomFailed, and CustomNotReady when the time
// is up.
func explainOwn(s *facts) []Finding {
	own := s.w.Own
	if own == nil {
		return nil
	}
	var f Finding
	name := s.w.Ref.String()
	switch reason := s.Status.Reason; {
	case s.Status.Phase == rollout.Failed && reason == rollout.ReasonOwnFailed:
		f = s.finding("CustomFailed")
		f.Cause = fmt.Sprintf("%s has failed: %s", name, quote(s.Status.Message))
		f.Evidence = []Proof{{Type: "object", Text: "true: " + own.Failed, Ref: name}}
	case s.TimedOut && s.Status.Phase == rollout.Progressing && (reason == rollout.ReasonOwnWaits || reason == rollout.ReasonOwnUnknown):
		f = s.finding("CustomNotReady")
		f.Cause = fmt.Sprintf("%s was not complete when its time%s was up: %s", name, s.timeout(), quote(s.Status.Message))
		word := "false: "
		if reason == rollout.ReasonOwnUnknown {
			word = "without an answer: "
		}
		f.Evidence = []Proof{{Type: "object", Text: word + own.Ready, Ref: name}}
		if bad := badConditions(s.w.Live); bad != "" {
			f.Evidence = append(f.Evidence, Proof{Type: "condition", Text: bad, Ref: name})
		}
	default:
		return nil
	}
	f.Confidence = Proven
	f.Fix = []string{
		"look at the object: kubectl describe " + strings.ToLower(s.w.Ref.Kind) + s.inNamespace() + " " + s.w.Ref.Name,
		"correct the expression if it means something else (" + own.By + ")",
	}
	return []Finding{f}
}

// inNamespace is the flag of kubectl for the namespace of the workload, where it has one.
func (s *facts) inNamespace() string {
	if s.w.Ref.Namespace == "" {
		return ""
	}
	return " -n " + s.w.Ref.Namespace
}
