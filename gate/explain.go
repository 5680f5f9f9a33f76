package gate

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// maxExplained bounds how many workloads are looked into when many fail at once: the first ones tell the story.
	maxExplained = 8
	// explainTime is how long the evidence may take to read. An API server that hangs must not hold the undo up.
	explainTime = 15 * time.Second
)

// evidence adds what the run knows and the cluster does not.
func (f *follower) evidence(i int, ev diagnosis.Evidence) diagnosis.Evidence {
	ev.Together = f.together
	if f.states[i].renewed {
		ev.Workload.Applied, ev.Workload.Since = f.targets[i].Applied, f.targets[i].Since
	}
	if accepted := f.states[i].accepted; accepted != nil {
		ev.Workload.Applied = accepted
	}
	ev.Changed = f.r.config
	ev.ServicesBefore = f.services
	ev.History = f.states[i].progress.seen()
	ev.Undoing = f.undone != nil
	if c := f.r.report.Command; c != nil {
		ev.MadeBy = commandName(c.Argv)
	}
	ev.Timeout, ev.TimeoutBy = f.r.timeOf(f.targets[i].Ref)
	return ev
}

// explain reads the evidence of every workload that is not complete and says what is wrong, the workload that decided
// first. A signal cuts the reading short; what has been read by then is explained.
func (f *follower) explain(v Verdict) []diagnosis.Finding {
	phase := Explaining
	if f.undone != nil {
		phase = Verifying
	}
	ctx, release := f.r.course.enter(phase, explainTime)
	findings := f.explainIn(ctx, v)
	release()
	if f.undone == nil {
		f.r.keepLogs()
	}
	return findings
}

func (f *follower) explainIn(ctx context.Context, v Verdict) []diagnosis.Finding {
	byCriteria := v.Outcome == CriteriaFailed || v.Outcome == Inconclusive
	var findings []diagnosis.Finding
	if byCriteria {
		findings = criteriaFindings(f.r.report.Criteria)
	}
	order := f.worthExplaining(v)
	evidence := f.readAll(ctx, order, v)
	found := make([][]diagnosis.Finding, len(order))
	for n := range order {
		// Criteria that decide before a rollout is complete do not make it late.
		evidence[n].TimedOut = v.Finding == nil && !byCriteria && f.late(order[n], v)
		evidence[n].CriteriaFailed = v.Outcome == CriteriaFailed
		found[n] = diagnosis.Explain(evidence[n])
		for _, note := range evidence[n].Unreadable {
			f.r.note("%s", note)
		}
	}
	if v.Finding != nil {
		found[0] = headline(*v.Finding, found[0])
	}
	if f.undone == nil && (f.r.g.KeepLogs || f.r.g.KeepBadPod) {
		for n := range order {
			f.r.frozen = append(f.r.frozen, frozen{evidence[n], found[n], byCriteria})
		}
	}
	if len(order) > 0 && f.undone == nil {
		f.r.report.Layers = diagnosis.Layers(evidence[0], slices.Concat(findings, found[0]))
	}
	return append(findings, slices.Concat(found...)...)
}

// readAll reads the evidence of several targets at once. What decided is not read again.
func (f *follower) readAll(ctx context.Context, order []int, v Verdict) []diagnosis.Evidence {
	evidence := make([]diagnosis.Evidence, len(order))
	var reading sync.WaitGroup
	for n, i := range order {
		reading.Go(func() {
			if i == v.Target && v.Evidence != nil {
				evidence[n] = *v.Evidence
				return
			}
			evidence[n] = f.w.Read(ctx, i, f.states[i].status, diagnosis.Needs)
		})
	}
	reading.Wait()
	for n, i := range order {
		evidence[n] = f.evidence(i, evidence[n])
	}
	return evidence
}

// headline puts the finding that decided first, as it was explained with all the evidence, or as it was seen when it
// has vanished since.
func headline(decided diagnosis.Finding, found []diagnosis.Finding) []diagnosis.Finding {
	same := func(x diagnosis.Finding) bool { return x.Code == decided.Code && x.Container == decided.Container }
	if i := slices.IndexFunc(found, same); i >= 0 {
		rule := decided.Rule // it tells what really decided
		decided = found[i]
		decided.Rule = rule
		found = slices.Delete(found, i, i+1)
	}
	return append([]diagnosis.Finding{decided}, found...)
}

// worthExplaining are the targets to look into: the one that decided, then the others in the order of the manifests.
// When a criterion failed, that of a complete workload may have a reason in the cluster.
func (f *follower) worthExplaining(v Verdict) []int {
	var order []int
	if v.Target >= 0 {
		order = append(order, v.Target)
	}
	for i := range f.states {
		worth := f.states[i].status.Phase != rollout.Complete || v.Outcome == CriteriaFailed
		if i != v.Target && worth && !f.states[i].awaits && len(order) < maxExplained {
			order = append(order, i)
		}
	}
	return order
}

// remarks are what is worth saying of a rollout that has passed: that nothing runs, that pods go on with an old
// configuration, that something else was broken before and still is. It reads nothing.
func (f *follower) remarks(v Verdict) []diagnosis.Finding {
	var remarks []diagnosis.Finding
	for i := range f.states {
		ev := f.evidence(i, f.w.Evidence(i, f.states[i].status))
		remarks = append(remarks, slices.DeleteFunc(diagnosis.Explain(ev), diagnosis.Finding.Blames)...)
		for _, note := range ev.Unreadable { // what was not looked at was not proven either
			f.r.note("%s", note)
		}
		if f.states[i].before {
			f.r.troubledBefore = append(f.r.troubledBefore, f.targets[i].Ref)
			f.r.note("%s was not in order before this run and still is not; this run did not change it: %s", f.targets[i].Ref, f.states[i].status.Message)
		}
	}
	return remarks
}

// criteriaFindings say which criteria did not hold, in the form of every other cause.
func criteriaFindings(results []analysis.Result) []diagnosis.Finding {
	var findings []diagnosis.Finding
	breached := analysis.Overall(results) == analysis.Fail
	for _, c := range results {
		if c.ReportOnly || breached && c.Verdict != analysis.Fail {
			continue // the breach stopped the others before they could be judged
		}
		criterion := diagnosis.Criterion{
			Name: c.Name, Text: c.Text, Reason: c.Reason, Contributors: c.Contributors, FirstBreach: c.FirstBreach,
			Count: c.Samples.Judged, Events: c.Events > 0, Source: c.Source,
		}
		if criterion.Events {
			criterion.Count = int(c.Bad)
		}
		switch c.Verdict {
		case analysis.Fail:
			findings = append(findings, diagnosis.CriterionBreached(criterion))
		case analysis.Inconclusive, analysis.Error:
			findings = append(findings, diagnosis.CriterionInconclusive(criterion))
		}
	}
	return findings
}
