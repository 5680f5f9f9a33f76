package rollout

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// statusGrace is how long an object without a status is given before it is taken for one that never gets any. Without
// it a custom resource would be done before its controller has seen it.
const statusGrace = 5 * time.Second

// statusPatience is how long a controller that publishes no observedGeneration is given to say something new after a
// change. Whatever it had said before the change is believed only then, and it is said that it is old.
const statusPatience = 30 * time.Second

// restoredPatience is the same for an object that was put back. What its controller had said of the version that was taken
// back says nothing of the restored one, bad words neither.
const restoredPatience = 10 * time.Second

func (w Workload) patience() time.Duration {
	if w.Restored {
		return restoredPatience
	}
	return statusPatience
}

// generic judges an object of any kind by the conventions of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus):
// status.observedGeneration, and the conditions Stalled, Reconciling, Ready and Available; by the conditions of each
// parent as in the Gateway API; and by status.phase, if it is a common word. An object with none of them is complete with
// ReasonNoStatus: applied, not watched.
//
// What a status says without any observedGeneration may be from before the change. It counts when it was written since:
// when the status is not what it was in the API server's answer to our write, or its writer's record or the condition's
// lastTransitionTime is newer. Otherwise it completes a rollout after a patience, and never fails one.
func generic(w Workload) Status {
	o, ok := toUnstructured(w.Live)
	if !ok {
		return wrongType(w)
	}
	var s Status
	seen, known := observedGeneration(o)
	if known && seen < o.GetGeneration() {
		return notObserved(s)
	}
	if s, decided := byConditions(o, w); decided {
		return s
	}
	if s, decided := byParents(o, w); decided {
		return s
	}
	if s, decided := byPhase(o, w); decided {
		return s
	}
	if known && seen > 0 {
		return complete(s, "", "the controller has seen it; it has no Ready condition")
	}
	if !w.Since.IsZero() && w.Now.Sub(w.Since) < statusGrace && !w.specUnchanged() {
		return progressing(s, ReasonNotObserved, "waiting to see whether a controller reports a status")
	}
	return complete(s, ReasonNoStatus, "applied, not watched: the object reports no status")
}

// byConditions judges by status.conditions.
func byConditions(o *unstructured.Unstructured, w Workload) (s Status, decided bool) {
	conditions := readConditions(o, w)
	if c := conditions["Stalled"]; c.isTrue() && !c.stale {
		s.Phase, s.Reason, s.Message = Failed, orElse(c.reason, "Stalled"), c.message
		return s, true
	}
	if c := conditions["Reconciling"]; c.isTrue() {
		return progressing(s, orElse(c.reason, "Reconciling"), "%s", orElse(c.message, "waiting for the controller to finish")), true
	}
	for _, name := range []string{"Ready", "Available"} {
		c, found := conditions[name]
		switch {
		case !found:
			continue
		case c.behind:
			return notObserved(s), true
		case c.old && (c.isTrue() || w.Restored):
			return oldWord(s, w, "condition "+name), true
		case c.isTrue():
			return complete(s, "", ""), true
		}
		return progressing(s, orElse(c.reason, "Not"+name), "waiting for condition %s%s", name, parenthesis(c.message)), true
	}
	return s, false
}

// oldWord is the status of an object that is in order by what its controller said before the change.
func oldWord(s Status, w Workload, what string) Status {
	if w.Now.Sub(w.Since) < w.patience() {
		return progressing(s, ReasonStatusFromBefore, "%s is from before the change; its controller has %s to say something new", what, w.patience())
	}
	return complete(s, ReasonStatusFromBefore, fmt.Sprintf("%s is from before the change, and its controller has said nothing new for %s", what, w.patience()))
}

// byParents judges by the conditions that each parent, or ancestor, has set (Gateway API, RouteStatus and PolicyStatus).
// One that has not looked at the newest spec for statusPatience is left out: its controller may be gone.
func byParents(o *unstructured.Unstructured, w Workload) (s Status, decided bool) {
	for _, entry := range slices.Concat(nested(o.Object, "status", "parents"), nested(o.Object, "status", "ancestors")) {
		fields, _ := entry.(map[string]any)
		parent, _, _ := unstructured.NestedString(fields, "parentRef", "name")
		if parent == "" {
			parent, _, _ = unstructured.NestedString(fields, "ancestorRef", "name")
		}
		conditions := conditionsOf(nested(fields, "conditions"), o, w, false)
		for _, name := range []string{"Accepted", "ResolvedRefs", "Programmed"} {
			c, found := conditions[name]
			switch {
			case !found:
			case c.behind && w.Now.Sub(w.Since) < statusPatience:
				return notObserved(s), true
			case c.behind:
			case !c.isTrue():
				return progressing(s, orElse(c.reason, "Not"+name), "waiting for condition %s of %s%s", name, parent, parenthesis(c.message)), true
			case c.old:
				s, decided = oldWord(s, w, fmt.Sprintf("condition %s of %s", name, parent)), true
			default:
				s, decided = complete(s, s.Reason, s.Message), true
			}
			if s.Phase == Progressing {
				return s, true
			}
		}
	}
	return s, decided
}

