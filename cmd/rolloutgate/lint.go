package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func (p *program) lintCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "lint [-f FILENAME]",
		Short: "Check the config file and the criteria, offline",
		Example: `  rolloutgate lint
  rolloutgate lint --config rolloutgate.yaml -f deploy/`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return p.lint(c, o) },
	}
	o.connection(c.Flags())
	o.manifests(c.Flags())
	o.gating(c.Flags())
	return c
}

// lint reads everything that a run would read, and asks nobody.
func (p *program) lint(c *cobra.Command, o *options) error {
	if err := o.complete(c, p.getenv); err != nil {
		return err
	}
	vars := o.variables(p.getenv)
	for _, name := range o.spec.Env {
		if _, ok := vars.Env[name]; !ok {
			vars.Env[name] = "value" // what is set where the run is need not be set here
		}
	}
	criteria, err := o.criteria(vars)
	if err != nil {
		return err
	}
	if _, err := o.patience(); err != nil {
		return err
	}
	rows, err := o.rows(criteria)
	if err != nil {
		return err
	}
	jobs, err := o.readJobs()
	if err = errors.Join(o.findCommands(false), err); err != nil {
		return err
	}
	if longest := o.spec.Timing.Longest(criteria); len(criteria) > 0 && longest > o.timeout {
		return tooLong(longest, o.timeout)
	}
	var read manifest.Manifests
	var leftOut []string
	if len(o.filenames) > 0 || o.kustomize != "" {
		if read, err = o.objects(p); err != nil {
			return err
		}
		if read.Objects, leftOut, err = o.written(read.Objects); err != nil {
			return err
		}
		if err = gate.CheckObjects(read.Objects, criteriaNames(criteria)); err != nil {
			return err
		}
		if err = checkSchemas(o.objectRows, read.Objects); err != nil {
			return err
		}
		leftOut = append(leftOut, unmatched(rows, read.Objects, o.namespace())...)
	}
	for _, note := range slices.Concat(jobs.Notes(), read.Notes(), leftOut) {
		fmt.Fprintf(p.stdout, "note: %s\n", printable(errors.New(note)))
	}
	for _, remark := range analysis.Lint(criteria, o.spec.Known(vars)) {
		fmt.Fprintf(p.stdout, "warning: %s\n", printable(remark))
	}
	var parts []string
	for _, n := range []struct {
		n         int
		one, many string
	}{{len(criteria), "criterion", "criteria"}, {stagesIn(o.stages), "stage", "stages"}, {len(jobs.Objects), "object that tests", "objects that test"}, {len(o.notify), "notice", "notices"}, {len(rows), "entry of objects", "entries of objects"}, {len(read.Objects), "object", "objects"}} {
		switch n.n {
		case 0:
		case 1:
			parts = append(parts, "1 "+n.one)
		default:
			parts = append(parts, fmt.Sprintf("%d %s", n.n, n.many))
		}
	}
	if len(parts) == 0 {
		parts = []string{"nothing to check was found"}
	}
	_, err = fmt.Fprintf(p.stdout, "ok: %s\n", strings.Join(parts, ", "))
	return err
}

func tooLong(longest, timeout time.Duration) error {
	return &usageError{
		fmt.Sprintf("the criteria alone can take %s, and --timeout is %s", longest, timeout),
		"raise --timeout, or shorten --settle and --window",
	}
}
