package rollout

import (
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// statusGrace is how long an object without a status is given before it is taken for one that never gets any. Without
// it a custom resource would be done before its controller has seen it.
const statusGrace = 5 * time.Second

// generic judges an object of any kind by the conventions of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus):
// status.observedGeneration, and the conditions Stalled, Reconciling, Ready and Available. An object with none of them
// is complete with ReasonNoStatus: applied, not watched. A controller that reports Ready without any observedGeneration
// cannot be caught with a Ready from before the change; kstatus believes it as well.
func generic(w Workload) Status {
	o, ok := toUnstructured(w.Live)
	if !ok {
		return wrongType(w)
	}
	var s Status
	if seen, known := observed(o); known && seen < o.GetGeneration() {
		return notObserved(s)
	}
	conditions := readConditions(o, w.Since)
	if c := conditions["Stalled"]; c.isTrue() && !c.stale {
		s.Phase, s.Reason, s.Message = Failed, orElse(c.reason, "Stalled"), c.message
		return s
	}
	if c := conditions["Reconciling"]; c.isTrue() {
		return progressing(s, orElse(c.reason, "Reconciling"), "%s", orElse(c.message, "waiting for the controller to finish"))
	}
	for _, name := range []string{"Ready", "Available"} {
		c, found := conditions[name]
		switch {
		case !found:
			continue
		case c.behind:
			return notObserved(s)
		case c.isTrue():
			return complete(s, "", "")
		}
		return progressing(s, orElse(c.reason, "Not"+name), "waiting for condition %s%s", name, parenthesis(c.message))
	}
	if seen, known := observed(o); known && seen > 0 {
		return complete(s, "", "the controller has seen it; it has no Ready condition")
	}
	if !w.Since.IsZero() && w.Now.Sub(w.Since) < statusGrace {
		return progressing(s, ReasonNotObserved, "waiting to see whether a controller reports a status")
	}
	return complete(s, ReasonNoStatus, "applied, not watched: the object reports no status")
}

// condition is one entry of status.conditions.
type condition struct {
	status, reason, message string
	stale                   bool // it became so before this rollout, or is about an older generation
	behind                  bool // it is about an older generation
}

func (c condition) isTrue() bool { return c.status == string(metav1.ConditionTrue) }

// readConditions reads status.conditions of an object whatever its kind.
func readConditions(o *unstructured.Unstructured, since time.Time) map[string]condition {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	_, generationKnown := observed(o)
	conditions := make(map[string]condition, len(list))
	for _, item := range list {
		fields, _ := item.(map[string]any)
		text := func(key string) string { s, _ := fields[key].(string); return s }
		c := condition{status: text("status"), reason: text("reason"), message: text("message")}
		seen, known := number(fields["observedGeneration"])
		c.behind = known && seen < o.GetGeneration()
		changed, err := time.Parse(time.RFC3339, text("lastTransitionTime"))
		// Without any observedGeneration only the time is left to tell an old condition from a new one.
		c.stale = c.behind || !known && !generationKnown && err == nil && changed.Before(since.Truncate(time.Second))
		conditions[text("type")] = c
	}
	return conditions
}

// observed is status.observedGeneration, which some controllers write as a text.
func observed(o *unstructured.Unstructured) (int64, bool) {
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
