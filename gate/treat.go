package gate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// consider reads what was said of an object alone. What is wrong in an annotation that is not of this run's manifests is
// noted, and means nothing.
func (r *run) consider(ref manifest.Ref, annotations map[string]string) options {
	if o, known := r.options[ref]; known {
		return o
	}
	o, err := optionsOf(r.g.Objects, ref, annotations)
	unknown := o.unknownCriterion(r.known)
	if unknown != nil {
		o.Criteria = nil
	}
	for _, wrong := range append(each(err), unknown) {
		if wrong != nil {
			text, _, _ := strings.Cut(wrong.Error(), "\n")
			r.note("%s: %s", ref, text)
		}
	}
	r.remember(o)
	return o
}

func (r *run) remember(o options) {
	r.options[o.Object] = o
	if o.Criteria != nil {
		r.criteria.Own[o.Object] = o.Criteria
	}
}

func (g Gate) criteriaNames() []string {
	var names []string
	for _, c := range g.Criteria {
		names = append(names, c.Name)
	}
	return names
}

// considerPlan reads what was said of each object of a plan, and says what follows from it. Anew: the plan may be another
// one than before.
func (r *run) considerPlan(p patch.Plan) {
	var refs []manifest.Ref
	for _, w := range p.Writes {
		if w.Test > 0 {
			continue
		}
		refs = append(refs, w.Ref)
		o := r.consider(w.Ref, annotationsOf(w.After, w.Sent, w.Before))
		for _, text := range o.texts(w) {
			r.note("%s", text)
		}
	}
	r.noteUnmatched(refs)
	workloads := asWorkloads(r.waited(r.targetsOfPlan(p)))
	r.g.Criteria = slices.DeleteFunc(slices.Clone(r.g.Criteria), func(c analysis.Criterion) bool {
		idle := r.criteria.Idle(c, workloads)
		if idle {
			r.note("criterion %q is not asked: all workloads of this run are judged by other criteria", c.Name)
		}
		return idle
	})
	r.criteria.Criteria = r.g.Criteria
}

// considerFound reads what was said of each object that a command was to change, as it has left them: what was known from
// before the command does not count any more.
func (r *run) considerFound(writes []patch.Write) {
	var refs []manifest.Ref
	for _, w := range writes {
		refs = append(refs, w.Ref)
		delete(r.options, w.Ref)
		delete(r.criteria.Own, w.Ref)
		o := r.consider(w.Ref, annotationsOf(w.Written, w.Before))
		for _, text := range o.texts(w) {
			r.note("%s", text)
		}
	}
	r.noteUnmatched(refs)
}

// noteUnmatched says which entries of the config file are about none of the objects.
func (r *run) noteUnmatched(refs []manifest.Ref) {
	for _, row := range Unmatched(r.g.Objects, refs) {
		r.note("%s: this entry of objects matches none of the objects of this run", row.place())
	}
}

// texts say how an object of a run is treated.
func (o options) texts(w patch.Write) []string {
	var texts []string
	add := func(format string, args ...any) {
		texts = append(texts, fmt.Sprintf("%s "+format, append([]any{w.Ref}, args...)...))
	}
	if o.NoWait && (rollout.Watched(w.Ref.GroupKind()) || o.own != nil) {
		add("is not waited for: %s", o.waitBy)
	}
	if o.own != nil && !o.NoWait {
		add("is judged by %s: %s", o.expressions(), o.own.By)
	}
	if o.Timeout > 0 && !o.NoWait {
		add("has %s to be complete: %s", wording.Duration(o.Timeout), o.timeoutBy)
	}
	switch {
	case w.Action == patch.Unchanged:
	case o.NoUndo:
		add("stays as this run writes it, also in an undo: %s", o.undoBy)
	case o.KeepCreated && w.Action == patch.Created:
		add("is not removed again by an undo: the annotation %s: keep", helmPolicy)
	}
	if o.Criteria != nil && criteria.HasPods(w.Ref) {
		names := "no criteria"
		if len(o.Criteria) > 0 {
			names = strings.Join(o.Criteria, ", ") + " alone"
		}
		add("is judged by %s: %s", names, o.criteriaBy)
	}
	return texts
}

// watches tells whether there is something about an object that a run can wait for.
func (r *run) watches(ref manifest.Ref) bool {
	return rollout.Watched(ref.GroupKind()) || r.options[ref].own != nil
}

// waited are the targets that a run waits for.
func (r *run) waited(targets []rollout.Target) []rollout.Target {
	return slices.DeleteFunc(targets, func(t rollout.Target) bool {
		return r.consider(t.Ref, annotationsOfTarget(t)).NoWait
	})
}

func annotationsOfTarget(t rollout.Target) map[string]string {
	if t.Applied == nil {
		return nil
	}
	return t.Applied.GetAnnotations()
}

