package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// play brings the sandbox up, plays everything in it, and takes it down.
func (o options) play(ctx context.Context) (results, error) {
	r := results{Machine: harness.Machine(), Seed: o.sample.Seed, Of: max(o.sample.Of, 1), Short: o.short}
	with, err := chosenFollowers(o.followers)
	if err != nil {
		return r, err
	}
	j, err := harness.OpenJournal[result](o.journal, o.Rolloutgate, o.sample.Seed)
	if err != nil {
		return r, err
	}
	dir, remove, err := harness.Folder(o.Artifacts, "crash")
	if err != nil {
		return r, err
	}
	defer remove()
	c, err := client.BringUp(ctx, o.Sandbox, o.Name, dir)
	if err == nil {
		r.Kubernetes = c.Version()
		s := &stage{options: o, cluster: c, dir: dir, results: &r, journal: j}
		err = s.run(ctx, with)
	}
	return r, errors.Join(err, c.TakeDown(ctx), ctx.Err())
}

// stage is where everything is played.
type stage struct {
	options options
	cluster client.Cluster
	dir     string

	mu      sync.Mutex
	results *results
	journal *harness.Journal[result]
	number  int // of the namespaces so far
}

func (s *stage) run(ctx context.Context, with []follower) error {
	all, err := s.rehearseAll(ctx, with)
	if err != nil {
		return err
	}
	o := s.options
	all = chosen(all, o.only)
	if len(o.only) > 0 && len(all) == 0 {
		return fmt.Errorf("reading --only: there is no case %s", strings.Join(o.only, ", "))
	}
	all = harness.Choose(o.sample, all, func(m prepared) string { return m.moment.end.name })
	// Cases that wait and cases that work come in a mixture.
	random := rand.New(rand.NewPCG(o.sample.Seed, 1))
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	past := played(s.journal.Past)
	s.results.Cases = past
	all = slices.DeleteFunc(all, func(p prepared) bool {
		return slices.ContainsFunc(past, func(r result) bool { return r.Name == p.moment.String() })
	})
	fmt.Fprintf(os.Stderr, "%d cases, seed %d; %d were played before\n", len(all), o.sample.Seed, len(past))
	began := time.Now()
	var beside sync.WaitGroup // neither of them keeps the machine busy
	var pairsErr, soakErr error
	if o.pairs > 0 && len(o.only) == 0 {
		beside.Go(func() { s.results.Pairs, pairsErr = s.playPairs(ctx, o.pairs) })
	}
	if o.soak > 0 && len(o.only) == 0 {
		beside.Go(func() { s.results.Soak, soakErr = s.playSoak(ctx, o.soak) })
	}
	s.tryAll(ctx, all)
	fmt.Fprintf(os.Stderr, "%d cases in %s\n", len(all), time.Since(began).Round(time.Second))
	beside.Wait()
	return errors.Join(pairsErr, soakErr)
}

// played are the results of cases that need not be played again.
func played(past []result) []result {
	return slices.DeleteFunc(slices.Clone(past), func(r result) bool { return r.Error != "" })
}

// idlers is how many cases may go on for each one that works, when most of their time they wait.
const idlers = 4

// tryAll plays cases. Those that mostly wait go on beside those that work.
func (s *stage) tryAll(ctx context.Context, all []prepared) {
	var waiting, working []prepared
	for _, p := range all {
		if p.moment.idle(s.options.short) {
			waiting = append(waiting, p)
		} else {
			working = append(working, p)
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		harness.InParallel(waiting, idlers*s.options.parallel, func(p prepared) { s.try(ctx, p) })
	})
	harness.InParallel(working, s.options.parallel, func(p prepared) { s.try(ctx, p) })
	both.Wait()
}

// prepared is a case with the state in which its good version has to be.
type prepared struct {
	moment moment
	after  map[string]form
}

// rehearseAll plays every scenario to which nothing happens, and returns the cases. The good version of a scenario tells
// how everything is after it.
func (s *stage) rehearseAll(ctx context.Context, with []follower) ([]prepared, error) {
	o := s.options
	var mu sync.Mutex
	var failed error
	writes, states := map[string]int{}, map[string]map[string]form{}
	var needed []scenario
	for _, sc := range scenarios() {
		if sc.needed(o.only) || !sc.bad && (scenario{name: sc.name + "-bad"}).needed(o.only) {
			needed = append(needed, sc)
		}
	}
	harness.InParallel(needed, o.parallel, func(sc scenario) {
		n, state, err := s.rehearse(ctx, sc)
		mu.Lock()
		defer mu.Unlock()
		writes[sc.name], states[sc.name] = n, state
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("rehearsing %s: %w", sc.name, err))
		}
	})
	var all []prepared
	for _, sc := range needed {
		for _, m := range moments(sc, writes[sc.name], with, o.sample.Seed, o.each || len(o.only) > 0) {
			all = append(all, prepared{m, states[sc.family()]})
		}
	}
	return all, failed
}

