package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

func (p *program) undoCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "undo [RUN | KIND/NAME…]",
		Short: "Put back what a run has written: one that was killed, or one that has passed",
		Long: `Puts back what a run on record has written, and proves it: the newest run of the namespace, the run with this id, or the
newest that wrote these objects. That run may have been killed, its undo may have failed, or it may have passed hours
ago. What somebody else has changed since stays, and is named.

Exit code 0: everything is back and was seen to be. 20: not everything. 75: the run is still going on.`,
		Example: `  rolloutgate undo
  rolloutgate undo deployment/web
  rolloutgate undo 7QK2M5XWZA
  rolloutgate undo --unfinished rolloutgate-report    # when a job was cancelled`,
		RunE: func(c *cobra.Command, args []string) error {
			return p.onRun(c, o, args, false, gate.Gate.Undo)
		},
	}
	o.connection(c.Flags())
	o.locking(c.Flags())
	o.recording(c.Flags())
	o.takingBack(c.Flags())
	o.undoingBy(c.Flags())
	o.telling(c.Flags())
	c.Flags().StringVar(&o.unfinished, "unfinished", "", "put the run back that had this folder as its --report-dir, if it did not come to its end; there may be nothing to do")
	return c
}

func (p *program) resumeCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "resume [RUN | KIND/NAME…]",
		Short: "Go on with a run that was killed, from where it was",
		Long: `Goes on with a run on record that did not come to its end: the newest of the namespace, the one with this id, or the
newest that wrote these objects. It writes what is still to be written, watches, judges, and ends as that run would have.
Criteria and the commands of tests are not on record: give the same --config and --check again.`,
		Example: "  rolloutgate resume",
		RunE: func(c *cobra.Command, args []string) error {
			return p.onRun(c, o, args, true, gate.Gate.Resume)
		},
	}
	o.connection(c.Flags())
	o.applying(c.Flags())
	o.releasing(c.Flags())
	o.telling(c.Flags())
	o.staged = true // the stages are on record; their commands are not
	return c
}

// recordedRun is a method of Gate that works on a run on record.
type recordedRun func(gate.Gate, context.Context, gate.Which) (gate.Report, error)

// onRun runs a command that names a run on record. A command that releases something is a run of its own.
func (p *program) onRun(c *cobra.Command, o *options, args []string, releases bool, carryOut recordedRun) error {
	if err := p.complete(c, o); err != nil {
		return err
	}
	if o.unfinished != "" {
		id, err := readRunID(o.unfinished)
		if err == nil && len(args) > 0 {
			err = errors.New("--unfinished already says which run")
		}
		if err != nil {
			return usage(err)
		}
		if args = []string{id}; id == "" {
			fmt.Fprintf(p.stdout, "rolloutgate: passed (exit 0): no run has begun with --report-dir %q, so nothing was changed\n", o.unfinished)
			return nil
		}
	}
	p.writes = true
	defer forgetRunID(o.unfinished)
	if len(o.sites) > 0 {
		return p.fleetOnRun(c.Context(), o, args, releases, carryOut)
	}
	return p.withGate(c.Context(), o, func(g gate.Gate, client *cluster.Client) (gate.Report, error) {
		which, err := o.which(c.Context(), client, args)
		if err != nil {
			return gate.Report{}, err
		}
		if releases {
			p.announce(&g, o.reportDir)
		}
		return carryOut(g, c.Context(), which)
	})
}

// announce gives a run its id before it begins, and leaves that where its reports will be.
func (p *program) announce(g *gate.Gate, dir string) {
	g.ID = record.NewID()
	p.leaveRunID(dir, g.ID)
}

// which reads the arguments that name a run on record.
func (o *options) which(ctx context.Context, client *cluster.Client, args []string) (gate.Which, error) {
	if len(args) == 1 && !strings.Contains(args[0], "/") {
		return gate.Which{Run: args[0], Unfinished: o.unfinished != ""}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	refs, err := client.Names(ctx, args)
	switch gate.OutcomeOf(err) {
	case gate.Internal, gate.Refused:
		err = usage(err)
	}
	return gate.Which{Objects: refs}, err
}
