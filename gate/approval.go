package gate

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// ApprovalState is how far the answer is that a stage waits for.
type ApprovalState int

// The states.
const (
	NotAwaited ApprovalState = iota // nobody has to say anything, or not yet
	Awaited
	Given
	Refusal
	Silence // nobody has answered in time
)

// askedEvery is how often a run looks whether somebody has answered.
const askedEvery = 2 * time.Second

// approval is what the follower knows of the answer that its stage waits for. The zero value is one that was not asked for.
type approval struct {
	wanted   *Approval
	asked    time.Time // zero before
	answers  chan record.Decision
	decision *record.Decision
}

func (a approval) state() ApprovalState {
	switch {
	case a.wanted == nil:
		return NotAwaited
	case a.decision != nil && a.decision.Approved:
		return Given
	case a.decision != nil:
		return Refusal
	case !a.asked.IsZero() && time.Since(a.asked) >= a.wanted.Timeout:
		return Silence
	}
	return Awaited
}

// answerTime is how long a stage may wait for somebody.
func (s Stage) answerTime() time.Duration {
	if s.Approval == nil || s.Approval.Park {
		return 0
	}
	return s.Approval.Timeout
}

// ask asks for the approval, once. It returns when to look again because of it.
func (f *follower) ask(ctx context.Context) time.Duration {
	a := f.stage.Approval
	if a == nil || a.Park {
		return longest
	}
	if f.approval.wanted == nil {
		f.approval = approval{wanted: a, asked: time.Now(), answers: make(chan record.Decision)}
		awaits := record.Awaits{Stage: f.stage.Name, By: a.By, Until: f.r.g.Store.Now().Add(a.Timeout).UTC().Truncate(time.Second)}
		f.r.tell(manifest.Ref{}, Asked{Stage: f.stage.Name, Run: f.r.report.Run.ID, By: a.By, Limit: a.Timeout})
		f.pending.Go(func() { f.r.awaitAnswer(ctx, awaits, f.approval.answers) })
	}
	if f.approval.state() != Awaited {
		return longest
	}
	return max(a.Timeout-time.Since(f.approval.asked), coalesce)
}

// awaitAnswer notes on the lease of the run whom it waits for, and looks until somebody has answered, or ctx ends.
func (r *run) awaitAnswer(ctx context.Context, awaits record.Awaits, answers chan<- record.Decision) {
	noted := false
	for ctx.Err() == nil {
		var err error
		if !noted {
			err = r.lock.mark(ctx, func(l *record.Lease) { l.Awaits = &awaits })
			noted = err == nil
		}
		var d *record.Decision
		if err == nil {
			d, err = r.lock.decision(ctx)
		}
		switch {
		case lostLease(err):
			r.course.lose(err)
			return
		case d != nil && d.Stage == awaits.Stage && MayDecide(awaits, d.By) == nil:
			select {
			case answers <- *d:
			case <-ctx.Done():
			}
			return
		}
		wait(ctx, askedEvery)
	}
}

// MayDecide is why somebody of that name may not answer; nil when they may.
func MayDecide(a record.Awaits, who string) error {
	if a.By == "" {
		return nil
	}
	whole, err := regexp.Compile("^(?:" + a.By + ")$")
	if err != nil {
		return fmt.Errorf("reading the pattern of who may approve: %w", err)
	}
	if !whole.MatchString(who) {
		return fmt.Errorf("%q may not answer for stage %s: only %s may", who, a.Stage, a.By)
	}
	return nil
}

// answered takes an answer in.
func (f *follower) answered(d record.Decision) {
	f.approval.decision = &d
	said := Decided{Stage: d.Stage, By: d.By, Approved: d.Approved, Reason: d.Reason}
	f.r.decided(said)
	f.r.tell(manifest.Ref{}, said)
}

// unapproved is the finding of a stage to which somebody said no, or nobody anything.
func (f *follower) unapproved() diagnosis.Finding {
	if d := f.approval.decision; d != nil {
		return diagnosis.StageRejected(f.stage.Name, d.By, d.Reason)
	}
	return diagnosis.StageNotApproved(f.stage.Name, f.stage.Approval.Timeout)
}

// mark writes something to the leases of the run itself.
func (l *lock) mark(ctx context.Context, change func(*record.Lease)) error {
	if l == nil {
		return errors.New("the run has no lease")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return l.gone
	}
	for i, lease := range l.leases {
		if lease.Run != l.self {
			continue
		}
		change(&lease)
		marked, err := l.store.MarkLease(ctx, lease)
		if err != nil {
			return err
		}
		l.leases[i] = marked
	}
	return nil
}

// decision is what somebody has written to a lease of the run; nil while nobody has.
func (l *lock) decision(ctx context.Context) (*record.Decision, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lease := range l.leases {
		if lease.Run != l.self {
			continue
		}
		now, err := l.store.ReadLease(ctx, lease)
		if err != nil || now.Decision != nil {
			return now.Decision, err
		}
	}
	return nil, nil
}
