// Command accuracy measures how often, and how fast, `rolloutgate run` names the right cause of a bad rollout.
//
// It takes a folder of cases (each: what was there, what is rolled out, what happens meanwhile, and the right answer),
// a rolloutgate and a sandbox binary. It brings the sandboxes up, plays the cases with `kubectl rollout status` beside
// rolloutgate, and prints a table, JSON and a Markdown document. It never changes the answer of a case, and never takes
// a case that could not be played for a wrong diagnosis: that is an error. README.md describes the cases.
//
//	accuracy --tier simulated --only quota-deadlock,request-too-big
//	accuracy --join simulated.json,realnode.json --out docs/accuracy.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func main() { harness.Main("accuracy", parse, options.run) }

// options are the flags.
type options struct {
	harness.Options
	cases    string
	tiers    []string
	only     []string
	join     []string
	parallel int
	sample   harness.Sample
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("accuracy", flag.ExitOnError)
	o.Register(flags, "accuracy")
	flags.StringVar(&o.cases, "cases", "sandbox/accuracy/cases", "folder of the cases")
	tier := flags.String("tier", "", "simulated, realnode, or both with a comma (default both, none with --join)")
	only := flags.String("only", "", "names of the cases to play, with commas (default all)")
	join := flags.String("join", "", "results of earlier runs, with commas, that go into the document too")
	flags.IntVar(&o.parallel, "parallel", 0, "cases at once in a shared sandbox (default 9)")
	o.sample.Register(flags, "the bad rollouts")
	if err := o.Parse(flags, args); err != nil {
		return o, err
	}
	if o.sample.Of > 1 && o.Out != "" {
		return o, errors.New("the document of --out is about all cases, so it cannot be written with --sample")
	}
	o.tiers, o.only, o.join = harness.List(*tier), harness.List(*only), harness.List(*join)
	if len(o.tiers) == 0 && len(o.join) == 0 {
		o.tiers = []string{simulated, realNode}
	}
	for _, t := range o.tiers {
		if _, ok := tiers[t]; !ok {
			return o, fmt.Errorf("reading --tier: there is no tier %q", t)
		}
	}
	return o, harness.Absolute(&o.cases)
}

func (o options) run(ctx context.Context) error {
	var r results
	for _, file := range o.join {
		var earlier results
		if err := harness.ReadJSON(file, &earlier); err != nil {
			return err
		}
		r.add(earlier)
	}
	if len(o.tiers) > 0 {
		all, err := readCases(o.cases, o.only)
		if err != nil {
			return err
		}
		played, err := o.play(ctx, all)
		if err != nil {
			return err
		}
		r.add(played)
	}
	r.sort()
	return o.Finish(&r)
}
