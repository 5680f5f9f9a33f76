package gate

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Defaults of a Gate.
const (
	DefaultTimeout     = 10 * time.Minute
	DefaultUndoTimeout = 5 * time.Minute
	DefaultHeartbeat   = 30 * time.Second
	DefaultRecovery    = 5 * time.Minute
)

// cancelTime is how long a cancelled run has for its undo. A GitHub runner kills a step ten seconds after its first
// signal.
const cancelTime = 5 * time.Second

// Gate is how a run is done. Only Cluster is required.
type Gate struct {
	Cluster *cluster.Client
	// Querier answers the criteria; nil when there are none, or when Reach finds it.
	Querier analysis.Querier
	// Reach finds the way to a server inside the cluster, when the criteria are first asked: the querier, a sentence
	// about how it is reached, and what ends it. Nil: Querier is there.
	Reach    func(context.Context) (analysis.Querier, string, func(), error)
	Criteria []analysis.Criterion
	Timing   analysis.Timing
	// Policy says what follows from criteria that do not pass.
	Policy analysis.Policy
	// Vars are the variables of the criteria that do not come from the cluster.
	Vars analysis.Vars
	// Preflight says what criteria that do not hold for the running version mean; "" is PreflightEnforce.
	Preflight PreflightMode
	// Recovery is how long criteria that failed are asked again after an undo; zero: DefaultRecovery.
	Recovery time.Duration

	Timeout     time.Duration // of apply, watch and analysis together; zero: DefaultTimeout
	UndoTimeout time.Duration // of the undo, on top; zero: DefaultUndoTimeout
	// NeverUndo leaves a bad rollout as it is.
	NeverUndo bool
	// LeaveOnCancel leaves a cancelled rollout as it is.
	LeaveOnCancel bool
	// KeepStuckPods does not delete the pods that block the undo of a StatefulSet.
	KeepStuckPods bool
	Patience      diagnosis.Patience

	// Progress hears of everything as it happens; nil: nobody does. It is called from one goroutine at a time.
	Progress  func(Event)
	Heartbeat time.Duration // how long silence may last; zero: DefaultHeartbeat

	// Secrets hears the values of the Secrets that the run touches, before any text about them; nil: nobody does.
	Secrets func(values []string)

	// Version and Context only label the report.
	Version, Context, Namespace string
}

// Cancelled is the cause to cancel a run's context with when a signal came.
type Cancelled struct{ Signal syscall.Signal }

func (c Cancelled) Error() string { return "cancelled by " + c.Signal.String() }

// errTimeout is the cause of a context whose gate time is up.
var errTimeout = errors.New("the gate's time is up")

// Run applies the objects, watches and judges the rollout, and puts everything back when it is bad. The report is
// complete whatever happened; the error is not nil when the run could not be carried out (exit codes 1, 2, 3, 75 and
// 77), and then says why in words for a person.
func (g Gate) Run(ctx context.Context, objects []manifest.Object) (Report, error) {
	r := g.begin("run")
	plan, err := r.plan(ctx, objects)
	if err != nil {
		return r.end(), err
	}
	if !plan.Changes() && len(g.Cluster.TargetsOf(unchanged(plan))) == 0 {
		r.exit(Passed, "nothing to change")
		return r.end(), nil
	}
	if plan.Changes() {
		if err := r.preflight(ctx, g.Cluster.Targets(plan), plan.Live()); err != nil {
			return r.end(), err
		}
	}
	gated, cancel := context.WithTimeoutCause(ctx, r.g.Timeout, errTimeout)
	defer cancel()

	r.begins()
	changes, err := r.apply(gated, plan)
	if err != nil {
		r.abandon(ctx, changes, err)
		return r.end(), err
	}
	ending := r.watchAndJudge(gated, g.Cluster.TargetsOf(changes), plan.Changes())
	r.conclude(ctx, ending, changes)
	r.plot(ctx)
	return r.end(), nil
}

