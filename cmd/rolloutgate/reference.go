package main

import (
	"encoding/json"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolloutgate/rolloutgate/gate"
)

// reference is everything that a manual page says of the program.
type reference struct {
	Version  string             `json:"version"`
	Short    string             `json:"short"`
	Long     string             `json:"long"`
	Commands []referenceCommand `json:"commands"`
	Exits    []referenceExit    `json:"exits"`
}

type referenceCommand struct {
	Name    string          `json:"name"`
	Use     string          `json:"use"`
	Short   string          `json:"short"`
	Long    string          `json:"long,omitempty"`
	Example string          `json:"example,omitempty"`
	Flags   []referenceFlag `json:"flags,omitempty"`
}

type referenceFlag struct {
	Name      string `json:"name"`
	Shorthand string `json:"shorthand,omitempty"`
	Type      string `json:"type"`
	Default   string `json:"default,omitempty"`
	Usage     string `json:"usage"`
}

type referenceExit struct {
	Code    int    `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
}

// referenceCommand prints the reference for whoever packages the program. It is hidden: people read the manual.
func (p *program) referenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "reference",
		Short:  "Print commands, flags and exit codes as JSON",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return json.NewEncoder(p.stdout).Encode(referenceOf(c.Root()))
		},
	}
}

func referenceOf(root *cobra.Command) reference {
	r := reference{Version: version(), Short: root.Short, Long: root.Long}
	for _, c := range root.Commands() {
		if !c.IsAvailableCommand() || c.Name() == "help" {
			continue
		}
		of := referenceCommand{Name: c.Name(), Use: c.UseLine(), Short: c.Short, Long: c.Long, Example: c.Example}
		if c.HasAvailableSubCommands() { // completion, whose commands are its shells
			of.Use = root.Name() + " " + c.Name() + " SHELL"
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !f.Hidden {
				of.Flags = append(of.Flags, referenceFlag{f.Name, f.Shorthand, f.Value.Type(), defaultOf(f), f.Usage})
			}
		})
		r.Commands = append(r.Commands, of)
	}
	for _, o := range gate.Outcomes() {
		r.Exits = append(r.Exits, referenceExit{o.Code(), o.Name(), o.Meaning()})
	}
	return r
}

// defaultOf is the default of a flag as it is worth saying.
func defaultOf(f *pflag.Flag) string {
	switch f.DefValue {
	case "[]", "false":
		return ""
	}
	return f.DefValue
}
