package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

func (p *program) approveCommand() *cobra.Command {
	return p.answerCommand(true, &cobra.Command{
		Use:   "approve [RUN]",
		Short: "Let a run go on that waits for somebody to say so",
		Long: `Says to a run that it may go on with its next stage: the run with this id, or the only one of the namespace that waits for
that. It is written to the lease of the run, with the name by which the API server knows whoever says it.`,
		Example: "  rolloutgate approve 7QK2M5XWZA --reason 'looked at the dashboards'",
	})
}

func (p *program) rejectCommand() *cobra.Command {
	return p.answerCommand(false, &cobra.Command{
		Use:   "reject [RUN]",
		Short: "Have a run that waits for somebody take everything back",
		Long: `Says to a run that waits before its next stage that it must not go on: it takes everything back, and ends with 10. The run is
the one with this id, or the only one of the namespace that waits.`,
		Example: "  rolloutgate reject 7QK2M5XWZA --reason 'the checkout page is slow'",
	})
}

// answerCommand is what the two have in common.
func (p *program) answerCommand(approved bool, c *cobra.Command) *cobra.Command {
	o := p.newOptions()
	reason := c.Flags().String("reason", "", "why; it is in the report of the run")
	c.Args = cobra.MaximumNArgs(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := o.complete(c, p.getenv); err != nil {
			return err
		}
		client, err := o.client()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(c.Context(), findTime)
		defer cancel()
		text, err := decide(ctx, client, o.namespace(), strings.Join(args, ""), record.Decision{Approved: approved, Reason: *reason})
		if err != nil {
			p.code = gate.OutcomeOf(err).Code()
			return err
		}
		fmt.Fprintln(p.stdout, flat(text)) // a lease is text of the cluster
		return nil
	}
	o.connection(c.Flags())
	return c
}

// notWaiting is a run that waits for nobody.
type notWaiting struct{ error }

// Outcome says what it means for the command.
func (notWaiting) Outcome() gate.Outcome { return gate.Refused }

// mayNot is somebody whose word does not count.
type mayNot struct{ error }

// Outcome says what it means for the command.
func (mayNot) Outcome() gate.Outcome { return gate.Denied }

// decide writes a decision to the lease of a run, and says so in words.
func decide(ctx context.Context, client *cluster.Client, namespace, run string, d record.Decision) (string, error) {
	leases, err := client.Leases(ctx, namespace)
	if err != nil {
		return "", err
	}
	var waiting []record.Lease
	for _, l := range leases {
		if l.Awaits != nil && (run == "" || strings.EqualFold(run, l.Run)) {
			waiting = append(waiting, l)
		}
	}
	switch {
	case len(waiting) == 0 && run == "":
		return "", notWaiting{fmt.Errorf("no run in namespace %s waits for an approval", namespace)}
	case len(waiting) == 0:
		return "", notWaiting{fmt.Errorf("run %s does not wait for an approval in namespace %s", run, namespace)}
	case len(waiting) > 1:
		var ids []string
		for _, l := range waiting {
			ids = append(ids, l.Run)
		}
		return "", notWaiting{fmt.Errorf("several runs wait for an approval\n  hint: name one of them: %s", strings.Join(ids, ", "))}
	}
	l := waiting[0]
	if d.By, err = client.Who(ctx); err != nil {
		return "", err
	}
	if err := gate.MayDecide(*l.Awaits, d.By); err != nil {
		return "", mayNot{err}
	}
	d.Stage, d.At = l.Awaits.Stage, client.Now().UTC().Truncate(time.Second)
	if err := client.DecideLease(ctx, l, d); err != nil {
		return "", err
	}
	what := "rejected"
	if d.Approved {
		what = "approved"
	}
	return fmt.Sprintf("%s: stage %s of run %s, as %s", what, d.Stage, l.Run, d.By), nil
}
