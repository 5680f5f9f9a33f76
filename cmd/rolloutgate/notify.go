package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/notice"
)

func (p *program) notifyCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "notify [REPORT.JSON]",
		Short: "Send the notices of a report, or a test notice to everybody whom the config file names",
		Example: `  rolloutgate notify
  rolloutgate notify --config rolloutgate.yaml report/report.json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return p.notify(c, o, args) },
	}
	c.Flags().StringVar(&o.config, "config", "", "config file (default "+defaultConfig+" when present)")
	return c
}

// notify sends the notices of a report to those who asked for such, or a test to all of them.
func (p *program) notify(c *cobra.Command, o *options, args []string) error {
	file, err := fillFlags(c, p.getenv)
	if err != nil {
		return err
	}
	if len(file.notify) == 0 {
		return &usageError{"nobody to tell", "name them in the config file, below notify:"}
	}
	receivers, err := notice.Open(file.notify, p.getenv)
	if err != nil {
		return err
	}
	o.ci = ciAuto
	message := notice.Test(gate.Run{Command: c.Name(), Version: version(), Pipeline: o.pipeline(p.getenv)}, time.Now().UTC())
	if len(args) > 0 {
		r, err := readReport(args[0])
		if err != nil {
			return err
		}
		message = notice.OfReport(r)
	}
	return p.tell(c.Context(), receivers, message)
}

// tell sends a message to all who want it at once, and says what became of it.
func (p *program) tell(ctx context.Context, receivers []notice.Receiver, m notice.Message) error {
	ctx, cancel := context.WithTimeoutCause(ctx, sinkBudget, errors.New("no answer in time"))
	defer cancel()
	errs := make([]error, len(receivers))
	var wg sync.WaitGroup
	for i, r := range receivers {
		if r.Wants(m) {
			wg.Go(func() { errs[i] = r.Send(ctx, m) })
		}
	}
	wg.Wait()
	for i, r := range receivers {
		switch {
		case !r.Wants(m):
			fmt.Fprintf(p.stdout, "%s: not told: its on has none of %v\n", r.Name, m.Occasions)
		case errs[i] == nil:
			fmt.Fprintf(p.stdout, "%s: sent\n", r.Name)
		default:
			errs[i] = fmt.Errorf("telling %w", errs[i])
		}
	}
	return errors.Join(errs...)
}

// readReport reads a report.json.
func readReport(path string) (gate.Report, error) {
	var r gate.Report
	data, err := os.ReadFile(path)
	if err != nil {
		return r, &usageError{fmt.Sprintf("reading the report: %v", err), "name the report.json that --report-dir has written"}
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return r, &usageError{fmt.Sprintf("reading the report %s: %v", path, err), "it has to be a report.json that --report-dir has written"}
	}
	if r.SchemaVersion != gate.SchemaVersion {
		return r, &usageError{fmt.Sprintf("reading the report %s: its schemaVersion is %q, and this version knows %q", path, r.SchemaVersion, gate.SchemaVersion), ""}
	}
	return r, nil
}
