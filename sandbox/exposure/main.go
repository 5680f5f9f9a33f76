// Command exposure measures how many requests meet a bad release, for several ways to roll it out, side by side.
//
// It takes a rolloutgate and a sandbox binary, and if there is one the controller of Argo Rollouts. It brings one sandbox
// with a real node up. A good version 1 answers requests through a Service, at a fixed rate; then version 2 of it, which
// has a fault, goes out in one of the ways. Who answered each request, and how, is what the clients saw; when the release
// was taken back is what the API server told somebody who watched. It also rolls healthy releases out in stages, none of
// which may be taken back. It prints a table, JSON and a section of a Markdown document. It fails when a healthy release
// was taken back, other than for slow answers on a machine on which version 1 had them as well, or when a trial could not be
// played; how long an undo takes is a figure, not a verdict.
//
//	exposure --only error-burst/canary-1-of-4 --runs 1 --healthy 0 --artifacts /tmp/out
//	exposure --argo bin/rollouts-controller --argo-kinds DIR --out docs/delivery.md
package main

import (
	"context"
	"errors"
	"flag"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func main() { harness.Main("exposure", parse, options.run) }

// options are the flags.
type options struct {
	harness.Options
	argo     string // the controller; "" leaves its rows out
	kinds    string // the folder of its CustomResourceDefinitions
	runs     int
	healthy  int
	parallel int
	only     []string
	journal  string
}

func parse(args []string) (options, error) {
	o := options{Options: harness.Options{Section: "exposure"}}
	flags := flag.NewFlagSet("exposure", flag.ExitOnError)
	o.Register(flags, "exposure")
	flags.StringVar(&o.argo, "argo", "", "the controller of Argo Rollouts, built in sandbox/exposure/argo (default: its rows are left out)")
	flags.StringVar(&o.kinds, "argo-kinds", "", "the folder manifests/crds of its module")
	flags.IntVar(&o.runs, "runs", 5, "how often each fault meets each way")
	flags.IntVar(&o.healthy, "healthy", 40, "how many healthy releases are rolled out in stages")
	flags.IntVar(&o.parallel, "parallel", 2, "releases at once; two keep two cores busy")
	only := flags.String("only", "", "trials to play, as FAULT/WAY or the beginning of that, with commas (default all)")
	flags.StringVar(&o.journal, "continue", "", "file that keeps results as they come; what is in it is not played again")
	if err := o.Parse(flags, args); err != nil {
		return o, err
	}
	o.only = harness.List(*only)
	switch {
	case o.runs < 0 || o.healthy < 0 || o.parallel < 1:
		return o, errors.New("--parallel is 1 or more, --runs and --healthy are 0 or more")
	case len(o.only) > 0 && o.Out != "":
		return o, errors.New("the section of --out is about all trials, so it cannot be written with --only")
	case (o.argo == "") != (o.kinds == ""):
		return o, errors.New("--argo and --argo-kinds belong together")
	case o.argo == "":
		return o, nil
	}
	return o, harness.Absolute(&o.argo, &o.kinds)
}

func (o options) run(ctx context.Context) error {
	r, err := o.play(ctx)
	if err != nil {
		return err
	}
	return o.Finish(&r)
}
