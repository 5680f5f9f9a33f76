package gate

import (
	"context"
	"errors"
	"net"
	"syscall"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Outcome is a way for a run to end.
type Outcome int

// The outcomes, in the order of their codes.
const (
	Passed Outcome = iota
	Parked
	Internal
	Invalid
	Refused
	RolloutFailed
	TimedOut
	CriteriaFailed
	Inconclusive
	Rejected
	CalledOff
	UndoBroken
	NotUndone
	Superseded
	Retry
	Denied
	Interrupted
	Terminated
)

// outcomes says what each outcome is for the outside. Codes are an interface: they are never renumbered.
var outcomes = [...]struct {
	code          int
	name, meaning string
}{
	Passed:         {0, "passed", "healthy and criteria met, or nothing to change"},
	Parked:         {0, "parked", "the stages so far have passed; `resume` goes on with the next one, `undo` takes it all back"},
	Internal:       {1, "internal", "a bug in rolloutgate"},
	Invalid:        {2, "invalid", "flags, config, manifests or criteria are wrong; cluster untouched"},
	Refused:        {3, "refused", "the cluster or the preflight said no before anything changed"},
	RolloutFailed:  {10, "failed", "rollout failed; previous state restored and verified"},
	TimedOut:       {11, "timeout", "rollout did not finish in time; restored and verified"},
	CriteriaFailed: {12, "criteria", "success criteria violated; restored and verified"},
	Inconclusive:   {13, "inconclusive", "could not judge (no data, Prometheus unreachable, nothing runs); release kept, unless told otherwise"},
	Rejected:       {14, "rejected", "a person said no to a stage, or nobody said yes in time; previous state restored and verified"},
	CalledOff:      {15, "called-off", "another cluster of the run was bad; here nothing was changed, or the previous state is restored and verified"},
	UndoBroken:     {20, "undo-failed", "failed, and the undo failed, is partial or is unverified: a person must look"},
	NotUndone:      {21, "not-undone", "failed, and nothing was undone"},
	Superseded:     {30, "superseded", "another deploy took over the workload; left alone"},
	Retry:          {75, "retry", "transient trouble before any change; safe to retry"},
	Denied:         {77, "denied", "credentials or permissions; nothing changed"},
	Interrupted:    {130, "cancelled", "SIGINT; the report says what state was left"},
	Terminated:     {143, "cancelled", "SIGTERM or SIGHUP; the report says what state was left"},
}

// Code is the exit code.
func (o Outcome) Code() int { return outcomes[o].code }

// Name is the word for it in reports: exit.name.
func (o Outcome) Name() string { return outcomes[o].name }

// Meaning is one line for documentation.
func (o Outcome) Meaning() string { return outcomes[o].meaning }

func (o Outcome) String() string { return o.Name() }

// Outcomes lists all outcomes, in the order of their codes.
func Outcomes() []Outcome {
	all := make([]Outcome, len(outcomes))
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// cancelledBy is the outcome of a run that a signal ended. A terminal that hangs up ends it like a SIGTERM.
func cancelledBy(s syscall.Signal) Outcome {
	if s == syscall.SIGINT {
		return Interrupted
	}
	return Terminated
}

// OutcomeOf is what an error means that came before anything was changed: whose fault it is, and whether it is worth
// trying again. An error that nobody foresaw is a bug of ours. A type of another package says what it means by a method
// Outcome.
func OutcomeOf(err error) Outcome {
	var (
		own     interface{ Outcome() Outcome }
		invalid *manifest.Error
		spec    *analysis.SpecError
		query   *analysis.QueryError
		stopped Cancelled
		off     *CalledOffError
		network net.Error
		status  apierrors.APIStatus
		lost    *record.LostError
		format  *record.FormatError
		stale   *patch.StaleError
	)
	switch {
	case err == nil:
		return Passed
	case errors.As(err, &own):
		return own.Outcome()
	case errors.As(err, &stopped):
		return cancelledBy(stopped.Signal)
	case errors.As(err, &off):
		return CalledOff
	case errors.As(err, &invalid), errors.As(err, &spec):
		return Invalid
	case errors.As(err, &lost):
		return Superseded
	case errors.As(err, &format), missing(err):
		return Refused
	case errors.As(err, &stale):
		return Retry
	case errors.As(err, &query):
		return outcomeOfQuery(query)
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return Denied
	case transient(err):
		return Retry
	case errors.As(err, &status), meta.IsNoMatchError(err):
		return Refused
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, errTimeUp):
		return Retry
	}
	return Internal
}

// transient tells trouble of the API server that passes from a no.
func transient(err error) bool {
	return apierrors.IsTooManyRequests(err) || apierrors.IsServerTimeout(err) || apierrors.IsTimeout(err) ||
		apierrors.IsServiceUnavailable(err) || apierrors.IsInternalError(err)
}

func outcomeOfQuery(q *analysis.QueryError) Outcome {
	switch q.Kind {
	case analysis.Unauthorized:
		return Denied
	case analysis.Unreadable, analysis.Rejected:
		return Invalid
	}
	return Retry
}
