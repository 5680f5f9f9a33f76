package rollout

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// unchanged says that this run found the object as it should be and wrote nothing.
func (w Workload) unchanged() bool {
	return !isNil(w.Previous) && !isNil(w.Applied) && w.Previous.GetUID() == w.Applied.GetUID() &&
		w.Previous.GetResourceVersion() == w.Applied.GetResourceVersion()
}

// specUnchanged says that the write left the spec as it was, so that what a controller said before it still holds.
func (w Workload) specUnchanged() bool {
	return w.Since.IsZero() || w.unchanged() || !isNil(w.Previous) && !isNil(w.Applied) && w.Previous.GetUID() == w.Applied.GetUID() &&
		w.Applied.GetGeneration() != 0 && w.Previous.GetGeneration() == w.Applied.GetGeneration()
}

// statusWritten says that somebody has written the object's status since the write: it is not what the answer to the
// write had, or the record of its writer is newer. Records have whole seconds; one of the same second is taken for newer.
func (w Workload) statusWritten(o *unstructured.Unstructured) bool {
	if isNil(w.Applied) {
		return true
	}
	applied, ok := toUnstructured(w.Applied)
	if !ok || !equality.Semantic.DeepEqual(o.Object["status"], applied.Object["status"]) {
		return true
	}
	for _, e := range o.GetManagedFields() {
		if e.Time != nil && e.FieldsV1 != nil && strings.Contains(e.FieldsV1.GetRawString(), `"f:status"`) &&
			e.Time.After(w.Since.Truncate(time.Second)) {
			return true
		}
	}
	return false
}

// brokenBefore says that an object that this run does not change was in trouble when the run looked at it first, and is
// no worse now.
func brokenBefore(w Workload, s Status) bool {
	if !w.unchanged() || s.Phase == Complete || s.Phase == Superseded {
		return false
	}
	before := w
	before.Live, before.Pods, before.PodsKnown, before.PodsComing = w.Previous, nil, false, false
	before.Services, before.ServicesKnown = nil, true
	then := judge(before)
	k, _ := KindOf(w.Ref.GroupKind())
	trouble := then.Phase == Failed || then.Phase == Progressing && !k.Ends // a Job that runs is no trouble
	return trouble && s.Available >= then.Available
}
