package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// oneSlip is how many letters a name may differ in from the one that is meant.
const oneSlip = 2

// misspelt are the variables of the environment that are almost ours, each with the one that may be meant. A flag that is not
// known is an error; a variable may be somebody else's, so it is only told.
func misspelt(root *cobra.Command, environment []string) (warnings []string) {
	known := variablesOf(root)
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, envPrefix) || slices.Contains(known, name) {
			continue
		}
		if near := analysis.Closest(name, known); near != "" && wording.Distance(name, near) <= oneSlip {
			warnings = append(warnings, fmt.Sprintf("the variable %s is not known; did you mean %s?", name, near))
		}
	}
	slices.Sort(warnings)
	return warnings
}

// variablesOf are those of the flags of a command and of all below it.
func variablesOf(c *cobra.Command) []string {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, envName(f.Name)) })
	for _, below := range c.Commands() {
		names = append(names, variablesOf(below)...)
	}
	return names
}
