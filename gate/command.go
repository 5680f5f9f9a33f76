package gate

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Command is a program that makes a release, where the run itself does not write it: helm, kubectl, a script.
type Command struct {
	Argv []string
	// Workloads, Also and Selector say what it is expected to change; see [record.Scope].
	Workloads, Also []string
	Selector        string
}

// commandName is a command in a word: its arguments may be secret.
func commandName(argv []string) string {
	if len(argv) == 0 {
		return ""
	}
	return filepath.Base(argv[0])
}

// redact takes secrets out of how a command went. The user's own text is shown, without what is known to be secret.
func (c *CommandReport) redact(r redactor) {
	if c == nil {
		return
	}
	c.Argv, c.Output = slices.Clone(c.Argv), slices.Clone(c.Output)
	for i := range c.Argv {
		c.Argv[i] = r.text(c.Argv[i])
	}
	for i := range c.Output {
		c.Output[i] = r.text(c.Output[i])
	}
	c.Failure = r.text(c.Failure)
}

// execute carries out a command until it and all that it began have ended, which is soon after ctx has. What it prints is
// told meanwhile.
func (r *run) execute(ctx context.Context, argv []string, undo bool, limit time.Duration) *CommandReport {
	r.step(Step{Name: StepCommand, What: strings.Join(argv, " "), Limit: limit})
	began, said := time.Now(), newTestOutput()
	type end struct {
		code int
		err  error
	}
	ended := make(chan end, 1)
	env := []string{"ROLLOUTGATE_RUN=" + r.report.Run.ID, "ROLLOUTGATE_NAMESPACE=" + r.g.Namespace}
	r.children.Go(func() {
		code, err := r.g.RunCommand(ctx, argv, env, said.add)
		ended <- end{code, err}
	})
	heartbeat := time.NewTicker(r.g.Heartbeat)
	defer heartbeat.Stop()
	for {
		select {
		case <-said.more:
			r.print(said)
		case <-heartbeat.C:
			w := Waiting{Since: time.Since(began), Command: commandName(argv)}
			if deadline, limited := ctx.Deadline(); limited {
				w.Limit = w.Since + time.Until(deadline)
			}
			r.tell(manifest.Ref{}, w)
		case e := <-ended:
			r.print(said)
			c := &CommandReport{Argv: argv, ExitCode: e.code, Duration: time.Since(began).Seconds()}
			if e.err != nil && errors.Is(context.Cause(ctx), errTimeUp) {
				e.err = fmt.Errorf("it did not end within %s", wording.Duration(limit))
			}
			c.Failure = errorText(e.err)
			for _, line := range said.last() {
				c.Output = append(c.Output, cutLine(r.redact.text(line)))
			}
			r.tell(manifest.Ref{}, Ran{Command: commandName(argv), Took: time.Since(began), Failure: c.Failure, Undo: undo})
			return c
		}
	}
}

// print hands on what a command has printed since.
func (r *run) print(said *testOutput) {
	lines, missed := said.take()
	if missed > 0 {
		r.tell(manifest.Ref{}, Printed{Missed: missed})
	}
	for _, line := range lines {
		r.tell(manifest.Ref{}, Printed{Line: line})
	}
}
