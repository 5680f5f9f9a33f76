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
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	o, err := parse(os.Args[1:])
	if err == nil {
		err = o.run(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "trials:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rolloutgate string
	sandbox     string
	name        string
	times       int
	parallel    int
	only        []string
	results     string
	out         string
	artifacts   string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("trials", flag.ExitOnError)
	flags.StringVar(&o.rolloutgate, "rolloutgate", "bin/rolloutgate", "the binary to try")
	flags.StringVar(&o.sandbox, "sandbox", "bin/sandbox", "the binary that brings the cluster up")
	flags.StringVar(&o.name, "name", fmt.Sprintf("trials-%d", os.Getpid()), "name of the sandbox")
	flags.IntVar(&o.times, "times", 10, "how often each scenario is played")
	flags.IntVar(&o.parallel, "parallel", 4, "trials at once; four keep two cores about 70 % busy")
	only := flags.String("only", "", "names of the scenarios to play, with commas (default all)")
	flags.StringVar(&o.results, "results", "", "JSON file for the results")
	flags.StringVar(&o.out, "out", "", "Markdown file for the document, which takes all scenarios")
	flags.StringVar(&o.artifacts, "artifacts", "", "folder that keeps manifests, output and report of every trial")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	if o.times < 1 || o.parallel < 1 {
		return o, errors.New("--times and --parallel are 1 or more")
	}
	o.only = slices.DeleteFunc(strings.Split(*only, ","), func(s string) bool { return s == "" })
	if len(o.only) > 0 && o.out != "" {
		return o, errors.New("the document of --out is about all scenarios, so it cannot be written with --only")
	}
	// The commands run in other directories.
	for _, path := range []*string{&o.rolloutgate, &o.sandbox} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return o, err
		}
		*path = absolute
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
	fmt.Print(r.text())
	if o.results != "" {
		if err := r.write(o.results); err != nil {
			return err
		}
	}
	if o.out != "" {
		if err := os.WriteFile(o.out, []byte(r.document()), 0o644); err != nil {
			return fmt.Errorf("writing the document: %w", err)
		}
	}
	if problems := r.problems(); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}
