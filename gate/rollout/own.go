package rollout

import (
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Own says how far an object is by expressions of a user. It takes the place of what its kind says.
type Own struct {
	// Ready and Failed are the expressions, for texts. Without Ready the kind says when it is complete, without Failed
	// nothing but a time limit ends the wait.
	Ready, Failed string
	// By is where they were written, in words.
	By string
	// Judge evaluates them. It must not change the object.
	Judge func(object map[string]any) Reading
}

// Reading is what expressions say of an object at one moment.
type Reading struct {
	Ready, Failed bool
	// Message is what the object says of itself; it is text from the cluster.
	Message string
	// Problem is why an expression has no answer yet: it names something that is not there.
	Problem string
}

// judgedByOwn tells whether expressions decide about a workload. A stage with a few new pods beside the old ones is none of
// their business, and neither is an object that is gone.
func (w Workload) judgedByOwn() bool { return w.Own != nil && w.Goal == 0 && !isNil(w.Live) }

// own judges an object by expressions; s is what its kind says, whose counts stay. What a status says that is from before
// the change does not count, as in generic.
func own(w Workload, s Status) Status {
	o, ok := toUnstructured(w.Live)
	if !ok {
		return wrongType(w)
	}
	seen, known := observedGeneration(o)
	if known && seen < o.GetGeneration() {
		return notObserved(s)
	}
	if w.beforeWrite(o) {
		return behind()
	}
	r := w.Own.Judge(o.Object)
	_, has := o.Object["status"]
	old := has && !(known && seen > 0) && !w.statusWritten(o) && !w.specUnchanged()
	message := wording.Quote(r.Message)
	switch {
	case r.Failed && old && w.Restored:
		return oldWord(s, w, "what failed says")
	case r.Failed && old:
		return progressing(s, ReasonStatusFromBefore, "it had failed before the change%s; its controller has said nothing new", parenthesis(message))
	case r.Failed:
		s.Phase, s.Reason, s.Message = Failed, ReasonOwnFailed, orElse(message, "failed is true: "+wording.Quote(w.Own.Failed))
		return s
	case w.Own.Ready == "":
		return s
	case r.Problem != "":
		return progressing(s, ReasonOwnUnknown, "waiting until %s (%s)", wording.Quote(w.Own.Ready), wording.Quote(r.Problem))
	case r.Ready && old:
		return oldWord(s, w, "what ready says")
	case r.Ready && s.Reason == ReasonZeroReplicas:
		return complete(s, s.Reason, s.Message)
	case r.Ready:
		return complete(s, "", message)
	}
	return progressing(s, ReasonOwnWaits, "waiting until %s%s", wording.Quote(w.Own.Ready), parenthesis(message))
}

// beforeWrite tells that the watch has not come to the write yet, for objects without a generation that would tell.
func (w Workload) beforeWrite(o *unstructured.Unstructured) bool {
	return o.GetGeneration() == 0 && !isNil(w.Previous) && !isNil(w.Applied) && w.Previous.GetUID() == w.Applied.GetUID() &&
		o.GetResourceVersion() == w.Previous.GetResourceVersion() && o.GetResourceVersion() != w.Applied.GetResourceVersion()
}
