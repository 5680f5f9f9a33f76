// Command crash kills `rolloutgate run` everywhere, and tells whether one command puts it right.
//
// It takes a rolloutgate and a sandbox binary and brings one sandbox up. Between the run and the API server stands a
// relay that numbers the writes of the run. Before or after one of them it stops the world and does something to the
// process, or to its connection: an end. Then another command follows, and every object has to be as before the release
// or as after it, all on the same side, and nothing else may be left. It also starts runs of the same workload two at a
// time, and many runs one after the other. It prints a table, JSON and a section of a Markdown document, and fails on
// whatever is not right. It never takes the tool's word for a state: it reads the objects. And it never takes a case for
// right that could not be played: that is an error. README.md describes the scenarios, ends and followers.
//
//	crash --only secret-bad/SIGKILL/after-4/undo --artifacts /tmp/out
//	crash --sample 1/20 --seed 7 --short --pairs 10 --soak 10
package main

import (
	"context"
	"errors"
	"flag"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func main() { harness.Main("crash", parse, options.run) }

// options are the flags.
type options struct {
	harness.Options
	sample    harness.Sample
	parallel  int
	only      []string
	followers []string // the chosen ones
	each      bool     // every follower at every point
	short     bool
	pairs     int
	soak      int
	journal   string
}

func parse(args []string) (options, error) {
	o := options{Options: harness.Options{Section: "crash"}}
	flags := flag.NewFlagSet("crash", flag.ExitOnError)
	o.Register(flags, "crash")
	o.sample.Register(flags, "the cases of each end")
	flags.IntVar(&o.parallel, "parallel", 12, "cases at once; twelve keep two cores busy")
	only := flags.String("only", "", "cases to play, as SCENARIO/END/SIDE-WRITE/FOLLOWER or the beginning of that, with commas (default all)")
	with := flags.String("followers", "", "commands that may follow, with commas (default all)")
	flags.BoolVar(&o.each, "every-follower", false, "play each follower at each point, and not one that the seed chooses")
	flags.BoolVar(&o.short, "short", false, "wait for no lease to run out: what is stopped is taken over at once, and old leases are made to look old")
	flags.IntVar(&o.pairs, "pairs", 200, "how often two runs of the same workload are started at once")
	flags.IntVar(&o.soak, "soak", 200, "how many runs come one after the other")
	flags.StringVar(&o.journal, "continue", "", "file that keeps the results of cases as they come; those that are in it are not played again")
	if err := o.Parse(flags, args); err != nil {
		return o, err
	}
	o.only, o.followers = harness.List(*only), harness.List(*with)
	switch {
	case o.parallel < 1 || o.pairs < 0 || o.soak < 0:
		return o, errors.New("--parallel is 1 or more, --pairs and --soak are 0 or more")
	case o.Out != "" && (len(o.only) > 0 || len(o.followers) > 0 || o.sample.Of > 1):
		return o, errors.New("the document of --out is about all cases, so it cannot be written with --only, --followers or --sample")
	}
	return o, nil
}

func (o options) run(ctx context.Context) error {
	r, err := o.play(ctx)
	if err != nil {
		return err
	}
	return o.Finish(&r)
}
