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
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		stop()
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	cases       string
	rolloutgate string
	sandbox     string
	name        string
	tiers       []string
	only        []string
	join        []string
	parallel    int
	results     string
	out         string
	artifacts   string
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("accuracy", flag.ExitOnError)
	flags.StringVar(&o.cases, "cases", "sandbox/accuracy/cases", "folder of the cases")
	flags.StringVar(&o.rolloutgate, "rolloutgate", "bin/rolloutgate", "the binary to judge")
	flags.StringVar(&o.sandbox, "sandbox", "bin/sandbox", "the binary that brings clusters up")
	flags.StringVar(&o.name, "name", fmt.Sprintf("accuracy-%d", os.Getpid()), "what the names of the sandboxes begin with")
	tier := flags.String("tier", "", "simulated, realnode, or both with a comma (default both, none with --join)")
	only := flags.String("only", "", "names of the cases to play, with commas (default all)")
	join := flags.String("join", "", "results of earlier runs, with commas, that go into the document too")
	flags.IntVar(&o.parallel, "parallel", 0, "cases at once in a shared sandbox (default 9)")
	flags.StringVar(&o.results, "results", "", "JSON file for the results")
	flags.StringVar(&o.out, "out", "", "Markdown file for the document")
	flags.StringVar(&o.artifacts, "artifacts", "", "folder that keeps the output and the report of every case")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	o.tiers, o.only, o.join = list(*tier), list(*only), list(*join)
	if len(o.tiers) == 0 && len(o.join) == 0 {
		o.tiers = []string{simulated, realNode}
	}
	for _, t := range o.tiers {
		if _, ok := tiers[t]; !ok {
			return o, fmt.Errorf("reading --tier: there is no tier %q", t)
		}
	}
	// The commands run in other directories.
	for _, path := range []*string{&o.cases, &o.rolloutgate, &o.sandbox} {
		absolute, err := filepath.Abs(*path)
		if err != nil {
			return o, err
		}
		*path = absolute
	}
	return o, nil
}

func list(text string) []string {
	return slices.DeleteFunc(strings.Split(text, ","), func(s string) bool { return s == "" })
}

func (o options) run(ctx context.Context) error {
	var r results
	for _, file := range o.join {
		earlier, err := readResults(file)
		if err != nil {
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
