package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

const (
	// lockTime is how long the API server may take for all answers of one try to take a lock.
	lockTime = 30 * time.Second
	// askAgain is how often a run that waits looks whether the other one has ended.
	askAgain = time.Second
)

// BusyError is a run that is going on, and that does not let another one at the same objects.
type BusyError struct {
	Lease  record.Lease
	Waited time.Duration
	Now    time.Time
}

func (e *BusyError) Error() string {
	l := e.Lease
	if l.Parked {
		return fmt.Sprintf("run %s is parked: its first stages are live, and it waits to go on\n  hint: rolloutgate resume %s, rolloutgate undo %s, or replace it with --take-over", l.Run, l.Run, l.Run)
	}
	text := "run " + cmp.Or(l.Holder, l.Run) + " is going on"
	if !l.Taken.IsZero() && l.Holder == l.Run {
		text += " since " + l.Taken.UTC().Format("15:04:05")
	}
	if l.Pipeline.URL != "" {
		text += ": " + l.Pipeline.URL
	}
	if e.Waited > 0 {
		text += fmt.Sprintf("; waited for it for %s", e.Waited.Round(time.Second))
	}
	return text + "\n  hint: wait for longer with --wait-for-lock, or put an end to it with --take-over"
}

// Outcome says what it means for the run.
func (e *BusyError) Outcome() Outcome {
	if e.Lease.Parked {
		return Refused
	}
	return Retry
}

// lock is what a run holds while it goes on: a lease in each namespace that it writes to. Another goroutine renews them.
type lock struct {
	store Store
	self  string         // the run
	lost  func(error)    // is told when they are somebody else's
	later []record.Lease // those in namespaces that this run makes

	mu      sync.Mutex
	leases  []record.Lease
	renewed time.Time // by the wall clock: a machine that slept has missed its renewals
	gone    error     // a *record.LostError

	stop context.CancelFunc
	done chan struct{}
}

// acquire takes the leases, waiting for others to end. It returns the leases of the dead, which are this run's now, and
// whether it has waited, so that what was planned is old.
func (r *run) acquire(writes []patch.Write) (dead []record.Lease, waited bool, err error) {
	began := time.Now()
	for try := 0; ; try++ {
		ctx, release := r.course.enter(Planning, lockTime)
		claims, later := housed(r.claim(writes), writes)
		dead, busy, err := r.tryLock(ctx, claims, try > 0)
		ended := r.interrupted(ctx, "taking the lock")
		release()
		switch {
		case ended != nil:
			r.unlock()
			return nil, false, ended
		case err != nil:
			return nil, false, err
		case busy == nil:
			r.lock.later, r.locked = later, r.g.Store.Now().UTC()
			return dead, try > 0, nil
		}
		if left := r.g.WaitForLock - time.Since(began); left <= 0 || busy.Parked {
			return nil, false, &BusyError{Lease: *busy, Waited: time.Since(began).Truncate(time.Second), Now: r.g.Store.Now()}
		}
		if try == 0 {
			r.tell(manifest.Ref{}, Queued{Run: busy.Run, Since: busy.Taken, Pipeline: busy.Pipeline.URL, Limit: r.g.WaitForLock})
		}
		pause, end := r.course.enter(Planning, 0)
		wait(pause, askAgain/2+rand.N(askAgain))
		ended = r.interrupted(pause, "waiting for another run")
		end()
		if ended != nil {
			return nil, false, ended
		}
	}
}

// tryLock takes the leases and then looks who else has some: of two runs that do so at the same time, the later one sees
// the other, and withdraws. busy is a living run that stands in the way; nothing is held then. look says to look first, so
// that a run which waits does not stand in the way of others.
func (r *run) tryLock(ctx context.Context, claims []record.Lease, look bool) (dead []record.Lease, busy *record.Lease, err error) {
	if look {
		if _, busy, err = r.others(ctx, claims); err != nil || busy != nil {
			return nil, busy, err
		}
	}
	l := &lock{store: r.g.Store, self: r.report.Run.ID, lost: r.course.lose, renewed: time.Now().Round(0)}
	for _, claim := range claims {
		var taken record.Lease
		err := insist(ctx, func() (err error) {
			taken, err = r.g.Store.TakeLease(ctx, claim)
			return err
		})
		if err != nil {
			l.leases = append(l.leases, claim) // it may be there: perhaps only the answer was lost
			l.release(context.WithoutCancel(ctx))
			return nil, nil, err
		}
		l.leases = append(l.leases, taken)
	}
	dead, busy, err = r.others(ctx, l.leases)
	r.noteSigns(dead)
	for i := 0; err == nil && busy == nil && i < len(dead); i++ {
		if dead[i], err = r.g.Store.SeizeLease(ctx, dead[i], r.report.Run.ID); err == nil {
			l.leases = append(l.leases, dead[i])
		}
	}
	if lost := (*record.LostError)(nil); errors.As(err, &lost) {
		busy, err = &record.Lease{Run: cmp.Or(lost.To, lost.Run)}, nil // it lives, or somebody else was faster
	}
	if err != nil || busy != nil {
		l.release(context.WithoutCancel(ctx))
		return nil, busy, err
	}
	r.lock = l
	l.keep(r.course.root)
	return dead, nil, nil
}

