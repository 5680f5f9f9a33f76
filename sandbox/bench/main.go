// Command bench compares `rolloutgate run` with `kubectl apply && kubectl rollout status` on the same rollout.
//
// It takes a sandbox (it is meant to be the command of `sandbox run`), whose KUBECONFIG and kubectl it uses, and the
// rolloutgate to measure. It prints Markdown: time, CPU, memory, bytes to and from the API server, and which budgets
// are met. It never judges: it fails when a rollout did, not when a figure is bad.
//
//	sandbox run --nodes 20 -- bench --rolloutgate bin/rolloutgate
package main

import (
	"context"
	"flag"
	"fmt"
	"strconv"
	"strings"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

func main() { harness.Main("bench", parse, options.run) }

// options are the flags.
type options struct {
	rolloutgate string
	out         string
	sizes       []size
	neighbours  int
	history     int
	trace       bool
}

// size is one Deployment to roll, and how often.
type size struct {
	pods, rounds int
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.rolloutgate, "rolloutgate", "bin/rolloutgate", "the binary to measure")
	flags.StringVar(&o.out, "out", "", "Markdown file whose marked section is replaced by the results")
	sizes := flags.String("sizes", "3:5,1000:3", "pods:rounds of each Deployment to roll")
	flags.IntVar(&o.neighbours, "neighbours", 0, "roll the smallest Deployment once more with so many unrelated pods in its namespace")
	flags.IntVar(&o.history, "history", 10, "old ReplicaSets that a Deployment has before it is measured")
	flags.BoolVar(&o.trace, "trace", false, "do not measure, but list the requests of each tool and their bytes")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.sizes, err = parseSizes(*sizes); err != nil {
		return o, err
	}
	// The measured commands run in a directory of their own.
	return o, harness.Absolute(&o.rolloutgate)
}

func parseSizes(text string) ([]size, error) {
	var sizes []size
	for part := range strings.SplitSeq(text, ",") {
		pods, rounds, _ := strings.Cut(part, ":")
		p, err := strconv.Atoi(pods)
		if err != nil {
			return nil, fmt.Errorf("reading --sizes: %q is not PODS:ROUNDS", part)
		}
		r, err := strconv.Atoi(rounds)
		if err != nil || p < 1 || r < 1 {
			return nil, fmt.Errorf("reading --sizes: %q is not PODS:ROUNDS", part)
		}
		sizes = append(sizes, size{p, r})
	}
	return sizes, nil
}

func (o options) run(ctx context.Context) error {
	b, err := newBench(o)
	if err != nil {
		return err
	}
	defer b.close()
	if o.trace {
		return b.traceAll(ctx)
	}
	results, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	text := results.markdown()
	fmt.Print(text)
	if o.out == "" {
		return nil
	}
	return rewrite(o.out, text)
}
