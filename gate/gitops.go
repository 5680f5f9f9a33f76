package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// GitOpsMode says what it means that an object of a run belongs to a GitOps tool.
type GitOpsMode string

// The modes; "" is GitOpsRefuse.
const (
	GitOpsRefuse GitOpsMode = "refuse" // nothing is written
	GitOpsWarn   GitOpsMode = "warn"   // it is noted
)

// ancestors is how far up is looked for who keeps an object.
const ancestors = 5

// deployedByGitOps refuses a plan that writes what a GitOps tool keeps: it would be put back at any moment, and by the undo
// the run would fight it. On an error the exit is set.
func (r *run) deployedByGitOps(ctx context.Context, plan patch.Plan) error {
	groups := r.kept(ctx, plan)
	if ended := r.interrupted(ctx, "asking who keeps the objects"); ended != nil {
		return r.fail(ended)
	}
	if len(groups) == 0 {
		return nil
	}
	if r.g.GitOps == GitOpsWarn || r.resumed != "" {
		for _, g := range groups {
			for _, k := range g {
				r.note("%s, which may put back what is written here, an undo included", k)
			}
		}
		return nil
	}
	return r.refuseKept(groups, plan)
}

// conflictsWithGitOps parts the refusals of a plan from the conflicts with a GitOps tool over what it keeps. That it keeps it
// is the better reason: to take the fields from it, as against a conflict, would help for a moment. On an error the exit is set.
func (r *run) conflictsWithGitOps(ctx context.Context, plan patch.Plan) (others []patch.Refusal, err error) {
	if r.g.GitOps == GitOpsWarn || r.resumed != "" || !slices.ContainsFunc(plan.Refusals, isConflict) {
		return plan.Refusals, nil
	}
	groups := r.kept(ctx, plan)
	isKept := func(object manifest.Ref) bool {
		return slices.ContainsFunc(groups, func(g []diagnosis.Kept) bool {
			return slices.ContainsFunc(g, func(k diagnosis.Kept) bool { return k.Object == object })
		})
	}
	others = slices.DeleteFunc(slices.Clone(plan.Refusals), func(x patch.Refusal) bool { return isConflict(x) && isKept(x.Object.Ref()) })
	if len(others) == len(plan.Refusals) {
		return others, nil
	}
	return others, r.refuseKept(groups, plan)
}

func isConflict(r patch.Refusal) bool { return apierrors.IsConflict(r.Err) }

// refuseKept ends a run before it has changed anything, because of who keeps its objects.
func (r *run) refuseKept(groups [][]diagnosis.Kept, plan patch.Plan) error {
	var errs []error
	for _, g := range groups {
		f := diagnosis.OwnedByGitOps(g, watchCommand(g, plan.Writes))
		if i := slices.IndexFunc(plan.Writes, func(w patch.Write) bool { return w.Ref == g[0].Object }); i >= 0 {
			f.File, f.Line = plan.Writes[i].Source.Path, plan.Writes[i].Source.Line
		}
		r.findings = append(r.findings, f)
		errs = append(errs, errors.New(f.Cause))
	}
	r.exit(Refused, nothingChanged)
	return r.hushed(refusedError{errors.Join(errs...)})
}

// kept are the objects of a plan that are to be changed and belong to a GitOps tool, those of one keeper together.
func (r *run) kept(ctx context.Context, plan patch.Plan) [][]diagnosis.Kept {
	var groups [][]diagnosis.Kept
	for _, w := range plan.Writes {
		if w.Action == patch.Unchanged {
			continue
		}
		var object rollout.Object
		switch {
		case w.Before != nil:
			object = w.Before
		case w.Sent != nil && !w.OfRun:
			object = w.Sent // what a tool has marked as its own, and does not find in its source, it may delete
		default:
			continue
		}
		k, found := r.keeperOf(ctx, w.Ref, object)
		if !found {
			continue
		}
		same := func(g []diagnosis.Kept) bool { return g[0].Keeper.String() == k.Keeper.String() }
		if i := slices.IndexFunc(groups, same); i >= 0 {
			if !slices.ContainsFunc(groups[i], func(o diagnosis.Kept) bool { return o.Object == k.Object }) {
				groups[i] = append(groups[i], k)
			}
			continue
		}
		groups = append(groups, []diagnosis.Kept{k})
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b diagnosis.Kept) int { return cmp.Compare(workloadLast(a), workloadLast(b)) })
	}
	return groups
}

