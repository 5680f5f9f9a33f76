package analysis

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// ask sends one query in its time.
func (r *run) ask(ctx context.Context, query string, due time.Time) (Answer, error) {
	return r.inTime(ctx, due, func(ctx context.Context) (Answer, error) { return r.Querier.Query(ctx, query, r.at()) })
}

// inTime asks when a slot is free. The deadline counts from when the question was due, so that waiting for a slot cannot
// push it into the next one's time.
func (r *run) inTime(ctx context.Context, due time.Time, ask func(context.Context) (Answer, error)) (Answer, error) {
	ctx, cancel := context.WithDeadline(ctx, due.Add(r.Timing.QueryTimeout))
	defer cancel()
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		return Answer{}, fmt.Errorf("the query was not sent: earlier queries took until after %s", r.Timing.QueryTimeout)
	}
	return ask(ctx)
}

// at is the time to evaluate at: the server's own now, or, where the newest data is old, the time up to which it is
// there, by the server's clock.
func (r *run) at() time.Time {
	if r.Facts.Lag <= 0 {
		return time.Time{}
	}
	return time.Now().Add(r.Facts.Skew - r.Facts.Lag)
}

// measure takes one look, in the window or before it.
func (w *asking) measure(ctx context.Context, due time.Time, inWindow bool) Point {
	vars, pods := w.vars(), w.pods()
	if w.c.Endpoint != nil {
		w.asked = w.c.Endpoint.display(vars)
		answer, err := w.fetch(ctx, w.c, vars, due)
		return Measure(w.c, time.Now(), answer, err)
	}
	sent := time.Now()
	query, err := w.query(vars, pods)
	if err != nil {
		return Point{Time: time.Now(), State: Failed, Note: firstLine(err.Error())}
	}
	w.asked = query
	answer, err := w.ask(ctx, query, due)
	at := time.Now()
	if w.c.Counts == nil {
		return Measure(w.c, at, answer, err)
	}
	tallies, failed := w.tally(at, answer, err, w.facts.Naming.Pod)
	if failed != nil {
		return *failed
	}
	w.arrivals.saw(sent, at, tallies)
	if stale := w.stale(at, tallies); stale != nil {
		return *stale
	}
	if !w.byPod() {
		if inWindow && at.Sub(w.begin()) < leastScrapes*w.scrape() {
			return Point{Time: at, State: Thin, Note: "the window is not long enough for rates yet"}
		}
		w.tracker.setTotals(at, tallies)
		return w.c.share(at, w.tracker, w.alpha, w.facts.reference)
	}
	if w.c.Concurrent() {
		if failed := w.sideBySide(ctx, due, vars, pods, tallies); failed != nil {
			return *failed
		}
	} else {
		w.tracker.observe(at, tallies, w.chosen(pods))
	}
	if len(pods.New) > 0 && len(tallies) == 0 { // also when there were some before: what is not seen is not good
		return Point{Time: at, State: NoData, Note: "no series of the new pods matched"}
	}
	if lost := w.missing(pods.New, tallies); lost > 0 && inWindow {
		return Point{Time: at, State: NoData, Note: fmt.Sprintf("the metrics of %d of %d new pods have gone", lost, len(pods.New))}
	}
	return w.c.share(at, w.tracker, w.alpha, w.facts.reference)
}

// missing counts the ready new pods whose metrics were there and are gone: a process that hangs may take its metrics
// with it. Those that never had any are remembered for a note.
func (w *asking) missing(pods []Pod, tallies []tally) (lost int) {
	if w.c.scope() != ScopeNew {
		return 0
	}
	seen, known := map[string]bool{}, map[string]bool{}
	for _, t := range tallies {
		seen[t.pod] = true
	}
	for _, p := range w.tracker.processes {
		known[p.pod] = true
	}
	w.unseen = 0
	for _, p := range pods {
		switch {
		case p.Ready.IsZero() || seen[p.Name]:
		case known[p.Name]:
			lost++
		default:
			w.unseen++
		}
	}
	return lost
}

