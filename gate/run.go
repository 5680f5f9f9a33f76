package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/criteria"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/order"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Run writes the objects, watches and judges the rollout, and takes everything back when it is bad. The report is
// complete whatever happened; the error is not nil when the run could not be carried out (exit codes 1, 2, 3, 75 and
// 77), and then says why in words for a person.
func (g Gate) Run(ctx context.Context, objects []manifest.Object) (Report, error) {
	return g.begin(ctx, "run").carryOut(objects)
}

// carryOut is the straight way.
func (r *run) carryOut(objects []manifest.Object) (Report, error) {
	objects, err := r.arrange(objects)
	if err != nil {
		return r.end(), err
	}
	plan, err := r.plan(objects)
	if err != nil {
		return r.end(), err
	}
	if _, err = r.awaitTurn(BeforeLock); err != nil {
		return r.failed(err)
	}
	if plan, err = r.reserve(plan, func() (patch.Plan, error) { return r.plan(objects) }); err != nil {
		return r.end(), err
	}
	if !plan.Changes() && len(r.carried) == 0 && len(r.waited(r.targetsOf(plan.Writes))) == 0 && !r.pruning.first {
		r.exit(Passed, "nothing to change")
		return r.end(), nil
	}
	stages, err := r.prepare(plan)
	if err != nil {
		return r.end(), err
	}
	if stages, err = r.takeTurn(stages, objects); err != nil {
		return r.notBegunWith(err)
	}
	r.reportStages(stages, StageNotBegun)
	r.begins()
	r.writes = slices.Clone(r.carried)
	verdict, err := r.perform(stages)
	if err != nil && r.untouched() {
		return r.failed(err)
	}
	if verdict.Outcome == Passed {
		verdict, err = r.prune(verdict)
	}
	r.conclude(verdict)
	r.clear(r.failedHooks(stages))
	r.notBegun(stages)
	r.plot()
	return r.end(), r.hushed(err)
}

// watch follows the targets to a verdict, and freezes the evidence of a bad one: the undo will destroy it. A complete
// rollout is held for a while first.
func (r *run) watch(targets []rollout.Target, s Stage) Verdict {
	for i := range targets {
		targets[i].OldPods = s.Judge && r.criteria.WantsOldPods()
	}
	r.targets = targets
	r.step(Step{Name: StepWatch, Stage: r.stage, Workloads: len(targets), Limit: r.limit})
	f, stop := r.follow(targets)
	defer stop()
	f.stage = s
	f.limitEach()
	ctx, release := r.course.enter(Watching, r.remaining())
	defer release()
	v := f.until(ctx, Watching, s.Judge)
	r.report.Workloads = append(f.statuses(), r.results...)
	switch {
	case v.Outcome == Interrupted, v.Outcome == Terminated, v.Outcome == CalledOff: // the undo comes first, and explains nothing
	case v.Unaccepted:
		r.note("the API server has not accepted the credentials of this run for %s, so it could see nothing any more", wording.Duration(r.g.Cluster.Unaccepted().Round(time.Second)))
	case v.Outcome == Passed:
		r.findings = append(r.findings, f.remarks(v)...)
	case f.trial.state == TestFailed && v.Target < 0:
		f.freeze()
		r.keepLogs()
		r.findings = append(r.findings, f.testFinding())
	case v.Outcome == Rejected:
		r.findings = append(r.findings, f.unapproved())
	case v.Awaited:
		r.findings = append(r.findings, f.notCome()...)
	default:
		r.step(Step{Name: StepDiagnose})
		r.findings = append(append(r.findings, f.explain(v)...), f.notCome()...)
	}
	return v
}