// workloadLast puts what has a rollout first.
func workloadLast(k diagnosis.Kept) int {
	if rollout.HasPods(k.Object.GroupKind()) {
		return 0
	}
	return 1
}

// keeperOf asks an object, and then those whose controllers have made it, whether a GitOps tool keeps them.
func (r *run) keeperOf(ctx context.Context, ref manifest.Ref, o rollout.Object) (diagnosis.Kept, bool) {
	kept := diagnosis.Kept{Object: ref}
	for range ancestors {
		if k, found := diagnosis.KeeperOf(o); found && k.GitOps() {
			kept.Keeper = k
			return kept, true
		}
		above, err := r.g.Cluster.ControllerOf(ctx, o)
		if err != nil && ctx.Err() == nil {
			r.note("whether a GitOps tool keeps what has made %s is not known: %v", ref, err)
		}
		if err != nil || above == nil {
			return kept, false
		}
		o, kept.Through = above, refOf(above)
	}
	return kept, false
}

// watchCommand gates what a GitOps tool rolls out, as a command line for people: the workloads among the objects, and the
// images that the plan would have changed.
func watchCommand(objects []diagnosis.Kept, writes []patch.Write) string {
	var names, images []string
	namespace := ""
	for _, k := range objects {
		if !rollout.HasPods(k.Object.GroupKind()) || namespace != "" && k.Object.Namespace != namespace {
			continue
		}
		namespace = k.Object.Namespace
		names = append(names, quoted(k.Object.String()))
		for _, w := range writes {
			if w.Ref != k.Object || w.After == nil {
				continue
			}
			for _, image := range rollout.Images(rollout.Typed(w.After)) {
				if w.Before == nil || !rollout.HasImage(rollout.Typed(w.Before), image) {
					images = append(images, " --for-image "+quoted(k.Object.String()+"="+image))
				}
			}
		}
	}
	if len(names) == 0 {
		return ""
	}
	slices.Sort(images)
	return fmt.Sprintf("rolloutgate watch %s -n %s%s", strings.Join(names, " "), quoted(namespace), strings.Join(slices.Compact(images), ""))
}

// plainWord needs no quotes in a shell.
var plainWord = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

func quoted(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// noteKeeper notes that a GitOps tool keeps an object, and what follows from that.
func (r *run) noteKeeper(o rollout.Object, ref manifest.Ref, follows string) {
	if o == nil {
		return
	}
	if k, found := diagnosis.KeeperOf(o); found && k.GitOps() {
		r.note("%s; %s", diagnosis.Kept{Object: ref, Keeper: k}, follows)
	}
}

// notSynced says of a watch that passed what it has not seen: a GitOps tool that had not begun yet.
func (r *run) notSynced(targets []rollout.Target, v Verdict) {
	if v.Outcome != Passed {
		return
	}
	for _, t := range targets {
		if len(t.Awaited) > 0 || r.went(t.Ref) {
			continue
		}
		r.noteKeeper(t.Applied, t.Ref, "it was complete when this watch began, so a version that had not been synced by then was not judged: name it with --for-image")
	}
}

// went tells whether a workload was seen on its way: not that all its new pods were there and only had to prove themselves.
func (r *run) went(ref manifest.Ref) bool {
	proving := []string{rollout.ReasonCheckingServices, rollout.ReasonTrial, rollout.ReasonEndpoints}
	return slices.ContainsFunc(r.report.Timeline, func(e Event) bool {
		s, ok := e.Payload.(Status)
		return ok && e.Object == ref && s.Phase != rollout.Complete && !slices.Contains(proving, s.Reason)
	})
}
