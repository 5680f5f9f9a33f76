package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

func (p *program) historyCommand() *cobra.Command {
	o := p.newOptions()
	c := &cobra.Command{
		Use:   "history [KIND/NAME…]",
		Short: "List the runs on record",
		Long: `Lists the runs on record in the namespace, the newest first: when, how they ended and why, how long they took, what they
changed, and the pipeline that ran them. With objects, only those runs that wrote all of them.`,
		Example: "  rolloutgate history deployment/web -o json",
		RunE: func(c *cobra.Command, args []string) error {
			return p.history(c, o, args)
		},
	}
	o.connection(c.Flags())
	o.recording(c.Flags())
	return c
}

func (p *program) history(c *cobra.Command, o *options, args []string) error {
	if err := o.complete(c, p.getenv); err != nil {
		return err
	}
	client, err := o.client()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(c.Context(), findTime)
	defer cancel()
	refs, err := client.Names(ctx, args)
	if err != nil {
		return usage(err)
	}
	runs, err := o.store(client).Records(ctx, o.namespace())
	if err != nil {
		return err
	}
	runs = slices.DeleteFunc(runs, func(s record.Summary) bool {
		return slices.ContainsFunc(refs, func(r manifest.Ref) bool {
			wrote, known := s.Wrote(r)
			return known && !wrote // one with more objects than it lists may have
		})
	})
	if o.output == "json" {
		return listJSON(p.stdout, runs)
	}
	if len(runs) == 0 {
		fmt.Fprintf(p.stdout, "There are no runs on record in namespace %s.\n", o.namespace())
		return nil
	}
	return listRuns(p.stdout, runs)
}

// listJSON prints an array, which is empty when there are no runs.
func listJSON(w io.Writer, runs []record.Summary) error {
	if runs == nil {
		runs = []record.Summary{}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(runs)
}

func listRuns(w io.Writer, runs []record.Summary) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RUN\tSTARTED\tSTATE\tCAUSE\tTOOK\tCHANGED\tPIPELINE")
	for _, s := range runs {
		cells := []string{s.ID, s.Started.UTC().Format("2006-01-02 15:04:05"), string(s.State), orDefault(s.Cause, "-"), took(s), changed(s), orDefault(s.Pipeline.URL, "-")}
		for i := range cells {
			cells[i] = report.Sanitize(cells[i], 1, 200)
		}
		fmt.Fprintln(t, strings.Join(cells, "\t"))
	}
	return t.Flush()
}

// took is how long a run took; "-" while it goes on.
func took(s record.Summary) string {
	if s.Finished.IsZero() {
		return "-"
	}
	return s.Finished.Sub(s.Started).Round(time.Second).String()
}

// changed names what a run changed: its images, or else its objects.
func changed(s record.Summary) string {
	var parts []string
	more := s.MoreImages
	for _, i := range s.Images {
		from := orDefault(i.From, "none")
		parts = append(parts, fmt.Sprintf("%s: %s → %s", i.Object, from, i.To))
	}
	if len(parts) == 0 {
		for _, r := range s.Objects {
			parts = append(parts, r.String())
		}
		more = s.MoreObjects
	}
	switch {
	case len(parts) == 0:
		return "-"
	case len(parts) > 2:
		return fmt.Sprintf("%s and %d more", strings.Join(parts[:2], ", "), len(parts)-2+more)
	}
	return strings.Join(parts, ", ")
}
