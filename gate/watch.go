package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
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
)

// ending is why a watch ended.
type ending struct {
	outcome Outcome
	target  int                // the workload that decided, or -1
	finding *diagnosis.Finding // the rule that decided, or nil
	// evidence is what finding was decided on.
	evidence *diagnosis.Evidence
	frozen   []diagnosis.Finding
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
}

// watched is what the watch remembers of one target.
type watched struct {
	status    rollout.Status
	sightings diagnosis.Sightings
	seen      map[string]time.Time // since when each code is there; zero once it was told
	best      int32                // the most progress seen
	since     time.Time
	frozen    time.Time // when its evidence was last frozen
}

func (r *run) watching(w *cluster.Watch, targets []cluster.Target) *watching {
	l := &watching{r: r, w: w, targets: targets, states: make([]watched, len(targets))}
	for i := range l.states {
		l.states[i] = watched{status: rollout.Status{Ref: targets[i].Ref, Phase: rollout.Progressing, Watched: true},
			seen: map[string]time.Time{}, since: time.Now()}
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
	if e.outcome != Passed && e.outcome != Overtaken && e.outcome != Interrupted && e.outcome != Terminated {
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
	var m measuring
	var results []analysis.Result
	started := time.Now()
	deadline, _ := ctx.Deadline()
	budget := time.Until(deadline)
	for {
		e, next := l.look(ctx)
		if e != nil {
			return *e
		}
		if l.complete() {
			switch {
			case !judge || len(l.r.g.Criteria) == 0:
				return ending{outcome: Passed, target: -1}
			case results != nil:
				return ending{outcome: verdictOf(results), target: -1}
			case m.results == nil:
				l.judging = true
				m = l.r.measure(ctx)
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
		case measurement := <-m.seen:
			l.r.measured(measurement)
		case results = <-m.results:
			l.r.report.Criteria, m = results, measuring{} // nothing more will come from there
			if v := verdictOf(results); v != Passed {
				return ending{outcome: v, target: -1}
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
			return nil, look
		}
	}
	if status.Reason == rollout.ReasonCheckingServices {
		l.w.LookAtServices(i)
	}
	if l.undo != nil {
		l.undo(i, status)
	}
	ev := l.r.evidence(l.w.Evidence(i, status))
	patience := idle
	if status.Desired > big {
		patience = idleBig
	}
	if time.Since(state.since) > patience || troubled(ev.Events) {
		l.w.LookCloser(i)
	}
	findings := diagnosis.Explain(ev)
	l.warn(i, findings)
	deciding, again := state.sightings.Confirm(findings, workload.Now, l.r.g.Patience)
	if deciding != nil {
		return l.decide(ctx, i)
	}
	if again == 0 { // only a change can decide
		again = look
	}
	return nil, min(again, worthTelling)
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
	ev := l.r.evidence(l.w.Freeze(context.WithoutCancel(ctx), i, state.status))
	again, _ := state.sightings.Confirm(diagnosis.Explain(ev), ev.Workload.Now, l.r.g.Patience)
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
			l.r.tell(EventWarning, f.Object, "%s: %s", f.Code, f.Cause)
		}
	}
}

func (l *watching) complete() bool {
	for i := range l.states {
		if l.states[i].status.Phase != rollout.Complete || !l.w.Synced(i) {
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
