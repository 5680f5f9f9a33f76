package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync/atomic"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// program is one invocation: the world outside, and the exit code that came of it.
type program struct {
	calledAs       string           // the path of the program, as the one who called it wrote it
	later          <-chan os.Signal // those after the first one, which cancels the context
	getenv         func(string) string
	environ        []string // all of the environment; nil: it is not looked through
	stdin          io.Reader
	stdout, stderr io.Writer
	writes         bool            // the command may change the cluster
	moreCI         []ciSystem      // asked before those that are built in; nil: there are no others
	moreFormats    []report.Format // after those that are built in; nil: there are no others
	moreSinks      []sinkKind      // after those that are built in; nil: there are no others
	hidden         *atomic.Bool    // whether the cursor of the terminal is; nil: nobody wants to know
	code           int
	unbegun        func(error) // reports a run that did not come to begin; nil: there is none, or it has begun
}

// execute runs one command line and returns the exit code. A panic is a bug of ours: exit code 1, and the stack for
// whoever reports it.
func (p *program) execute(ctx context.Context, args []string) (code int) {
	defer func() {
		if r := recover(); r != nil {
			fmt.Fprintf(p.stderr, "rolloutgate: internal error: %v\n%s", r, debug.Stack())
			code = gate.Internal.Code()
		}
	}()
	klog.SetLogger(logr.Discard()) // client-go's own log says nothing that a report does not
	root := p.root()
	root.SetArgs(args)
	parsed := false // errors before that are about the command line, and cobra's own
	root.PersistentPreRun = func(*cobra.Command, []string) { parsed = true }
	err := root.ExecuteContext(ctx)
	if err != nil && !parsed {
		err = &usageError{err.Error(), ""}
	}
	if err != nil {
		p.fail(err)
	}
	return p.code
}

func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "rolloutgate",
		Short: "Apply, watch, judge, explain and undo a Kubernetes rollout",
		Long: `rolloutgate is the step between "deploy" and "done" in a pipeline. It applies manifests, watches the rollout
against a timeout and PromQL success criteria, says why a rollout is bad, puts back exactly what was there before,
proves that it is back, and exits with a code that tells the pipeline what happened.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	if p.isPlugin() {
		root.Annotations = map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl rollout-gate"}
	}
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err.Error(), fmt.Sprintf("see '%s --help'", c.CommandPath())}
	})
	root.AddCommand(
		p.runCommand(), p.planCommand(), p.approveCommand(), p.rejectCommand(), p.undoCommand(), p.resumeCommand(), p.historyCommand(),
		p.watchCommand(), p.analyzeCommand(), p.diagnoseCommand(), p.drillCommand(), p.lintCommand(), p.rbacCommand(), p.schemaCommand(),
		p.notifyCommand(), p.versionCommand(), p.referenceCommand(),
	)
	return root
}

// isPlugin: kubectl runs it as one of its commands, whose help then names it so.
func (p *program) isPlugin() bool {
	name := filepath.Base(p.calledAs)
	return strings.TrimSuffix(name, filepath.Ext(name)) == "kubectl-rollout_gate"
}

// fail prints an error that no report could carry, and sets the exit code that it means.
func (p *program) fail(err error) {
	if p.code == 0 {
		p.code = codeOf(err)
	}
	fmt.Fprintf(p.stderr, "error: %s\n", printable(err))
	if p.unbegun != nil {
		p.unbegun(err)
	}
}

// userInfo is what an address may have before its host: a password.
var userInfo = regexp.MustCompile(`://[^/?#@\s]+@`)

// printable makes an error fit to print. It may quote the cluster, whose text is not to be obeyed: a CI system takes a line
// that begins with "::" for a command, also behind white space.
func printable(err error) string {
	text := userInfo.ReplaceAllString(err.Error(), "://***@")
	lines := strings.Split(report.Sanitize(text, 40, 1000), "\n")
	for i, line := range lines {
		if strings.HasPrefix(strings.TrimSpace(line), "::") {
			lines[i] = "| " + line
		}
	}
	return strings.Join(lines, "\n")
}

// outcomeOf is what an error means that came before any run.
func outcomeOf(err error) gate.Outcome {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
		return gate.Invalid
	}
	return gate.OutcomeOf(err)
}

// codeOf is its exit code.
func codeOf(err error) int { return outcomeOf(err).Code() }
