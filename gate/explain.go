package gate

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// maxFrozen bounds how many workloads are looked into when many fail at once: the first ones tell the story.
const maxFrozen = 8

// evidence adds what the gate knows and the cluster does not.
func (l *watching) evidence(i int, ev diagnosis.Evidence) diagnosis.Evidence {
	for _, c := range l.r.report.Changes {
		ev.Together = append(ev.Together, c.Object)
	}
	ev.Changed = l.r.changedConfig
	ev.History = l.states[i].history.seen()
	ev.Undoing = l.undo != nil
	ev.Timeout = l.r.g.Timeout
	return ev
}

// explain freezes the evidence of every workload that is not complete and says what is wrong, the workload that
// decided first. It runs before the undo, which destroys the evidence.
func (l *watching) explain(ctx context.Context, e ending) []diagnosis.Finding {
	ctx = context.WithoutCancel(ctx) // the time of the gate is up, that of the diagnosis is not
	var findings []diagnosis.Finding
	if e.outcome == CriteriaFail || e.outcome == Inconclusive {
		findings = criteriaFindings(l.r.report.Criteria)
	}
	order := l.incomplete(e)
	found, frozen := make([][]diagnosis.Finding, len(order)), make([]diagnosis.Evidence, len(order))
	var wg sync.WaitGroup
	for n, i := range order {
		wg.Go(func() {
			var ev diagnosis.Evidence
			if i == e.target && e.evidence != nil {
				ev = *e.evidence
			} else {
				ev = l.evidence(i, l.w.Freeze(ctx, i, l.states[i].status))
			}
			// Criteria that decide before a rollout is complete do not make it late.
			ev.TimedOut = e.finding == nil && e.outcome != CriteriaFail && e.outcome != Inconclusive
			ev.CriteriaFailed = e.outcome == CriteriaFail
			found[n] = diagnosis.Explain(ev)
			frozen[n] = ev
		})
	}
	wg.Wait()
	for _, ev := range frozen {
		for _, note := range ev.Unreadable {
			if !slices.Contains(l.r.report.Notes, note) {
				l.r.report.Notes = append(l.r.report.Notes, note)
			}
		}
	}
	if e.finding != nil {
		found[0] = headline(*e.finding, found[0])
		found[0][0] = tuned(found[0][0], l.states[e.target].patience)
	}
	if len(order) > 0 && l.undo == nil {
		l.r.report.Layers = diagnosis.Layers(frozen[0], slices.Concat(findings, found[0]))
	}
	return append(findings, slices.Concat(found...)...)
}

// headline puts the finding that decided first, as it was explained with all the evidence, or as it was seen when it
// has vanished since.
func headline(decided diagnosis.Finding, found []diagnosis.Finding) []diagnosis.Finding {
	same := func(f diagnosis.Finding) bool { return f.Code == decided.Code && f.Container == decided.Container }
	if i := slices.IndexFunc(found, same); i >= 0 {
		decided = found[i]
		found = slices.Delete(found, i, i+1)
	}
	return append([]diagnosis.Finding{decided}, found...)
}

// tuned says of a finding that somebody else's patience than the rule's own was asked for.
func tuned(f diagnosis.Finding, p diagnosis.Patience) diagnosis.Finding {
	if grace, ok := p.Grace[f.Code]; ok {
		f.Rule += fmt.Sprintf("; here after %s, as asked", short(grace))
	}
	return f
}

// incomplete are the targets to look into: the one that decided, then the others in the order of the manifests. When a
// criterion failed, that of a complete workload may have a reason in the cluster.
func (l *watching) incomplete(e ending) []int {
	var order []int
	if e.target >= 0 {
		order = append(order, e.target)
	}
	for i := range l.states {
		worth := l.states[i].status.Phase != rollout.Complete || e.outcome == CriteriaFail
		if i != e.target && worth && len(order) < maxFrozen {
			order = append(order, i)
		}
	}
	return order
}

// criteriaFindings say which criteria did not hold, in the form of every other cause.
func criteriaFindings(results []analysis.Result) []diagnosis.Finding {
	var findings []diagnosis.Finding
	breached := analysis.Overall(results) == analysis.Fail
	for _, c := range results {
		if c.ReportOnly || breached && c.Verdict != analysis.Fail {
			continue // the breach stopped the others before they could be judged
		}
		f := diagnosis.Finding{
			Detail: c.Name, Layer: diagnosis.LayerApplication, Stage: "traffic", Confidence: diagnosis.Proven,
			Terminal: diagnosis.TerminalNow, FirstSeen: c.FirstBreach, Count: c.Samples.Judged, Object: diagnosis.Subject{},
			Rule: "a value fails when it breaks its limit several times in a row", Knob: "its limit and for, --settle, --window",
			Evidence: []diagnosis.Proof{{Type: "metric", Text: c.Text, Ref: "Prometheus"}},
		}
		if c.Events > 0 {
			f.Rule = "a share of events fails as soon as the counts leave no doubt, or when it is over the limit at the end of the window"
			f.Knob = "its limit and minEvents, --settle, --window"
			f.Count = int(c.Bad)
		}
		for _, n := range c.Contributors {
			f.Evidence = append(f.Evidence, diagnosis.Proof{Type: "metric", Text: n, Ref: "Prometheus"})
		}
		switch c.Verdict {
		case analysis.Fail:
			f.Code = "CriterionBreached"
			f.Cause = fmt.Sprintf("criterion %q is violated: %s", c.Name, c.Reason)
			f.Fix = []string{"compare the new version's behaviour with the old one's around the first breach", "look at the logs of the new pods at that time"}
		case analysis.Inconclusive, analysis.Error:
			f.Code, f.Confidence = "CriterionInconclusive", diagnosis.Likely
			f.Cause = fmt.Sprintf("criterion %q could not be judged: %s", c.Name, c.Reason)
			f.Fix = []string{"run the query by hand against the same Prometheus", "check --prometheus-url and that the new pods are scraped"}
		default:
			continue
		}
		findings = append(findings, f)
	}
	return findings
}