// noteSigns remembers when dead runs said for the last time that they live, before their leases are seized.
func (r *run) noteSigns(dead []record.Lease) {
	if r.signs == nil {
		r.signs = map[string]time.Time{}
	}
	for _, l := range dead {
		if l.Renewed.After(r.signs[l.Run]) {
			r.signs[l.Run] = l.Renewed
		}
	}
}

// others looks who else has a lease on what a run claims: the dead, or one of the living. With TakeOver there are no
// living ones. Who came after leases that this run has taken already will give way, as the first namespace says that both
// of them claim.
func (r *run) others(ctx context.Context, claims []record.Lease) (dead []record.Lease, busy *record.Lease, err error) {
	later := map[string]bool{}
	for _, mine := range claims {
		all, err := r.g.Store.Leases(ctx, mine.Namespace)
		if err == nil && mine.Version != "" {
			err = mine.Lost(all)
		}
		if err != nil {
			return nil, nil, err
		}
		alive, gone := record.Others(mine, all, r.g.Store.Now(), r.g.Here)
		if r.g.TakeOver {
			alive, gone = nil, append(gone, alive...)
		}
		for i := 0; i < len(alive); {
			if alive[i].Parked && alive[i].Run == r.aim {
				gone, alive = append(gone, alive[i]), slices.Delete(alive, i, i+1)
				continue
			}
			i++
		}
		dead = append(dead, gone...)
		for i, other := range alive {
			if later[other.Run] = later[other.Run] || other.GivesWay(mine); !later[other.Run] {
				return nil, &alive[i], nil
			}
		}
	}
	return dead, nil, nil
}

// keep renews the leases until the lock is given back or lost.
func (l *lock) keep(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	l.done = make(chan struct{})
	go func() {
		defer close(l.done)
		for {
			if wait(ctx, record.Renew); ctx.Err() != nil {
				return
			}
			if err := l.renew(ctx); lostLease(err) {
				l.lost(err)
				return
			}
		}
	}()
}

func lostLease(err error) bool {
	var lost *record.LostError
	return errors.As(err, &lost)
}

// renew says that the run lives.
func (l *lock) renew(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return l.gone
	}
	ctx, cancel := context.WithTimeout(ctx, record.Renew)
	defer cancel()
	at := time.Now().Round(0)
	for i, lease := range l.leases {
		renewed, err := l.store.RenewLease(ctx, lease)
		if lostLease(err) {
			l.gone = err
		}
		if err != nil {
			return err
		}
		l.leases[i] = renewed
	}
	l.renewed = at
	return nil
}

// holds makes sure that the lease is still this run's: a process that was stopped for a while may have been taken for
// dead. It asks only when the last answer is old.
func (l *lock) holds(ctx context.Context) error {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	fresh, gone := time.Now().Round(0).Sub(l.renewed) < record.Validity, l.gone
	l.mu.Unlock()
	if fresh || gone != nil {
		return gone
	}
	return l.renew(ctx)
}

// silent is how long ago the run said that it lives.
func (l *lock) silent() time.Duration {
	if l == nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Round(0).Sub(l.renewed)
}

// release gives the leases back.
func (l *lock) release(ctx context.Context) {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone != nil {
		return
	}
	for _, lease := range l.leases {
		if lease.Run != l.self { // it was taken over, and nothing came of that
			ctx, cancel := context.WithTimeout(ctx, sealTime)
			_, _ = l.store.SeizeLease(ctx, lease, lease.Run)
			cancel()
			continue
		}
		_ = awake(ctx, sealTime, func(ctx context.Context) error { // or it runs out by itself
			return insist(ctx, func() error { return l.store.ReleaseLease(ctx, lease) })
		})
	}
}

// leave stops to renew the leases, and leaves them as they are.
func (l *lock) leave() {
	l.stop()
	<-l.done
}

// drop gives the leases of other runs back that this one has taken over: those of some runs, or of all when none is named.
func (l *lock) drop(ctx context.Context, runs ...string) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leases = slices.DeleteFunc(l.leases, func(lease record.Lease) bool {
		return lease.Run != l.self && (len(runs) == 0 || slices.Contains(runs, lease.Run)) && l.store.ReleaseLease(ctx, lease) == nil
	})
}

// unlock gives the lock back, if the run has one.
func (r *run) unlock() {
	if r.lock != nil {
		r.lock.release(r.course.root)
		r.lock = nil
	}
}