// Plan says what Run would change. It changes nothing.
func (g Gate) Plan(ctx context.Context, objects []manifest.Object) (Report, error) {
	r := g.begin("plan")
	plan, err := r.plan(ctx, objects)
	if err != nil {
		return r.end(), err
	}
	if plan.Changes() {
		if err := r.preflight(ctx, g.Cluster.Targets(plan), plan.Live()); err != nil {
			return r.end(), err
		}
	}
	counts := map[string]int{}
	for _, i := range plan.Items {
		counts[string(i.Action)]++
	}
	r.exit(Passed, fmt.Sprintf("nothing was changed: %d to create, %d to change, %d as they are",
		counts[string(cluster.Created)], counts[string(cluster.Configured)], counts[string(cluster.Unchanged)]))
	return r.end(), nil
}

// Watch judges rollouts that somebody else began. It changes nothing.
func (g Gate) Watch(ctx context.Context, targets []cluster.Target) (Report, error) {
	r := g.begin("watch")
	r.g.NeverUndo = true
	r.begins()
	if err := r.fits(); err != nil {
		return r.end(), err
	}
	if err := r.survey(ctx, targets); err != nil {
		return r.end(), err
	}
	gated, cancel := context.WithTimeoutCause(ctx, r.g.Timeout, errTimeout)
	defer cancel()
	ending := r.watchAndJudge(gated, targets, true)
	r.conclude(ctx, ending, nil)
	r.plot(ctx)
	return r.end(), nil
}

// run is one run of a gate.
type run struct {
	g       Gate
	report  Report
	redact  redactor
	targets []cluster.Target
	told    map[manifest.Ref]string // the last text about each object

	changedConfig []diagnosis.Changed // ConfigMaps and Secrets that this run changed

	criteria criteria.Asker
	began    time.Time // when the apply began
	unreach  func()    // ends the way to the server; nil when there is nothing to end
}

// begins notes when the change began.
func (r *run) begins() {
	r.began = time.Now()
	r.criteria.Began(r.began)
	r.report.Marks.Applied = r.began.UTC().Truncate(time.Millisecond)
}

func (g Gate) begin(command string) *run {
	if g.Timeout == 0 {
		g.Timeout = DefaultTimeout
	}
	if g.UndoTimeout == 0 {
		g.UndoTimeout = DefaultUndoTimeout
	}
	if g.Recovery == 0 {
		g.Recovery = DefaultRecovery
	}
	if g.Heartbeat == 0 {
		g.Heartbeat = DefaultHeartbeat
	}
	vars := g.Vars
	vars.Namespace = g.Namespace
	asker := criteria.Asker{Querier: g.Querier, Criteria: g.Criteria, Timing: g.Timing, Vars: vars}
	return &run{g: g, criteria: asker, redact: newRedactor(nil), told: map[manifest.Ref]string{}, report: Report{
		SchemaVersion: SchemaVersion,
		Run: Run{
			ID: rand.Text()[:10], Command: command, Version: g.Version, Started: time.Now().UTC().Truncate(time.Millisecond),
			Namespace: g.Namespace, Context: g.Context,
		},
	}}
}

func (r *run) exit(o Outcome, state string) { r.report.Exit = o.exit(state) }

// end finishes the report.
func (r *run) end() Report {
	if r.unreach != nil {
		r.unreach()
		r.unreach = nil
	}
	r.report.Run.Finished = time.Now().UTC().Truncate(time.Millisecond)
	r.redact.report(&r.report)
	return r.report
}

// maxTimeline bounds the report of a run that flaps for hours.
const maxTimeline = 2000

// tell records an event and hands it on, without secrets.
func (r *run) tell(t EventType, object manifest.Ref, format string, args ...any) {
	r.emit(Event{Type: t, Object: object, Text: fmt.Sprintf(format, args...)})
}

func (r *run) emit(e Event) {
	e.Time = time.Now().UTC().Truncate(time.Millisecond)
	e = r.redact.event(e)
	again := e.Type == EventStatus && r.told[e.Object] == e.Text
	if e.Type != EventWaiting && !again && len(r.report.Timeline) < maxTimeline {
		r.report.Timeline = append(r.report.Timeline, e)
	}
	r.told[e.Object] = e.Text
	if r.g.Progress != nil {
		r.g.Progress(e)
	}
}

func unchanged(plan cluster.Plan) []cluster.Change {
	var out []cluster.Change
	for _, i := range plan.Items {
		if i.Action == cluster.Unchanged {
			out = append(out, cluster.Change{Item: i, Written: i.Live})
		}
	}
	return out
}
