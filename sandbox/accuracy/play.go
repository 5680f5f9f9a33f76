package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// ownAtOnce is how many cases may have a cluster of their own at the same time: each is 700 MB and a busy core.
const ownAtOnce = 2

// play runs the chosen cases of every tier, one tier after the other.
func (o options) play(ctx context.Context, all []*testCase) (results, error) {
	r := results{Machine: harness.Machine(), Whole: map[string]bool{}}
	for _, name := range o.only {
		if !slices.ContainsFunc(all, func(c *testCase) bool { return c.name == name && slices.Contains(o.tiers, c.Tier) }) {
			return r, fmt.Errorf("reading --only: there is no case %q of tier %s", name, strings.Join(o.tiers, ", "))
		}
	}
	dir, remove, err := harness.Folder(o.Artifacts, "accuracy")
	if err != nil {
		return r, err
	}
	defer remove()
	if len(o.only) == 0 {
		all = harness.Choose(o.sample, all, (*testCase).sampled)
	}
	if o.sample.Of > 1 {
		fmt.Fprintf(os.Stderr, "one of %d bad rollouts, chosen by --seed %d\n", o.sample.Of, o.sample.Seed)
	}
	for _, tier := range o.tiers {
		began := time.Now()
		var shared, own []*testCase
		for _, c := range all {
			switch {
			case c.Tier != tier || len(o.only) > 0 && !slices.Contains(o.only, c.name):
			case c.Own:
				own = append(own, c)
			default:
				shared = append(shared, c)
			}
		}
		s := &stage{options: o, tier: tier, dir: dir, version: &r.Kubernetes}
		s.run(ctx, shared, own)
		r.Cases = append(r.Cases, s.results...)
		r.Whole[tier] = len(o.only) == 0 && o.sample.Of <= 1
		fmt.Fprintf(os.Stderr, "tier %s: %d cases in %s\n", tier, len(s.results), time.Since(began).Round(time.Second))
		if err := errors.Join(append(s.broken, ctx.Err())...); err != nil {
			return r, err
		}
	}
	return r, nil
}

// stage plays the cases of one tier.
type stage struct {
	options options
	tier    string
	dir     string
	version *string

	mu      sync.Mutex
	results []result
	broken  []error
}

// run plays cases in a shared cluster, and beside them those that need their own.
func (s *stage) run(ctx context.Context, shared, own []*testCase) {
	var all sync.WaitGroup
	if len(shared) > 0 {
		all.Go(func() {
			s.within(ctx, s.options.Name, tiers[s.tier].up, func(c cluster) {
				harness.InParallel(shared, cmp.Or(s.options.parallel, tiers[s.tier].parallel), func(t *testCase) { s.try(ctx, c, t) })
			})
		})
	}
	all.Go(func() {
		harness.InParallel(own, ownAtOnce, func(t *testCase) {
			flags := tiers[s.tier].up
			if t.Nodes > 0 {
				flags = append(flags[:len(flags):len(flags)], "--nodes", strconv.Itoa(t.Nodes))
			}
			s.within(ctx, s.options.Name+"-"+t.name, flags, func(c cluster) { s.try(ctx, c, t) })
		})
	})
	all.Wait()
}

// within has a cluster up while something is done in it.
func (s *stage) within(ctx context.Context, name string, flags []string, do func(cluster)) {
	if ctx.Err() != nil {
		return
	}
	c, err := client.BringUp(ctx, s.options.Sandbox, name, s.dir, flags...)
	if err == nil {
		s.mu.Lock()
		*s.version = c.Version()
		s.mu.Unlock()
		do(cluster{c})
	}
	if err = errors.Join(err, c.TakeDown(ctx)); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.broken = append(s.broken, err)
	}
}

func (s *stage) try(ctx context.Context, c cluster, t *testCase) {
	if ctx.Err() != nil {
		return
	}
	dir := filepath.Join(s.dir, t.name)
	r := newResult(t)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		// A report of an earlier run must not be taken for one of this.
		_ = os.Remove(filepath.Join(dir, "report.json"))
		r, err = newTrial(t, c, s.options.Rolloutgate, dir).play(ctx)
	}
	if err != nil {
		r = newResult(t)
		r.Error = err.Error()
	}
	if !t.Own { // what one case leaves must not slow the others down
		c.DropNamespace(ctx, t.name)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results = append(s.results, r)
	fmt.Fprintln(os.Stderr, r.progress())
}
