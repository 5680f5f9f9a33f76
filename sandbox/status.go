package main

import (
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

// notUp is the exit code of status, as of an init script: 3 is "not running".
const notUp = 3

func (o *options) status() error {
	i, err := o.instance()
	if err != nil {
		return err
	}
	state, err := i.Status()
	if errors.Is(err, instance.ErrNotUp) {
		fmt.Fprintf(os.Stderr, "sandbox %s: %v\n", i.Name, err)
		return exitError{notUp}
	}
	if err != nil {
		return err
	}
	if o.json {
		return printJSON(state)
	}
	fmt.Printf("sandbox %s, up for %s\n\n", state.Name, time.Since(state.Created).Round(time.Second))
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "COMPONENT\tVERSION\tPID\tADDRESS")
	for _, p := range state.Processes {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", p.Name, state.Versions[p.Name], p.PID, p.Address)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Printf("\nsimulated nodes: %d\ndirectory:       %s\nKUBECONFIG:      %s\nPrometheus:      %s\n",
		state.Nodes, state.Dir, state.Kubeconfig, state.Prometheus)
	return nil
}
