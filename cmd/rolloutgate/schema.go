package main

import (
	"bytes"
	_ "embed"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

//go:embed config.schema.json
var configSchema []byte

// jsonSchema is the JSON Schema of something that a machine writes or reads.
type jsonSchema struct {
	name, short string
	text        []byte
}

func schemas() []jsonSchema {
	return []jsonSchema{
		{"config", "the config file", bytes.Clone(configSchema)},
		{"report", "the JSON report", report.Schema()},
		{"events", "a line of the NDJSON events", report.EventsSchema()},
	}
}

func (p *program) schemaCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "schema config|report|events",
		Short:   "Print the JSON Schema of the config file, the JSON report or the events",
		Example: "  rolloutgate schema config > rolloutgate.schema.json",
		RunE: func(_ *cobra.Command, args []string) error {
			var names []string
			for _, s := range schemas() {
				if names = append(names, s.name); len(args) == 1 && args[0] == s.name {
					_, err := p.stdout.Write(s.text)
					return err
				}
			}
			what := "no schema named"
			if len(args) > 0 {
				what = fmt.Sprintf("there is no schema of %q", args)
			}
			return &usageError{what, "name one of " + list(names, "or")}
		},
	}
	for _, s := range schemas() {
		c.ValidArgs = append(c.ValidArgs, s.name+"\t"+s.short)
	}
	return c
}