// run is one run of a gate: a value that the steps fill in. One goroutine owns it.
type run struct {
	g       Gate
	course  *course
	redact  redactor
	secrets []string // that it hides
	report  Report
	said    map[manifest.Ref]statusText // the last words about each object

	deadline   time.Time     // of the present stage; zero before the first write
	limit      time.Duration // of writing, watching and the criteria of the present stage together
	stageBegan time.Time
	// together is the end of --timeout for a command and the watch after it; zero where there is no command.
	together time.Time
	options  map[manifest.Ref]options // what was said of single objects, as far as it was read
	known    []string                 // the names of all criteria
	began    time.Time                // when the first write began
	changes  bool                     // whether there is anything to write at all
	between  bool                     // in a stage that is not the last: what is live is not to stay
	stage    string                   // the name of the present stage, when there are several
	writes   []patch.Write            // of the stages so far, in the order of writing, with those that changed nothing
	carried  []patch.Write            // those of unfinished runs, which came first; they are among writes
	tookOver []string                 // the unfinished runs
	// unfinishedRuns are their records, for as long as the run has not begun.
	unfinishedRuns []record.Record
	adopted        []record.Record      // those that do not know it yet
	signs          map[string]time.Time // when dead runs last said that they live
	found          *record.Record       // the run that this one puts back; nil when it is none but itself
	resumed        string               // the run that this one goes on with
	aim            string               // the run that this one goes on with, or puts back: it may be parked
	passed         []string             // its stages that have passed
	// pinned are the workloads whose pods had all traffic in the run that this one goes on with, and the revisions of these
	// pods; unsplit are the routes that it has split, as they were before; unpinnable is why nothing could be pinned.
	pinned     map[manifest.Ref]patch.Pin
	unsplit    map[manifest.Ref]*unstructured.Unstructured
	unpinnable error
	// compared says that a stage has been judged in which old pods served beside new ones, and answered has what criteria
	// said then that need both.
	compared bool
	answered []analysis.Result
	// unrecorded are the objects that cannot be put back, because the record lacks their data.
	unrecorded []string
	stages     []record.Stage
	stageOfRef map[manifest.Ref]int // see stageOf
	begun      int                  // how many of them
	order      order.Order          // of the objects; empty where there are no manifests
	finished   []manifest.Ref       // Jobs and hooks of stages that have passed
	results    []rollout.Status     // how they ended
	scope      *record.Scope        // what a command is to change that makes the release; nil where the run makes it
	locked     time.Time            // when it had its lock; zero without one
	recorded   bool                 // the run is on record
	unhoused   bool                 // the namespace of the record is not there yet
	lock       *lock                // nil: there is none
	failure    error                // why a write did not go through
	targets    []rollout.Target
	findings   []diagnosis.Finding
	// troubledBefore are the workloads that this run did not change and that were not in order when it began.
	troubledBefore []manifest.Ref
	frozen         []frozen            // what was known when the verdict fell, as far as something is to be kept of it
	config         []diagnosis.Changed // the ConfigMaps and Secrets that this run changes
	pruning        pruning

	criteria criteria.Asker
	children sync.WaitGroup // commands that may not have ended yet
	unreach  func()         // ends the way to the server of the criteria; nil when there is nothing to end
}

// begin makes a run, with the defaults of the gate filled in.
func (g Gate) begin(ctx context.Context, command string) *run {
	g = g.withDefaults()
	vars := g.Vars
	vars.Namespace = g.Namespace
	r := &run{
		g: g, criteria: criteria.Asker{Querier: g.Querier, Fetcher: g.Fetcher, Criteria: g.Criteria, Timing: g.Timing, Vars: vars, Own: map[manifest.Ref][]string{}},
		course: newCourse(ctx, g.Signals), redact: newRedactor(nil), said: map[manifest.Ref]statusText{},
		options: map[manifest.Ref]options{}, known: g.criteriaNames(),
		report: Report{
			SchemaVersion: SchemaVersion,
			Run: Run{
				ID: cmp.Or(g.ID, record.NewID()), Command: command, Version: g.Version, Started: now(),
				Namespace: g.Namespace, Context: g.Context, Pipeline: g.Pipeline,
			},
		},
	}
	if g.Progress != nil {
		g.Progress(r.report.Started())
	}
	return r
}

// begins notes when the change began, and from when on its time counts.
func (r *run) begins() {
	r.began = time.Now()
	r.time(r.began, nil, false, 0)
	r.criteria.Began(r.began)
	r.report.Marks.Applied = now()
}

// remaining is what is left of the run's time; at least a nanosecond, for zero means without end.
func (r *run) remaining() time.Duration { return max(time.Until(r.deadline), 1) }

// untouched tells whether this run has written nothing that stays.
func (r *run) untouched() bool {
	for _, w := range r.writes {
		if w.Action != patch.Unchanged {
			return false
		}
	}
	return true
}

const nothingChanged = "nothing was changed"

func (r *run) exit(o Outcome, state string) {
	r.report.Exit = Exit{Code: o.Code(), Name: o.Name(), State: state}
}

// fail ends a run before it has changed anything, for a reason that the caller returns.
func (r *run) fail(err error) error {
	r.exit(OutcomeOf(err), nothingChanged)
	return r.hushed(err)
}

// hushed is an error without the secrets that it quotes.
func (r *run) hushed(err error) error {
	if err == nil {
		return nil
	}
	return hushedError{err, r.redact.text(err.Error())}
}

type hushedError struct {
	error
	text string
}

func (e hushedError) Error() string { return e.text }

// Unwrap returns what was said in full, for who decides by its type.
func (e hushedError) Unwrap() error { return e.error }

// failed ends a run before it has changed anything: its report says why, and so does the error.
func (r *run) failed(err error) (Report, error) {
	err = r.fail(err) // before the report is closed
	return r.end(), err
}

// interrupted is why a phase ended early that may not be missing: the signal, or that its time is up. Nil while nothing
// ended it.
func (r *run) interrupted(ctx context.Context, what string) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, errTimeUp) {
		return fmt.Errorf("%s: %w", what, cause)
	}
	return cause
}

// note adds a remark that decides nothing.
func (r *run) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for _, n := range r.report.Notes {
		if n == text {
			return
		}
	}
	r.report.Notes = append(r.report.Notes, text)
}

// end finishes the report.
func (r *run) end() Report {
	if r.unreach != nil {
		r.unreach()
	}
	r.confirm()
	r.seal()
	r.course.stop()
	r.children.Wait()
	r.report.Findings = append(r.report.Findings, r.findings...)
	r.report.Objects = r.treated()
	r.report.Run.Finished = now()
	r.redact.report(&r.report)
	return r.report
}
