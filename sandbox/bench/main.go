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

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.rolloutgate, "rolloutgate", "bin/rolloutgate", "the binary to measure")
	flags.StringVar(&o.out, "out", "", "Markdown file whose marked section is replaced by the results")
	sizes := flags.String("sizes", defaultSizes, "what to roll, and how often: [WORKLOADSx]PODS:ROUNDS[:no-probe][:alone], with commas")
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
	return harness.WriteSection(o.out, "bench", text)
}
