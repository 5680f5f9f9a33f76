package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// coalesce is how long changes that arrive together are gathered before anything is judged.
	coalesce = 20 * time.Millisecond
	// idle is how long a workload may stand still before it is looked at more closely; a big one, whose pods are many,
	// may stand still for longer.
	idle, idleBig = 10 * time.Second, 30 * time.Second
	big           = 50 // pods
	// worthTelling is how long a finding has to stay before it is told of.
	worthTelling = time.Second
	// look is the longest time between two looks: rules that count seconds need one without a change.
	look = 5 * time.Second
	// aroundAfter is how long something has to be wrong before what is around a workload is read, and aroundEvery how
	// often after that.
	aroundAfter = 15 * time.Second
	aroundEvery = 30 * time.Second
)

// ending is why a watch ended.
type ending struct {
	outcome Outcome
	target  int                // the workload that decided, or -1
	finding *diagnosis.Finding // the rule that decided, or nil
	// evidence is what finding was decided on.
	evidence *diagnosis.Evidence
	frozen   []diagnosis.Finding
	// action is what follows when the criteria decided; "" otherwise.
	action analysis.Action
}

// watching is the state of one watch: of a rollout, or of an undo.
type watching struct {
	r       *run
	w       *cluster.Watch
	targets []cluster.Target
	states  []watched
	// undo, when not nil, is asked for each incomplete target of an undo.
	undo func(i int, status rollout.Status)
	// judging is set once everything was complete and the criteria are being measured: from then on a workload that
	// is briefly incomplete (a pod was evicted, an autoscaler scaled) is no news.
	judging bool
	// lookedAround is when what is around any of the targets was read last: one at a time.
	lookedAround time.Time
}

// watched is what the watch remembers of one target.
type watched struct {
	status    rollout.Status
	sightings diagnosis.Sightings
	history   history
	patience  diagnosis.Patience
	seen      map[string]time.Time // since when each code is there; zero once it was told
	best      int32                // the most progress seen
	since     time.Time
	frozen    time.Time // when its evidence was last frozen
	held      bool      // complete, but something about it can still decide
	// lookedComplete is when that was asked last; zero while it is not complete.
	lookedComplete time.Time
	troubled       time.Time // since when something is wrong with it; zero while nothing is
	// around is what was read around the workload at the time lookedAround, because something was wrong with it for a
	// while: the nodes that do not take its pods, the quota, the claims.
	around       diagnosis.Evidence
	lookedAround time.Time
}

func (r *run) watching(w *cluster.Watch, targets []cluster.Target) *watching {
	l := &watching{r: r, w: w, targets: targets, states: make([]watched, len(targets))}
	for i := range l.states {
		l.states[i] = watched{status: rollout.Status{Ref: targets[i].Ref, Phase: rollout.Progressing, Watched: true},
			seen: map[string]time.Time{}, since: time.Now(), patience: r.patienceFor(targets[i])}
	}
	return l
}

// watchAndJudge follows the rollout to its end, measures the criteria when it is complete, and freezes the evidence
// when it is bad. judge is false when nothing was changed: then there is nothing that criteria could blame.
func (r *run) watchAndJudge(ctx context.Context, targets []cluster.Target, judge bool) ending {
	r.targets = targets
	r.tell(EventStep, manifest.Ref{}, "watch: %s, for at most %s", count(len(targets), "workload", "workloads"), short(r.g.Timeout))
	// The watch outlives a cancelled run: evidence is read from it afterwards.
	watchCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w := r.g.Cluster.Watch(watchCtx, targets)
	defer func() { stop(); w.Wait() }()

	l := r.watching(w, targets)
	e := l.until(ctx, judge)
	r.report.Workloads = l.statuses()
	if e.outcome != Passed && e.outcome != Interrupted && e.outcome != Terminated {
		r.tell(EventStep, manifest.Ref{}, "diagnose")
		e.frozen = l.explain(ctx, e)
	}
	return e
}

