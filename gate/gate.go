package gate

import (
	"context"
	"os"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Defaults of a Gate.
const (
	DefaultTimeout     = 10 * time.Minute
	DefaultUndoTimeout = 5 * time.Minute
	DefaultHeartbeat   = 30 * time.Second
	DefaultRecovery    = 5 * time.Minute
	DefaultWaitForLock = 5 * time.Minute
	DefaultHistory     = 3 // runs
)

// Gate is how a run is done. Only Cluster is required.
type Gate struct {
	Cluster Cluster
	// Querier answers the criteria that are asked in PromQL; nil when there are none, or when Reach finds it.
	Querier analysis.Querier
	// Reach finds the way to a server inside the cluster, when the criteria are first asked: the querier, a sentence
	// about how it is reached, and what ends it. Nil: Querier is there.
	Reach func(context.Context) (analysis.Querier, string, func(), error)
	// Fetcher answers the criteria that are not asked in PromQL; nil when there are none.
	Fetcher  analysis.Fetcher
	Criteria []analysis.Criterion
	Timing   analysis.Timing
	// Policy says what follows from criteria that do not pass.
	Policy analysis.Policy
	// Vars are the variables of the criteria that do not come from the cluster.
	Vars analysis.Vars
	// Preflight says what criteria that do not hold for the running version mean; "" is PreflightEnforce.
	Preflight PreflightMode
	// GitOps says what it means that an object of the run belongs to a GitOps tool; "" is GitOpsRefuse.
	GitOps GitOpsMode
	// Recovery is how long criteria that failed are asked again after an undo; zero: DefaultRecovery.
	Recovery time.Duration

	Timeout     time.Duration // of writing, watching and the criteria together; zero: DefaultTimeout
	UndoTimeout time.Duration // of the undo, on top; zero: DefaultUndoTimeout
	// NeverUndo leaves a bad rollout as it is.
	NeverUndo bool
	// LeaveOnCancel leaves a cancelled rollout as it is.
	LeaveOnCancel bool
	// KeepStuckPods does not delete the pods that keep a StatefulSet from moving.
	KeepStuckPods bool
	// KeepLogs reads the whole logs of bad containers into the report before an undo takes them away.
	KeepLogs bool
	// KeepBadPod leaves one bad pod out of an undo, for a person to look at.
	KeepBadPod bool
	// RequirePods makes a rollout inconclusive that is complete without a single pod.
	RequirePods bool
	// RestartOnConfigChange restarts the workloads of the run that read a ConfigMap or Secret which it changes, and that
	// nothing else restarts.
	RestartOnConfigChange bool
	// ExitOnFindings makes it a failure that Diagnose finds something broken.
	ExitOnFindings bool
	Patience       diagnosis.Patience

	// Objects say how some objects are treated alone; their own annotations win.
	Objects []ObjectRow

	// Store keeps the run, and keeps other runs away meanwhile; nil: nothing does.
	Store Store
	// Keep says where the record goes, History how many ended runs stay on record.
	Keep    Keeping
	History int
	// WaitForLock is how long another run at the same objects is waited for, and TakeOver puts an end to it.
	WaitForLock time.Duration
	TakeOver    bool
	// Pipeline and Here say who runs, for other runs and for people.
	Pipeline record.Pipeline
	Here     record.Here

	// Signals are those that the process receives after the one that has cancelled the run's context; nil: it is told of
	// none. What each of them means is in the table of phases.
	Signals <-chan os.Signal

	// Progress hears of everything as it happens; nil: nobody does. It is called from one goroutine at a time, and the
	// run waits for it.
	Progress  func(Event)
	Heartbeat time.Duration // how long silence may last; zero: DefaultHeartbeat

	// Turn is asked at each turn of a run that is a part of a larger one, and the run goes on when it returns nil: with any
	// error it ends, and nothing is changed. It returns when ctx ends. Nil: the run is on its own.
	Turn func(ctx context.Context, turn Turn) error

	// Secrets hears the values of the Secrets that the run touches, before any text about them; nil: nobody does.
	Secrets func(values []string)

	// RunTest carries out the command of a stage's test, with variables beside those of this process, and hands on what it
	// says, a line at a time, from any goroutine. When ctx ends it ends the command with everything that it began; the error
	// says why a test has not passed. Nil: there are no such tests.
	RunTest func(ctx context.Context, t Test, env []string, line func(string)) error

	// RunCommand carries out a command that makes a release or takes one back, as RunTest does. It returns when the command
	// and everything that it began have ended; code is its exit code, -1 where there is none. Nil: there are no such commands.
	RunCommand func(ctx context.Context, argv, env []string, line func(string)) (code int, err error)
	// UndoCommand takes a bad release back, where a command has made it or somebody else has; empty: the run itself does, as
	// far as it may.
	UndoCommand []string

	// Delivery says in which stages the users get a release; the zero value: all of them at once.
	Delivery Delivery

	// Prune says what is deleted that the last run of the same set had and this one has not; the zero value: nothing.
	Prune Prune

	// Planners are asked before the built-in ones; nil: there are no others.
	Planners []Planner

	// FieldManager and Force say how Cluster writes, for whoever goes on with the run.
	FieldManager string
	Force        bool

	// ID is the run's; empty: a new one is made up.
	ID string
	// Version and Context only label the report.
	Version, Context, Namespace string
}

func (g Gate) withDefaults() Gate {
	for _, d := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{
		{&g.Timeout, DefaultTimeout},
		{&g.UndoTimeout, DefaultUndoTimeout},
		{&g.Recovery, DefaultRecovery},
		{&g.Heartbeat, DefaultHeartbeat},
	} {
		if *d.value == 0 {
			*d.value = d.otherwise
		}
	}
	return g
}

// Plan says what Run would change. It changes nothing.
func (g Gate) Plan(ctx context.Context, objects []manifest.Object) (Report, error) {
	r := g.begin(ctx, "plan")
	objects, err := r.arrange(objects)
	if err != nil {
		return r.end(), err
	}
	plan, err := r.plan(objects)
	if err != nil {
		return r.end(), err
	}
	if plan.Changes() {
		if err := r.preflight(r.waited(r.targetsOfPlan(plan)), r.judgedOf(plan)); err != nil {
			return r.end(), err
		}
	}
	stages, err := r.stagesOf(plan)
	if err != nil {
		return r.failed(err)
	}
	r.reportStages(stages, StagePlanned)
	r.forecast(stages)
	r.tryBack(plan)
	r.exit(Passed, plannedState(plan))
	return r.end(), nil
}

// Watch judges rollouts that somebody else began, or is to begin: it waits for the images that are awaited. It changes
// nothing.
func (g Gate) Watch(ctx context.Context, targets []rollout.Target) (Report, error) {
	r := g.begin(ctx, "watch")
	r.g.NeverUndo = len(g.UndoCommand) == 0
	if err := r.fits(); err != nil {
		return r.end(), err
	}
	r.begins()
	r.changes = true // by somebody else
	r.treat(targets) // whoever names a workload wants it to be waited for
	if err := r.survey(targets); err != nil {
		return r.end(), err
	}
	r.begins()
	r.time(r.began, refsOf(targets), true, 0)
	verdict := r.watch(targets, Stage{Judge: true})
	r.notSynced(targets, verdict)
	r.conclude(verdict)
	r.plot()
	return r.end(), nil
}