// rehearse plays a scenario to its end. It returns how often the run writes, and the state that it leaves.
func (s *stage) rehearse(ctx context.Context, sc scenario) (writes int, state map[string]form, err error) {
	t := s.trial(moment{scenario: sc}, "rehearsal-"+sc.name)
	defer s.cluster.DropNamespace(ctx, t.namespace)
	if err := t.prepare(ctx); err != nil {
		return 0, nil, err
	}
	p, err := t.launch(ctx, launch{name: "run", args: sc.runArgs(sc.next())})
	if err != nil {
		return 0, nil, err
	}
	defer p.relay.front.Close()
	<-p.gone
	now, err := look(ctx, s.cluster, t.namespace)
	if err = errors.Join(p.err, err); err != nil {
		return 0, nil, err
	}
	t.after = now.forms(false)
	var r result
	r.Name = sc.name
	if err := t.judge(ctx, p, own(sc.bad), &r); err != nil {
		return 0, nil, err
	}
	var what []string
	for _, w := range p.relay.all() {
		if w.Number > 0 {
			writes = max(writes, w.Number)
			what = append(what, w.String())
		}
	}
	if sc.stages != nil && !sc.bad {
		plain, err := s.plainly(ctx, sc)
		if err != nil {
			return 0, nil, err
		}
		r.complain(prefixed("other than without stages: ", differences(plain, t.after))...)
	}
	fmt.Fprintf(os.Stderr, "%s: %d writes in %.1fs: %s\n", sc.name, writes, p.ran.Seconds, strings.Join(what, ", "))
	if len(r.Wrong) > 0 {
		return 0, nil, fmt.Errorf("%s\n%s", strings.Join(r.Wrong, "; "), p.ran.Output)
	}
	return writes, t.after, nil
}

// plainly is what a run without stages leaves of a scenario.
func (s *stage) plainly(ctx context.Context, sc scenario) (map[string]form, error) {
	sc.stages = nil
	t := s.trial(moment{scenario: sc}, "plain-"+sc.name)
	defer s.cluster.DropNamespace(ctx, t.namespace)
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	p, err := t.launch(ctx, launch{name: "run", args: runArgs(sc.next())})
	if err != nil {
		return nil, err
	}
	defer p.relay.front.Close()
	<-p.gone
	now, err := look(ctx, s.cluster, t.namespace)
	if err = errors.Join(p.err, err); err == nil && p.ran.Exit != exitPassed {
		err = fmt.Errorf("without stages it ends with %d:\n%s", p.ran.Exit, p.ran.Output)
	}
	return now.forms(false), err
}

func (s *stage) trial(m moment, name string) *trial {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.number++
	return &trial{moment: m, cluster: s.cluster, gate: s.options.Rolloutgate, dir: filepath.Join(s.dir, strings.ReplaceAll(name, "/", "-")),
		namespace: fmt.Sprintf("crash-%04d", s.number), short: s.options.short}
}

func (s *stage) try(ctx context.Context, p prepared) {
	if ctx.Err() != nil {
		return
	}
	t := s.trial(p.moment, p.moment.String())
	t.after = p.after
	began := time.Now()
	r, err := t.play(ctx)
	if err != nil {
		r.Error = err.Error()
	}
	r.Seconds = time.Since(began).Seconds()
	s.cluster.DropNamespace(ctx, t.namespace) // what one case leaves must not slow the others down
	if s.options.Artifacts == "" {
		_ = os.RemoveAll(t.dir)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Right { // nobody reads that
		r.Writes, r.Run.Output, r.Then.Output = nil, "", ""
	}
	s.results.Cases = append(s.results.Cases, r)
	if err := s.journal.Keep(r); err != nil {
		fmt.Fprintf(os.Stderr, "keeping the result of %s: %v\n", r.Name, err)
	}
	fmt.Fprintln(os.Stderr, r.progress())
}