// until runs the loop: look, then wait for a change, the next deadline of a rule, or the end.
func (l *watching) until(ctx context.Context, judge bool) ending {
	heartbeat := time.NewTicker(l.r.g.Heartbeat)
	defer heartbeat.Stop()
	recheck := time.NewTimer(0)
	defer recheck.Stop()
	var m *criteria.Measurement // nil when there is none, and when it has results
	var news <-chan criteria.News
	judge = judge && len(l.r.g.Criteria) > 0
	if judge {
		m = l.measure(ctx)
		news = m.News
	}
	defer func() { l.r.stopMeasuring(m) }()
	var results []analysis.Result
	started := time.Now()
	deadline, _ := ctx.Deadline()
	budget := time.Until(deadline)
	for {
		e, next := l.look(ctx)
		if e != nil {
			return *e
		}
		if m != nil {
			m.Update(l.workloads())
		}
		if l.complete() {
			switch {
			case !judge:
				return ending{outcome: Passed, target: -1}
			case results != nil:
				return l.r.judged(results)
			case !l.judging:
				l.begin(m)
			}
		}
		recheck.Reset(next)
		select {
		case <-ctx.Done():
			return l.overdue(ctx, m)
		case <-l.w.Changed():
			time.Sleep(coalesce)
		case <-recheck.C:
		case <-heartbeat.C:
			l.r.tell(EventWaiting, manifest.Ref{}, "waiting %s of %s: %s", short(time.Since(started)), short(budget), l.awaited())
		case n := <-news:
			if !n.Done {
				l.r.measured(n.Measurement)
				continue
			}
			results, l.r.report.Criteria = n.Results, n.Results
			m, news = nil, nil // nothing more will come from there
			if e := l.r.judged(results); e.outcome != Passed {
				return e
			}
		}
	}
}

// look evaluates every target once. It returns the ending when there is one, and otherwise when to look again.
func (l *watching) look(ctx context.Context) (*ending, time.Duration) {
	next := look
	for i := range l.targets {
		if !l.w.Synced(i) {
			continue
		}
		e, again := l.lookAt(ctx, i)
		if e != nil {
			return e, 0
		}
		next = min(next, again)
	}
	return nil, max(next, coalesce)
}

func (l *watching) lookAt(ctx context.Context, i int) (*ending, time.Duration) {
	state := &l.states[i]
	workload := l.w.Workload(i)
	status := rollout.Evaluate(workload)
	state.history.observe(workload, status)
	if status != state.status {
		l.changed(i, status)
	}
	switch status.Phase {
	case rollout.Superseded:
		return &ending{outcome: Overtaken, target: i}, 0
	case rollout.Failed:
		return &ending{outcome: RolloutFailed, target: i}, 0
	case rollout.Complete:
		if !l.judging {
			return l.lookAtComplete(ctx, i, status)
		}
	}
	state.held, state.lookedComplete = false, time.Time{}
	if status.Reason == rollout.ReasonCheckingServices {
		l.w.LookAtServices(i)
	}
	if l.undo != nil {
		l.undo(i, status)
	}
	ev := l.evidence(i, l.w.Evidence(i, status))
	patience := idle
	if status.Desired > big {
		patience = idleBig
	}
	if time.Since(state.since) > patience || troubled(ev.Events) {
		l.w.LookCloser(i)
	}
	findings := l.lookAround(ctx, i, ev)
	l.warn(i, findings)
	deciding, again := state.sightings.Confirm(findings, workload.Now, state.patience)
	if deciding != nil {
		return l.decide(ctx, i)
	}
	if again == 0 { // only a change can decide
		again = look
	}
	return nil, min(again, worthTelling)
}

// lookAtComplete holds a complete rollout back as long as something about it can still decide: its pods are there, and
// a Service that sent traffic to the old ones does not know them.
func (l *watching) lookAtComplete(ctx context.Context, i int, status rollout.Status) (*ending, time.Duration) {
	state := &l.states[i]
	if !state.held && time.Since(state.lookedComplete) < look {
		return nil, look
	}
	state.lookedComplete = time.Now()
	findings := slices.DeleteFunc(diagnosis.Explain(l.evidence(i, l.w.Evidence(i, status))), func(f diagnosis.Finding) bool { return f.Stage != "traffic" || !f.Decides() })
	l.warn(i, findings)
	deciding, again := state.sightings.Confirm(findings, l.w.Workload(i).Now, state.patience)
	state.held = again > 0 && l.undo == nil
	if deciding != nil && l.undo == nil {
		return l.decide(ctx, i)
	}
	if !state.held {
		again = look
	}
	return nil, again
}

