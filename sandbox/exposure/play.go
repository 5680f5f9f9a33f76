package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// play brings the sandbox up, plays every trial, and takes it down.
func (o options) play(ctx context.Context) (results, error) {
	r := results{Machine: harness.Machine(), Date: time.Now().UTC()}
	j, err := harness.OpenJournal[result](o.journal, o.Rolloutgate, 0)
	if err != nil {
		return r, err
	}
	todo, err := o.trials(j.Past)
	if err != nil {
		return r, err
	}
	if o.argo != "" {
		if r.Argo, err = argoVersionOf(o.argo); err != nil {
			return r, err
		}
	}
	dir, remove, err := harness.Folder(o.Artifacts, "exposure")
	if err != nil {
		return r, err
	}
	defer remove()
	flags := []string{"--nodes", "0"}
	if len(todo) > 0 { // or else the document is written anew, from what is in the journal
		flags = append(flags, "--real-node")
	}
	c, err := client.BringUp(ctx, o.Sandbox, o.Name, dir, flags...)
	if err == nil {
		r.Kubernetes = c.Version()
		s := &stage{options: o, cluster: c, dir: dir, journal: j, done: succeeded(j.Past)}
		err = s.playAll(ctx, todo)
		r.Trials = s.done
	}
	r.sort()
	return r, errors.Join(err, c.TakeDown(ctx), ctx.Err())
}

// planned is a trial that has to be played.
type planned struct {
	fault  fault
	way    way
	number int
	quiet  bool
}

func (p planned) name() string { return fmt.Sprintf("%s/%s/%d", p.fault.name, p.way.name, p.number) }

// trials are all that have to be played and were not: the ways take turns, so that what they meet of the machine is alike.
func (o options) trials(past []result) ([]planned, error) {
	var all []planned
	for number := 1; number <= o.runs; number++ {
		for _, f := range faults() {
			for _, w := range ways() {
				if w.argo == nil || o.argo != "" {
					all = append(all, planned{fault: f, way: w, number: number})
				}
			}
		}
	}
	kinds := healthy()
	for i := range o.healthy {
		all = append(all, planned{fault: kinds[i%len(kinds)], way: healthyWay(), number: i/len(kinds) + 1, quiet: true})
	}
	if o.argo != "" {
		i := slices.IndexFunc(kinds, func(f fault) bool { return f.name == noisy })
		for number := 1; number <= o.healthy/len(kinds); number++ {
			for _, w := range healthyThroughArgo() {
				all = append(all, planned{fault: kinds[i], way: w, number: number, quiet: true})
			}
		}
	}
	if len(o.only) > 0 {
		all = slices.DeleteFunc(all, func(p planned) bool {
			return !slices.ContainsFunc(o.only, func(begin string) bool { return strings.HasPrefix(p.name()+"/", begin+"/") })
		})
		if len(all) == 0 {
			return nil, fmt.Errorf("reading --only: there is no trial %s", strings.Join(o.only, ", "))
		}
	}
	played := map[string]bool{}
	for _, r := range succeeded(past) {
		played[r.name()] = true
	}
	return slices.DeleteFunc(all, func(p planned) bool { return played[p.name()] }), nil
}

// stage is where everything is played.
type stage struct {
	options options
	cluster client.Cluster
	dir     string
	journal *harness.Journal[result]

	mu   sync.Mutex
	done []result
}

// playAll plays the bad releases first.
func (s *stage) playAll(ctx context.Context, todo []planned) error {
	if s.options.argo != "" && slices.ContainsFunc(todo, func(p planned) bool { return p.way.argo != nil }) {
		stop, err := startArgo(ctx, s.cluster, s.options.argo, s.options.kinds, s.dir)
		if err != nil {
			return err
		}
		defer stop()
	}
	var failed error
	one := func(p planned) {
		if ctx.Err() != nil {
			return
		}
		r := s.playOne(ctx, p)
		s.mu.Lock()
		defer s.mu.Unlock()
		if ctx.Err() == nil { // what was cut off is no result
			s.done = append(s.done, r)
			failed = errors.Join(failed, s.journal.Keep(r))
			fmt.Fprintln(os.Stderr, r.progress())
		}
	}
	bad := slices.DeleteFunc(slices.Clone(todo), func(p planned) bool { return p.quiet })
	quiet := slices.DeleteFunc(slices.Clone(todo), func(p planned) bool { return !p.quiet })
	harness.InParallel(bad, s.options.parallel, one)
	harness.InParallel(quiet, s.options.parallel, one)
	return failed
}

func (s *stage) playOne(ctx context.Context, p planned) result {
	r := result{Fault: p.fault.name, Way: p.way.name, Number: p.number, Quiet: p.quiet, Replicas: p.way.replicas, Parallel: s.options.parallel}
	t := &trial{name: strings.ReplaceAll(p.name(), "/", "-"), fault: p.fault, way: p.way, flags: p.way.flags, cluster: s.cluster, gate: s.options.Rolloutgate}
	t.dir = filepath.Join(s.dir, t.name)
	seen, err := t.play(ctx)
	s.cluster.DropNamespace(ctx, t.name) // what one trial leaves must not slow the others down
	if err == nil {
		err = r.take(p.fault, seen)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}