// stale says that all samples are too old to say something about now: Prometheus repeats the last one for five minutes
// when nothing arrives any more. How old is too old is only known with the scrape interval.
func (w *asking) stale(at time.Time, tallies []tally) *Point {
	if w.Facts.Scrape <= 0 || len(tallies) == 0 {
		return nil
	}
	youngest := tallies[0].age
	for _, t := range tallies {
		youngest = min(youngest, t.age)
	}
	if age := time.Duration(youngest * float64(time.Second)); age > w.tooOld() {
		return &Point{Time: at, State: NoData, Note: fmt.Sprintf("the newest sample is %s old: nothing arrives any more", age.Round(time.Second))}
	}
	return nil
}

// tooOld is three scrapes, and some time for those who bring the samples.
func (r *run) tooOld() time.Duration {
	return max(3*r.scrape(), r.scrape()+5*time.Second) + r.Facts.Lag
}

// fresh asks, at the end of the window, whether the series behind a value still get samples.
func (w *asking) fresh(ctx context.Context, due time.Time, p Point) Point {
	if w.c.Counts != nil || w.c.Endpoint != nil || w.Facts.Scrape <= 0 || !p.judged() {
		return p
	}
	selectors, err := w.c.selectors(w.vars())
	if err != nil || len(selectors) == 0 {
		return p
	}
	terms := make([]string, len(selectors))
	for i, s := range selectors {
		terms[i] = fmt.Sprintf(`label_replace(max(timestamp(%s)), %q, "%d", "", "")`, s, roleLabel, i)
	}
	a, err := w.ask(ctx, fmt.Sprintf("time() - max(%s)", strings.Join(terms, " or ")), due)
	if err != nil {
		return Point{Time: p.Time, Value: p.Value, State: Failed, Note: errorNote(err)} // unknown is not fresh
	}
	if len(a.Samples) != 1 {
		return p // the look itself has answered; that there is a series is its business
	}
	if age := time.Duration(a.Samples[0].Value * float64(time.Second)); age > w.tooOld() {
		return Point{Time: p.Time, Value: p.Value, State: NoData, Note: fmt.Sprintf("the newest sample is %s old: nothing arrives any more", age.Round(time.Second))}
	}
	return p
}

// leastScrapes is how many scrapes a window has to hold for a rate to mean something.
const leastScrapes = 4

func (r *run) vars() Vars {
	var vars Vars
	if r.Vars != nil {
		vars = r.Vars()
	}
	vars.Window, vars.Interval = max(r.Timing.Window, leastScrapes*r.scrape()), r.Timing.Interval
	if len(vars.NewPods) == 0 && r.Pods != nil {
		pods := r.Pods()
		vars.NewPods, vars.OldPods = names(pods.New), names(pods.Old)
	}
	return vars
}

func (r *run) pods() Pods {
	if r.Pods == nil {
		return Pods{}
	}
	return r.Pods()
}

// query renders the question for one look.
func (w *asking) query(vars Vars, pods Pods) (string, error) {
	switch {
	case w.c.Counts == nil:
		text, err := w.c.query(vars)
		if err != nil {
			return "", err
		}
		return w.c.scoped(text, vars, pods, w.facts)
	case w.byPod():
		return w.c.Counts.raw(vars, w.facts.Naming.matchers(vars.Namespace, names(w.chosen(pods))), w.processLabels())
	}
	since := time.Since(w.begin()) // what the counters grew since the window began, and at least over the scrapes that a rate takes
	return w.c.Counts.increase(vars, nil, w.c.Each, promSeconds(max(since, leastScrapes*w.scrape())))
}

// processLabels are the labels that tell processes and groups apart.
func (w *asking) processLabels() []string {
	return slices.Concat([]string{w.facts.Naming.Pod}, keepApart, w.c.Each)
}

