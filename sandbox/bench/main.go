// Command bench compares `rolloutgate run` with `kubectl apply && kubectl rollout status` on the same rollout.
//
// It takes a sandbox (it is meant to be the command of `sandbox run`), whose KUBECONFIG and kubectl it uses, and the
// rolloutgate to measure. It prints Markdown: time, CPU, memory, bytes to and from the API server, and which budgets
// are met. It never judges: it fails when a rollout did, not when a figure is bad.
//
//	sandbox run --nodes 20 -- bench --rolloutgate bin/rolloutgate
//	sandbox run --nodes 20 -- bench --rolloutgate bin/rolloutgate --scale pods --helm bin/helm --kapp bin/kapp
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
	scale       string // which of scaleSizes; empty: none
	helm, kapp  string // programs; empty: not compared with
}

func parse(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ExitOnError)
	flags.StringVar(&o.rolloutgate, "rolloutgate", "bin/rolloutgate", "the binary to measure")
	flags.StringVar(&o.out, "out", "", "Markdown file whose marked section is replaced by the results")
	sizes := flags.String("sizes", defaultSizes, "what to roll, and how often: [WORKLOADSx]PODS:ROUNDS[:OPTION]…, with commas; options: no-probe, alone, apart, peers, one-bad, crash, contexts=N")
	flags.IntVar(&o.neighbours, "neighbours", 0, "roll the smallest Deployment once more with so many unrelated pods in its namespace")
	flags.IntVar(&o.history, "history", 10, "old ReplicaSets that a Deployment has before it is measured")
	flags.BoolVar(&o.trace, "trace", false, "do not measure, but list the requests of each tool and their bytes")
	flags.StringVar(&o.scale, "scale", "", "measure how the cost grows with pods or workloads, and bad releases, with other --sizes, into a section of its own")
	flags.StringVar(&o.helm, "helm", "", "the helm to compare with in sizes with `peers`")
	flags.StringVar(&o.kapp, "kapp", "", "the kapp to compare with there")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if others, known := scaleSizes[o.scale]; known && *sizes == defaultSizes {
		*sizes = others
	} else if o.scale != "" && !known {
		return o, fmt.Errorf("reading --scale: %q is neither pods nor workloads", o.scale)
	}
	var err error
	if o.sizes, err = parseSizes(*sizes); err != nil {
		return o, err
	}
	// The measured commands run in a directory of their own.
	for _, program := range []*string{&o.rolloutgate, &o.helm, &o.kapp} {
		if err := absolute(program); err != nil {
			return o, err
		}
	}
	return o, nil
}

// absolute leaves what was not given.
func absolute(path *string) error {
	if *path == "" {
		return nil
	}
	return harness.Absolute(path)
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
	if o.scale != "" {
		results, err := b.measureScale(ctx)
		text := results.scaleMarkdown() // of what was measured by then
		fmt.Print(text)
		if err != nil {
			return err
		}
		return harness.WriteSection(o.out, "bench-"+o.scale, text)
	}
	results, err := b.measureAll(ctx)
	if err != nil {
		return err
	}
	text := results.markdown()
	fmt.Print(text)
	return harness.WriteSection(o.out, "bench", text)
}