// byPhase judges by status.phase, where nothing better is there. Only common words are understood.
func byPhase(o *unstructured.Unstructured, w Workload) (s Status, decided bool) {
	phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
	seen, known := observedGeneration(o)
	old := !(known && seen > 0) && !w.statusWritten(o) && !w.specUnchanged()
	switch strings.ToLower(phase) {
	case "ready", "running", "active", "available", "healthy", "bound", "succeeded", "completed", "complete", "deployed", "synced", "established":
		if old {
			return oldWord(s, w, "status.phase "+phase), true
		}
		return complete(s, "", ""), true
	case "failed", "error", "degraded", "failure", "unhealthy":
		if old && w.Restored {
			return oldWord(s, w, "status.phase "+phase), true
		}
		if old {
			return progressing(s, ReasonStatusFromBefore, "status.phase is %s since before the change", phase), true
		}
		message, _, _ := unstructured.NestedString(o.Object, "status", "message")
		s.Phase, s.Reason, s.Message = Failed, phase, orElse(message, "status.phase is "+phase)
		return s, true
	case "pending", "creating", "provisioning", "updating", "progressing", "reconciling", "installing", "upgrading", "initializing", "notready":
		message, _, _ := unstructured.NestedString(o.Object, "status", "message")
		return progressing(s, phase, "status.phase is %s%s", phase, parenthesis(message)), true
	}
	return s, false
}

// condition is one entry of a list of conditions.
type condition struct {
	status, reason, message string
	behind                  bool // it is about an older generation
	old                     bool // that, or it was said before the change
	stale                   bool // that, or it became so before the change; it may have been said again since
}

func (c condition) isTrue() bool { return c.status == string(metav1.ConditionTrue) }

// readConditions reads status.conditions of an object whatever its kind.
func readConditions(o *unstructured.Unstructured, w Workload) map[string]condition {
	_, generationKnown := observedGeneration(o)
	return conditionsOf(nested(o.Object, "status", "conditions"), o, w, generationKnown)
}

// conditionsOf reads a list of conditions. generationKnown says that what was observed is known for all of them.
func conditionsOf(list []any, o *unstructured.Unstructured, w Workload, generationKnown bool) map[string]condition {
	written := w.statusWritten(o) || w.specUnchanged()
	conditions := make(map[string]condition, len(list))
	for _, item := range list {
		fields, _ := item.(map[string]any)
		text := func(key string) string { s, _ := fields[key].(string); return s }
		c := condition{status: text("status"), reason: text("reason"), message: text("message")}
		seen, known := number(fields["observedGeneration"])
		c.behind = known && seen < o.GetGeneration()
		changed, err := time.Parse(time.RFC3339, text("lastTransitionTime"))
		since := w.Since.Truncate(time.Second)
		moved := err == nil && !changed.Before(since)
		c.old = c.behind || !known && !generationKnown && !moved && !written
		c.stale = c.behind || !known && !generationKnown && err == nil && !moved && !w.specUnchanged()
		conditions[text("type")] = c
	}
	return conditions
}

func nested(object map[string]any, fields ...string) []any {
	value, _, _ := unstructured.NestedFieldNoCopy(object, fields...)
	list, _ := value.([]any)
	return list
}

// observedGeneration is status.observedGeneration, which some controllers write as a text.
func observedGeneration(o *unstructured.Unstructured) (int64, bool) {
	value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "status", "observedGeneration")
	if !found {
		return 0, false
	}
	return number(value)
}

func number(value any) (int64, bool) {
	switch v := value.(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		return n, err == nil
	}
	return 0, false
}

// toUnstructured gives any object the form that the conventions are about.
func toUnstructured(o Object) (*unstructured.Unstructured, bool) {
	if u, ok := o.(*unstructured.Unstructured); ok {
		return u, u != nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	return &unstructured.Unstructured{Object: content}, err == nil
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func parenthesis(s string) string {
	if s == "" {
		return ""
	}
	return " (" + s + ")"
}