// lookAround explains the evidence and, when something is wrong for a while, reads what is around the workload now and
// then: some proofs need to know the nodes or the quota.
func (l *watching) lookAround(ctx context.Context, i int, ev diagnosis.Evidence) []diagnosis.Finding {
	state := &l.states[i]
	findings := diagnosis.Explain(ev.With(state.around))
	if !slices.ContainsFunc(findings, diagnosis.Finding.Blames) {
		state.troubled, state.around = time.Time{}, diagnosis.Evidence{}
		return findings
	}
	if state.troubled.IsZero() {
		state.troubled = time.Now()
	}
	if time.Since(state.troubled) < aroundAfter || time.Since(state.lookedAround) < aroundEvery || time.Since(l.lookedAround) < look {
		return findings
	}
	l.lookedAround, state.lookedAround = time.Now(), time.Now()
	// Nothing is decided here, so a cancelled run does not wait for it: it needs its seconds for the undo.
	state.around = l.w.Freeze(ctx, i, state.status).Around()
	return diagnosis.Explain(ev.With(state.around))
}

// troubled tells whether there is a warning that a healthy start does not cause. Probes fail while a program starts.
func troubled(events []diagnosis.Event) bool {
	return slices.ContainsFunc(events, func(e diagnosis.Event) bool { return e.Warning && e.Reason != "Unhealthy" })
}

// decide asks again with the logs at hand before a rule ends the gate: a program that says it waits for its database
// deserves more patience than one that says its configuration is wrong.
func (l *watching) decide(ctx context.Context, i int) (*ending, time.Duration) {
	state := &l.states[i]
	if time.Since(state.frozen) < look {
		return nil, look
	}
	state.frozen = time.Now()
	ev := l.evidence(i, l.w.Freeze(context.WithoutCancel(ctx), i, state.status))
	again, _ := state.sightings.Confirm(diagnosis.Explain(ev), ev.Workload.Now, state.patience)
	if again == nil {
		return nil, look
	}
	return &ending{outcome: RolloutFailed, target: i, finding: again, evidence: &ev}, 0
}

// changed tells of a new status and winds the idle clock when it is progress.
func (l *watching) changed(i int, status rollout.Status) {
	state := &l.states[i]
	old := state.status
	state.status = status
	if done := status.Updated + status.Ready + status.Available; done > state.best {
		state.best, state.since = done, time.Now()
	}
	if l.judging && status.Phase == rollout.Progressing && old.Phase == rollout.Complete {
		return
	}
	text := status.Message
	if text == "" {
		text = strings.ToLower(string(status.Phase))
	}
	l.r.emit(Event{Type: EventStatus, Object: status.Ref, Text: text, Status: &status})
}

// warn tells of findings that stay, so that a reader of a log sees trouble coming. What is over within a moment (a
// controller that has not looked yet) is no trouble.
func (l *watching) warn(i int, findings []diagnosis.Finding) {
	seen := l.states[i].seen
	for _, f := range findings {
		since, known := seen[f.Code]
		switch {
		case f.Terminal == diagnosis.TerminalContext, known && since.IsZero():
		case !known:
			seen[f.Code] = time.Now()
		case time.Since(since) >= worthTelling:
			seen[f.Code] = time.Time{}
			l.r.tell(EventWarning, f.Object.Ref, "%s: %s", f.Code, f.Cause)
		}
	}
}

func (l *watching) complete() bool {
	for i := range l.states {
		if l.states[i].status.Phase != rollout.Complete || l.states[i].held || !l.w.Synced(i) {
			return false
		}
	}
	return true
}

func (l *watching) statuses() []rollout.Status {
	out := make([]rollout.Status, len(l.states))
	for i := range l.states {
		out[i] = l.states[i].status
	}
	return out
}

// awaited names what is not complete yet, at most three of it.
func (l *watching) awaited() string {
	var parts []string
	more := 0
	for _, s := range l.states {
		switch {
		case s.status.Phase == rollout.Complete:
		case len(parts) == 3:
			more++
		default:
			parts = append(parts, fmt.Sprintf("%s: %s", s.status.Ref, s.status.Message))
		}
	}
	if len(parts) == 0 {
		return "the criteria"
	}
	if more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(parts, "; ")
}

// count prints a number and its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// short prints a duration in whole seconds.
func short(d time.Duration) string { return d.Round(time.Second).String() }