// scoped adds what restricts the query for a value to its scope, and reduces several series to one.
func (c Criterion) scoped(query string, vars Vars, pods Pods, facts CriterionFacts) (string, error) {
	var err error
	if scope := c.scope(); scope != ScopeAll && !facts.Gateway {
		chosen := pods.New
		if scope == ScopeOld {
			chosen = pods.Old
		}
		if query, err = inject(query, facts.Naming.matchers(vars.Namespace, names(chosen))); err != nil {
			return "", err
		}
	}
	if c.Reduce != "" {
		by := ""
		if len(c.Each) > 0 {
			by = fmt.Sprintf(" by (%s)", joined(c.Each))
		}
		query = fmt.Sprintf("%s%s (%s\n)", c.Reduce, by, query)
	}
	return query, nil
}

// tally reads counts, or says why there are none.
func (w *asking) tally(at time.Time, answer Answer, err error, podLabel string) ([]tally, *Point) {
	failed := func(note string) *Point { return &Point{Time: at, State: Failed, Note: note} }
	switch {
	case err != nil:
		return nil, failed(errorNote(err))
	case len(answer.Warnings) > 0:
		return nil, failed("the answer may be incomplete: " + firstLine(answer.Warnings[0]))
	case answer.Kind != Vector:
		return nil, failed(fmt.Sprintf("the query returns a %s, not counters", answer.Kind))
	}
	if invalid := invalidInfo(answer.Infos); invalid != "" {
		return nil, failed(invalid)
	}
	tallies, err := w.c.Counts.tallies(answer, w.c.Each, podLabel)
	if err != nil {
		return nil, failed(err.Error())
	}
	return tallies, nil
}

// sideBySide looks at old and new pods at the same time, as long as there are both, and adds what their counters grew.
func (w *asking) sideBySide(ctx context.Context, due time.Time, vars Vars, pods Pods, now []tally) *Point {
	if w.tracker.olds == nil {
		w.tracker.olds = newTracker(w.c, 0, w.scrape(), w.Timing.Interval)
		w.tracker.olds.fromBirth = false
	}
	olds := w.tracker.olds
	var old []tally
	if len(pods.Old) > 0 {
		query, err := w.c.Counts.raw(vars, w.facts.Naming.matchers(vars.Namespace, names(pods.Old)), w.processLabels())
		if err != nil {
			return &Point{Time: time.Now(), State: Failed, Note: firstLine(err.Error())}
		}
		answer, err := w.ask(ctx, query, due)
		var failed *Point
		if old, failed = w.tally(time.Now(), answer, err, w.facts.Naming.Pod); failed != nil {
			return failed
		}
	}
	at := time.Now()
	w.tracker.observe(at, now, pods.New)
	olds.observe(at, old, pods.Old)
	w.tracker.compare(w.c.Baseline.MaxRatio)
	return nil
}

// compare adds the growth since the last look to the comparison of each group. What one version counted while the other
// was idle or gone is not side by side.
func (t *tracker) compare(ratio float64) {
	for name, g := range t.groups {
		newBad, newAll := g.bad-g.seen.bad, g.all-g.seen.all
		g.seen.bad, g.seen.all = g.bad, g.all
		o := t.olds.groups[name]
		if o == nil {
			continue
		}
		oldBad, oldAll := o.bad-o.seen.bad, o.all-o.seen.all
		o.seen.bad, o.seen.all = o.bad, o.all
		if newAll <= 0 || oldAll <= 0 {
			continue
		}
		if g.versus == nil {
			g.versus = stats.NewComparison(ratio)
		}
		g.versus.Add(newBad, newAll, oldBad, oldAll)
		g.ours.bad, g.ours.all = g.ours.bad+newBad, g.ours.all+newAll
		g.theirs.bad, g.theirs.all = g.theirs.bad+oldBad, g.theirs.all+oldAll
	}
}
