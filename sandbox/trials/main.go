// Command trials gates real rollouts on a real kubelet, each many times, and measures what rolloutgate makes of them.
//
// It takes a rolloutgate and a sandbox binary. It brings one sandbox with a real node up and plays four scenarios side by
// side, each in a namespace of its own: a good version 1 takes traffic, then `rolloutgate run` rolls version 2 out with
// the criteria of rolloutgate.yaml. Three of the versions 2 go bad while they are watched and have to be undone; one is
// healthy but noisy and has to stay. It prints a table, JSON and a Markdown document, with the time from the first bad
// request to the undo. It fails on any wrong verdict. It never takes the tool's word for the end of a trial: it asks the
// cluster which version runs. And it never takes a trial whose fault did not happen for a verdict: that is an error.
//
//	trials --times 1 --only error-burst --artifacts /tmp/out
//	trials --times 10 --out docs/trials.md
package main

import (
	"context"
	"errors"
	"flag"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func main() { harness.Main("trials", parse, options.run) }

// options are the flags.
type options struct {
	harness.Options
	times    int
	parallel int
	only     []string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("trials", flag.ExitOnError)
	o.Register(flags, "trials")
	flags.IntVar(&o.times, "times", 10, "how often each scenario is played")
	flags.IntVar(&o.parallel, "parallel", 4, "trials at once; four keep two cores about 70 % busy")
	only := flags.String("only", "", "names of the scenarios to play, with commas (default all)")
	if err := o.Parse(flags, args); err != nil {
		return o, err
	}
	if o.times < 1 || o.parallel < 1 {
		return o, errors.New("--times and --parallel are 1 or more")
	}
	o.only = harness.List(*only)
	if len(o.only) > 0 && o.Out != "" {
		return o, errors.New("the document of --out is about all scenarios, so it cannot be written with --only")
	}
	return o, nil
}

func (o options) run(ctx context.Context) error {
	chosen, err := choose(o.only)
	if err != nil {
		return err
	}
	r, err := o.play(ctx, chosen)
	if err != nil {
		return err
	}
	return o.Finish(&r)
}
