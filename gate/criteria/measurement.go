package criteria

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Measurement asks the criteria in the background, from when it is started until it has results. Its methods are called
// from the goroutine that started it, which reads News until they are Done, or calls Stop.
type Measurement struct {
	// News is what there is to tell, in order. Nothing is lost: a measurement waits for its reader.
	News <-chan News

	asker    *Asker
	current  *atomic.Pointer[scene]
	ready    time.Time
	complete chan struct{}
	stop     context.CancelCauseFunc
}

// News is one answer of a criterion, or, when Done is set, the results of all of them, after which nothing comes.
type News struct {
	Measurement analysis.Measurement
	Done        bool
	Results     []analysis.Result
}

// unread is how many news may wait for their reader before the next look does.
const unread = 64

// Measure begins to ask the criteria about all workloads of a run, of which those in known were read already.
// [Measurement.Update] says more later, and [Measurement.Complete] lets the window begin.
func (a *Asker) Measure(ctx context.Context, all, known []rollout.Workload) *Measurement {
	ctx, stop := context.WithCancelCause(ctx)
	news := make(chan News, unread)
	m := &Measurement{News: news, asker: a, current: &atomic.Pointer[scene]{}, complete: make(chan struct{}), stop: stop}
	a.all = withPods(all)
	m.Update(known)
	s := a.rolling(m.current)
	a.session = &s
	measured := s
	measured.Complete = m.complete
	measured.Observe = func(x analysis.Measurement) { news <- News{Measurement: x} }
	go func() { news <- News{Done: true, Results: measured.Run(ctx)} }()
	return m
}

// Update tells the measurement what is known of the workloads now. Those that could not be read yet are left out.
func (m *Measurement) Update(workloads []rollout.Workload) {
	m.current.Store(m.asker.see(workloads, m.ready))
}

// Complete tells the measurement, once, that the rollout was complete at that time; zero for one that was not followed.
func (m *Measurement) Complete(at time.Time, workloads []rollout.Workload) {
	m.ready = at
	m.Update(workloads)
	close(m.complete)
}

// Stop ends the measurement for a reason and returns the results so far; what was not read yet goes to observe first.
func (m *Measurement) Stop(why error, observe func(analysis.Measurement)) []analysis.Result {
	m.stop(why)
	for n := range m.News {
		if n.Done {
			return n.Results
		}
		observe(n.Measurement)
	}
	return nil
}
