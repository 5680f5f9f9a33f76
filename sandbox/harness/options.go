package harness

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
)

// Options are the flags of every program that plays rollouts in sandboxes of its own.
type Options struct {
	Rolloutgate string // the binary to judge
	Sandbox     string // the binary that brings clusters up
	Name        string // what the names of the sandboxes begin with
	Results     string // file for JSON; "" for none
	Out         string // file for Markdown; "" for none
	Artifacts   string // folder that keeps what the commands wrote; "" for a temporary one
	Section     string // the name of the marks between which Out has the document, see WriteSection; "" for all of Out
}

// Register adds the flags; program is the default of --name.
func (o *Options) Register(flags *flag.FlagSet, program string) {
	flags.StringVar(&o.Rolloutgate, "rolloutgate", "bin/rolloutgate", "the binary to judge")
	flags.StringVar(&o.Sandbox, "sandbox", "bin/sandbox", "the binary that brings clusters up")
	flags.StringVar(&o.Name, "name", fmt.Sprintf("%s-%d", program, os.Getpid()), "what the names of the sandboxes begin with")
	flags.StringVar(&o.Results, "results", "", "JSON file for the results")
	flags.StringVar(&o.Out, "out", "", "Markdown file for the document")
	flags.StringVar(&o.Artifacts, "artifacts", "", "folder that keeps manifests, output and reports")
}

// Parse parses the arguments. Arguments that are no flags are an error. The paths of the binaries become absolute.
func (o *Options) Parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("there is no argument %q", flags.Arg(0))
	}
	return Absolute(&o.Rolloutgate, &o.Sandbox)
}

// Outcome is what a program has found out.
type Outcome interface {
	Text() string       // for the terminal
	Document() string   // Markdown
	Problems() []string // the reasons for which the program fails
}

// Finish prints the outcome and writes the files that were asked for. Its error are the problems.
func (o *Options) Finish(outcome Outcome) error {
	fmt.Print(outcome.Text())
	write := WriteDocument
	if o.Section != "" {
		write = func(file, text string) error { return WriteSection(file, o.Section, text) }
	}
	if err := errors.Join(WriteJSON(o.Results, outcome), write(o.Out, outcome.Document())); err != nil {
		return err
	}
	if problems := outcome.Problems(); len(problems) > 0 {
		return errors.New(strings.Join(problems, "; "))
	}
	return nil
}
