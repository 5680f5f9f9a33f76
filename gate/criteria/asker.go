package criteria

import (
	"cmp"
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Asker asks the criteria of one run. Its fields and methods belong to the goroutine of the run; a [Measurement] that
// goes on in the background sees only what it is told.
type Asker struct {
	Querier  analysis.Querier
	Fetcher  analysis.Fetcher
	Criteria []analysis.Criterion
	Timing   analysis.Timing
	// Vars are the variables that do not come from workloads; the namespace is among them.
	Vars analysis.Vars
	// Facts are what the preflight found out. The zero value assumes what is usual.
	Facts analysis.Facts
	// AsTheyRun makes the pods that run the ones to judge, for criteria without a rollout.
	AsTheyRun bool
	// Own are workloads that are judged by some criteria only, with their names. These criteria look at no other workloads.
	Own map[manifest.Ref][]string

	tracker podTracker
	all     []rollout.Workload // of the measurement, as far as they have pods to judge
	session *analysis.Session  // that of the last measurement, for Recheck and Plot; nil before
}

// Began says when the run began to change things.
func (a *Asker) Began(at time.Time) { a.tracker.changed = at }

// AboutPods are the names of the criteria that are about the pods of a workload.
func (a *Asker) AboutPods() []string {
	var out []string
	for _, c := range a.Criteria {
		if aboutPods(c) {
			out = append(out, c.Name)
		}
	}
	return out
}

// WantsOldPods tells whether a criterion is about the pods of the version before.
func (a *Asker) WantsOldPods() bool {
	return slices.ContainsFunc(a.Criteria, func(c analysis.Criterion) bool {
		return c.Scope == analysis.ScopeOld || c.Concurrent() || c.Uses("oldPods")
	})
}

// WantsService returns the workload whose Service ${service} stands for, if a criterion wants to know and there is
// exactly one. object is nil where the workload does not exist and will not.
func (a *Asker) WantsService(workloads []rollout.Workload) (object rollout.Object, ref manifest.Ref, wanted bool) {
	relevant := withPods(workloads)
	asked := slices.ContainsFunc(a.Criteria, func(c analysis.Criterion) bool { return c.Uses("service") })
	if !asked || len(relevant) != 1 || a.Vars.Service != "" {
		return nil, manifest.Ref{}, false
	}
	object = relevant[0].Applied
	if object == nil {
		object = relevant[0].Live
	}
	return object, relevant[0].Ref, object != nil
}

// Preflight asks every criterion about the running version, whose pods are given, and keeps what it learns in Facts. Of
// the workloads, Live is the object before the run and Applied what it will be. The error is that of a server that does
// not answer, an *analysis.QueryError.
func (a *Asker) Preflight(ctx context.Context, workloads []rollout.Workload, pods []rollout.RunningPod) error {
	facts, err := a.before(workloads, pods).Preflight(ctx)
	if err == nil {
		a.Facts = facts
	}
	return err
}

// Backtest replays the criteria over the windows of the past.
func (a *Asker) Backtest(ctx context.Context, workloads []rollout.Workload, over time.Duration) []analysis.Replay {
	s := a.before(workloads, nil)
	s.Facts = a.Facts
	return s.Backtest(ctx, over)
}

// before is a session that knows the running pods as the old ones; new ones there are none yet.
func (a *Asker) before(workloads []rollout.Workload, pods []rollout.RunningPod) analysis.Session {
	relevant := withPods(workloads)
	now := time.Now()
	view := func(about []rollout.Workload) analysis.View {
		var old []analysis.Pod
		var revision string
		for _, p := range pods {
			if len(a.Own) > 0 && !among(about, p.Owner) && among(relevant, p.Owner) {
				continue
			}
			old = append(old, a.tracker.pod(p.Owner, p.Pod))
			revision = cmp.Or(revision, p.Revision)
		}
		vars := a.Vars
		vars.RolloutStart, vars.ReadyAt, vars.Since = now, now, time.Minute
		for _, p := range old {
			vars.OldPods = append(vars.OldPods, p.Name)
		}
		vars.NewPods = vars.OldPods // the question is whether the criterion works; today's pods stand in for tomorrow's
		if len(about) == 1 {
			describe(&vars, about[0], rollout.Status{Revision: revision, PreviousRevision: revision})
		}
		return analysis.View{
			Pods: func() analysis.Pods { return analysis.Pods{Old: old} }, AllPods: allVersions(about), Vars: func() analysis.Vars { return vars },
		}
	}
	v, views := a.views(relevant, view)
	return analysis.Session{
		Querier: a.Querier, Fetcher: a.Fetcher, Criteria: a.Criteria, Timing: a.Timing, AllPods: v.AllPods, Pods: v.Pods, Vars: v.Vars, Views: views,
	}
}

// scene is what a measurement knows at one moment: for all criteria, and for those that look at workloads of their own, by
// name. It is never changed.
type scene struct {
	pods analysis.Pods
	vars analysis.Vars
	own  map[string]scene
}

// of is the scene that a criterion sees; the name of the others is empty.
func (s *scene) of(criterion string) scene {
	if own, has := s.own[criterion]; has {
		return own
	}
	return *s
}

// rolling is a session about workloads while they roll out. It asks about what current holds at the moment of a look.
func (a *Asker) rolling(current *atomic.Pointer[scene]) analysis.Session {
	began := a.tracker.changed
	view := func(criterion string, about []rollout.Workload) analysis.View {
		v := analysis.View{AllPods: allVersions(about)}
		if len(about) > 0 {
			v.Pods = func() analysis.Pods { return current.Load().of(criterion).pods }
			v.Seen = func() []string { return a.tracker.seenNew(about) }
		}
		v.Vars = func() analysis.Vars {
			vars := current.Load().of(criterion).vars
			vars.Since = max(time.Since(began), time.Second)
			return vars
		}
		return v
	}
	v := view("", a.others(a.all))
	s := analysis.Session{
		Querier: a.Querier, Fetcher: a.Fetcher, Criteria: a.Criteria, Timing: a.Timing, Facts: a.Facts, AllPods: v.AllPods, Pods: v.Pods, Seen: v.Seen, Vars: v.Vars,
		Views: map[string]analysis.View{},
	}
	for _, name := range a.named() {
		s.Views[name] = view(name, a.ownOf(a.all, name))
	}
	return s
}

// see makes a scene of the workloads as they are now.
func (a *Asker) see(workloads []rollout.Workload, ready time.Time) *scene {
	relevant := withPods(workloads)
	s := a.seeOf(a.others(relevant), len(a.others(a.all)) == 1, ready)
	s.own = map[string]scene{}
	for _, name := range a.named() {
		s.own[name] = a.seeOf(a.ownOf(relevant, name), len(a.ownOf(a.all, name)) == 1, ready)
	}
	return &s
}

// seeOf is the scene of some workloads. With several of them no single value of a variable is right.
func (a *Asker) seeOf(workloads []rollout.Workload, single bool, ready time.Time) scene {
	vars := a.Vars
	vars.RolloutStart, vars.ReadyAt = a.tracker.changed.Add(a.Facts.Skew), ready
	if !ready.IsZero() {
		vars.ReadyAt = ready.Add(a.Facts.Skew) // by the server's clock
	}
	if single && len(workloads) == 1 {
		describe(&vars, workloads[0], rollout.Evaluate(workloads[0]))
	}
	pods := a.tracker.pods(workloads)
	if a.AsTheyRun {
		pods = asTheyRun(pods)
	}
	return scene{pods: pods, vars: vars}
}

// Recheck asks the criteria that failed again, until they hold or ctx ends, and notes in their results whether they do.
// undone is when the previous version was back. Without a measurement there is nothing to ask.
func (a *Asker) Recheck(ctx context.Context, results []analysis.Result, undone time.Time, observe func(analysis.Measurement)) {
	if a.session != nil {
		a.session.Recheck(ctx, results, undone, observe)
	}
}

// Plot adds the course of each criterion to its result.
func (a *Asker) Plot(ctx context.Context, results []analysis.Result) {
	if a.session != nil {
		a.session.Plot(ctx, results, a.tracker.changed)
	}
}
