package gate

import (
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// limitEach notes when each target has to be complete. Where none has a time of its own, the time of the stage is that of
// all.
func (f *follower) limitEach() {
	own := func(t rollout.Target) bool { return f.r.options[t.Ref].Timeout > 0 }
	if !slices.ContainsFunc(f.targets, own) {
		return
	}
	for i, t := range f.targets {
		f.states[i].due = f.r.dueOf(t.Ref)
	}
}

// dueOf is when the time of an object is up.
func (r *run) dueOf(ref manifest.Ref) time.Time {
	limit, _ := r.timeOf(ref)
	due := r.stageBegan.Add(limit)
	if !r.together.IsZero() && limit <= r.g.Timeout && due.After(r.together) {
		return r.together
	}
	return due
}

// timeAfterCommand lets the objects have their own times from now on: while the command ran there was nothing yet that
// could become complete. --timeout is still that of the command and the watch together; only an object whose own time is
// longer has all of that.
func (r *run) timeAfterCommand() {
	r.together = r.deadline
	refs := r.refsUntil(Stage{})
	r.time(time.Now(), refs, true, 0)
	if r.longestOwn(refs) <= r.g.Timeout {
		r.limit, r.deadline = r.g.Timeout, r.together
	}
}

// overdue tells whether the time of a target is up that was never complete. One that was, and is not for a moment, is up
// to the end of the stage. One that nobody has looked at yet may be complete.
func (s *state) overdue() bool {
	return s.looked && !s.due.IsZero() && !s.sound && !time.Now().Before(s.due)
}

// nextDue is when the time of the next target is up.
func (f *follower) nextDue() time.Duration {
	next := longest
	for i := range f.states {
		if s := &f.states[i]; !s.due.IsZero() && !s.sound {
			next = min(next, max(time.Until(s.due), coalesce))
		}
	}
	return next
}

// late tells whether the time of a target is up, given that the verdict is about time.
func (f *follower) late(i int, v Verdict) bool {
	return v.Outcome != TimedOut || v.Target < 0 || v.Target == i || f.states[i].overdue()
}

// refsUntil are the objects that a stage and those before it write.
func (r *run) refsUntil(s Stage) []manifest.Ref {
	var refs []manifest.Ref
	for _, w := range slices.Concat(r.writes, s.Writes) {
		refs = append(refs, w.Ref)
	}
	return refs
}

func refsOf(targets []rollout.Target) []manifest.Ref {
	var refs []manifest.Ref
	for _, t := range targets {
		refs = append(refs, t.Ref)
	}
	return refs
}

// judgedOf are the objects of a plan as they are now, without those that are not waited for: nobody asks criteria about
// their pods.
func (r *run) judgedOf(p patch.Plan) []rollout.Object {
	p.Writes = slices.DeleteFunc(slices.Clone(p.Writes), func(w patch.Write) bool { return r.options[w.Ref].NoWait })
	return liveOf(p)
}
