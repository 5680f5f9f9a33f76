package criteria

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// named are the criteria that look at workloads of their own, sorted.
func (a *Asker) named() []string {
	var all []string
	for _, names := range a.Own {
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// ownOf are the workloads that are judged by a criterion of their own.
func (a *Asker) ownOf(workloads []rollout.Workload, criterion string) []rollout.Workload {
	return where(workloads, func(w rollout.Workload) bool { return slices.Contains(a.Own[w.Ref], criterion) })
}

// others are the workloads that the criteria without workloads of their own look at.
func (a *Asker) others(workloads []rollout.Workload) []rollout.Workload {
	return where(workloads, func(w rollout.Workload) bool { _, own := a.Own[w.Ref]; return !own })
}

// views are what the criteria look at, and those with workloads of their own, by name.
func (a *Asker) views(workloads []rollout.Workload, view func([]rollout.Workload) analysis.View) (analysis.View, map[string]analysis.View) {
	own := map[string]analysis.View{}
	for _, name := range a.named() {
		own[name] = view(a.ownOf(workloads, name))
	}
	return view(a.others(workloads)), own
}

// Idle tells whether a criterion is about pods, and none of the workloads that have some is left for it to look at.
func (a *Asker) Idle(c analysis.Criterion, workloads []rollout.Workload) bool {
	relevant := withPods(workloads)
	if len(a.Own) == 0 || len(relevant) == 0 || !aboutPods(c) {
		return false
	}
	if slices.Contains(a.named(), c.Name) {
		return len(a.ownOf(relevant, c.Name)) == 0
	}
	return len(a.others(relevant)) == 0
}

// aboutPods tells whether a criterion is about the pods of a workload.
func aboutPods(c analysis.Criterion) bool {
	return c.Scope == analysis.ScopeNew || c.Scope == analysis.ScopeOld || c.Scope == "" && c.Counts != nil
}

func where(workloads []rollout.Workload, is func(rollout.Workload) bool) []rollout.Workload {
	var out []rollout.Workload
	for _, w := range workloads {
		if is(w) {
			out = append(out, w)
		}
	}
	return out
}

func among(workloads []rollout.Workload, ref manifest.Ref) bool {
	return slices.ContainsFunc(workloads, func(w rollout.Workload) bool { return w.Ref == ref })
}
