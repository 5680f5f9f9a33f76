package patch

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// clocksDiffer is how much earlier an object may have been created than a write was planned, and still be new: an API
// server gives whole seconds.
const clocksDiffer = 5 * time.Second

// Found says what a command has made of the object of a write; live is the object now, nil when there is none. A write
// that was for an object which was not there and still is not comes back without Written.
//
// What the command has changed are all fields that differ from before, but for those that only controllers of Kubernetes
// have written since: an autoscaler that scales meanwhile is no part of a release. After Until nothing is the command's.
func (w Write) Found(live *unstructured.Unstructured, types Types) Write {
	w.Written, w.After = live, nil
	switch {
	case live == nil && w.Before == nil:
		w.Action = Created
	case w.Before == nil && w.late(live.GetCreationTimestamp().Time):
		w.Action, w.Written = Created, nil
	case live == nil:
		w.Action = Removed
	case w.Before == nil:
		w.Action, w.At = Created, live.GetCreationTimestamp().Time
	case len(w.changes(types)) > 0 || w.Before.GetUID() != live.GetUID():
		w.Action, w.At = Configured, lastOf(live)
	default:
		w.Action = Unchanged
	}
	return w
}

// NewSince tells whether an object was made after a moment.
func NewSince(live *unstructured.Unstructured, moment time.Time) bool {
	return !live.GetCreationTimestamp().Time.Before(moment.Add(-clocksDiffer))
}

// Differences are the fields in which an object that a command has put back differs from what it was put back to, as
// findings have them.
func (w Write) Differences(types Types) []string {
	w.Before, w.Base = w.Origin(), nil
	if w.Before == nil || w.Written == nil {
		return nil
	}
	return w.changes(types)
}

// changes are the fields that a command has changed.
func (w Write) changes(types Types) []string {
	k := kindOf(types, w.Written)
	changed := noPaths()
	k.compare(nil, w.beforeOf(k), content(w.Written), changed)
	return texts(changed)
}

// beforeOf is the content of an object before a write, with what others have written until then that is no part of it: what
// a write of this run has changed is all the rest.
func (w Write) beforeOf(k kind) any {
	before := content(w.Before)
	if !w.Command || w.Before == nil || w.Written == nil {
		return before
	}
	changed := noPaths()
	k.compare(nil, before, content(w.Written), changed)
	if others := w.byOthers(changed, w.Before); !others.empty() {
		return k.overlay(others, before, content(w.Written))
	}
	return before
}

// late tells whether a moment is one at which the command was not there any more.
func (w Write) late(moment time.Time) bool { return !w.Until.IsZero() && moment.After(w.Until) }

// byOthers are those of some fields that are not as before which only controllers of Kubernetes have written, or others after
// the command.
func (w Write) byOthers(changed paths, before *unstructured.Unstructured) paths {
	theirs := noPaths()
	then, now := entriesOf(before), entriesOf(w.Written)
	for i := range now {
		now[i].set = now[i].set.Difference(annotationsOfServer)
	}
	for at := range changed.all.All() {
		others, command := false, false
		for _, e := range now {
			was := then.of(ownerOf(e.ManagedFieldsEntry))
			switch {
			case !e.owns(at) || sameTime(e, was) && was.owns(at):
			case slices.Contains(controlPlane, e.Manager), e.Time != nil && w.late(e.Time.Time):
				others = true
			default:
				command = true
			}
		}
		if others && !command {
			theirs.addWhole(at)
		}
	}
	return theirs
}

// wroteMeanwhile tells whether an owner has written between two states of an object, and is no controller of Kubernetes.
func wroteMeanwhile(then, now entry) bool {
	o := ownerOf(now.ManagedFieldsEntry)
	if now.Manager == "" { // its entry is gone: whoever has written took its fields
		return false
	}
	return o.Subresource != "status" && !slices.Contains(controlPlane, o.Manager) && (!sameTime(then, now) || !then.set.Equals(now.set))
}

// lastOf is when somebody has written an object last who is no controller of Kubernetes.
func lastOf(u *unstructured.Unstructured) time.Time {
	newest := u.GetCreationTimestamp().Time
	for _, m := range u.GetManagedFields() {
		if m.Subresource != "status" && !slices.Contains(controlPlane, m.Manager) && m.Time != nil && m.Time.After(newest) {
			newest = m.Time.Time
		}
	}
	return newest
}