// treat adds to targets what was said of each of them alone.
func (r *run) treat(targets []rollout.Target) {
	for i, t := range targets {
		o := r.consider(t.Ref, annotationsOfTarget(t))
		targets[i].OwnTime, targets[i].Own = o.Timeout > 0, o.own
	}
}

// stays tells whether an undo leaves what a run has written of an object.
func (r *run) stays(w patch.Write) bool {
	o := r.options[w.Ref]
	return o.NoUndo || o.KeepCreated && w.Action == patch.Created && w.Origin() == nil
}

// timeOf is how long a target may take to be complete, and where that was said; empty: --timeout.
func (r *run) timeOf(ref manifest.Ref) (limit time.Duration, by string) {
	if o := r.options[ref]; o.Timeout > 0 {
		return o.Timeout, o.timeoutBy
	}
	return r.g.Timeout, ""
}

// allowed is how long a stage about these objects may take: as long as the slowest of them may, and the criteria after it.
func (r *run) allowed(refs []manifest.Ref, judged bool) time.Duration {
	own := r.longestOwn(refs)
	if own > 0 && judged && len(r.g.Criteria) > 0 {
		own += r.g.Timing.With(r.criteria.Facts.Scrape, r.criteria.Facts.Lag).Longest(r.g.Criteria)
	}
	return max(r.g.Timeout, own)
}

// longestOwn is the longest time that one of these objects has of its own; zero when none has any.
func (r *run) longestOwn(refs []manifest.Ref) time.Duration {
	var own time.Duration
	for _, ref := range refs {
		if o := r.options[ref]; !o.NoWait {
			own = max(own, o.Timeout)
		}
	}
	return own
}

// time sets the time of a stage that begins at some moment, and that may take longer by some more.
func (r *run) time(began time.Time, refs []manifest.Ref, judged bool, more time.Duration) {
	r.stageBegan, r.limit = began, r.allowed(refs, judged)
	r.deadline = began.Add(r.limit + more)
}

// undoTime is how long an undo may take, with its proof: as long as the slowest object of its own time.
func (r *run) undoTime() time.Duration {
	limit := r.g.UndoTimeout
	for _, w := range r.writes {
		if o := r.options[w.Ref]; w.Action != patch.Unchanged && !o.NoWait && !r.stays(w) {
			limit = max(limit, o.Timeout)
		}
	}
	return limit
}

// optionsFit refuses options of an object of which a stage writes only a part: it would stay so.
func (r *run) optionsFit(stages []Stage) error {
	steps := map[manifest.Ref]bool{}
	for _, s := range stages {
		for _, w := range s.Writes {
			if s.Goals[w.Ref] > 0 || w.Steers() || w.Step > 0 {
				steps[w.Ref] = true
			}
		}
	}
	var errs []error
	for _, s := range stages {
		for _, w := range s.Writes {
			o := r.options[w.Ref]
			if !steps[w.Ref] {
				continue
			}
			delete(steps, w.Ref) // said once
			for _, not := range []struct {
				said     bool
				what, by string
			}{{o.NoWait, "it is not to be waited for", o.waitBy}, {o.NoUndo, "it is to stay in an undo", o.undoBy}} {
				if not.said {
					errs = append(errs, fmt.Errorf("%s goes out in stages, and %s (%s)\n  hint: take one of the two back, or name the others with --workloads", w.Ref, not.what, not.by))
				}
			}
		}
	}
	if len(errs) > 0 {
		return invalidError{errors.Join(errs...)}
	}
	return nil
}

// optionsOnRecord are the options of the objects as they are kept.
func (r *run) optionsOnRecord() []record.Options {
	var all []record.Options
	for _, o := range r.options {
		if o.Said() {
			all = append(all, o.Options)
		}
	}
	slices.SortFunc(all, func(a, b record.Options) int {
		return strings.Compare(fmt.Sprint(a.Object), fmt.Sprint(b.Object))
	})
	return all
}

// treated are the objects of the run that were treated alone, for its report.
func (r *run) treated() []Treated {
	no := false
	var all []Treated
	for _, o := range r.optionsOnRecord() {
		t := Treated{Object: o.Object, Timeout: o.Timeout.Seconds(), Criteria: o.Criteria, Ready: o.Ready, Failed: o.Failed, Message: o.Message}
		if o.NoWait {
			t.Wait = &no
		}
		if o.NoUndo {
			t.Undo = &no
		}
		all = append(all, t)
	}
	return all
}

// goOnTreating takes the options of a run on record over, unless other ones are known.
func (r *run) goOnTreating(u record.Record) {
	for _, o := range u.Options {
		if _, known := r.options[o.Object]; !known {
			by := "run " + u.ID
			taken := options{Options: o, waitBy: by, timeoutBy: by, undoBy: by, criteriaBy: by, ownBy: by}
			if err := taken.compile(); err != nil {
				r.note("%s: %v", o.Object, err)
			}
			r.remember(taken)
		}
	}
}
