package gate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// TestState is how far the command is that a stage is tested by.
type TestState int

// The states.
const (
	NotTested TestState = iota // there is none, or it has not begun
	Testing
	TestPassed
	TestFailed
)

// What is kept of a command's output: its end.
const (
	maxTestLines = 100
	maxTestBytes = 64 << 10
	maxTestLine  = 2000
)

// trial is a command that a stage is tested by, as the follower knows it. The zero value is one that was not begun.
type trial struct {
	began time.Time
	state TestState
	err   error
	said  *testOutput
	ended chan error
}

// more has a token when the command has said something.
func (t trial) more() <-chan struct{} {
	if t.said == nil {
		return nil
	}
	return t.said.more
}

// awaitsTest tells whether a command has to succeed yet before the stage goes on.
func (f *follower) awaitsTest() bool {
	return f.stage.Test != nil && len(f.stage.Test.Command) > 0 && f.trial.state != TestPassed
}

// testing begins the test, once. A test that is cut short is not awaited here: an undo must not wait for a process that
// does not want to end.
func (f *follower) testing(ctx context.Context) {
	if f.trial.state != NotTested {
		return
	}
	r, t := f.r, *f.stage.Test
	f.trial = trial{began: time.Now(), state: Testing, said: newTestOutput(), ended: make(chan error)}
	r.step(Step{Name: StepTest, Stage: f.stage.Name, What: t.name(), Limit: t.limit()})
	env := []string{"ROLLOUTGATE_RUN=" + r.report.Run.ID, "ROLLOUTGATE_STAGE=" + f.stage.Name, "ROLLOUTGATE_NAMESPACE=" + r.g.Namespace}
	if f.stage.Service != "" {
		env = append(env, "ROLLOUTGATE_SERVICE="+f.stage.Service)
	}
	said, ended := f.trial.said, f.trial.ended
	r.children.Go(func() {
		limited, cancel := context.WithTimeoutCause(ctx, t.limit(), errTimeUp)
		defer cancel()
		err := r.g.RunTest(limited, t, env, said.add)
		if err != nil && errors.Is(context.Cause(limited), errTimeUp) && ctx.Err() == nil {
			err = fmt.Errorf("it did not end within %s", wording.Duration(t.limit()))
		}
		select {
		case ended <- err:
		case <-ctx.Done():
		}
	})
}

// said hands on what the test has said since.
func (f *follower) testSaid() {
	lines, missed := f.trial.said.take()
	if missed > 0 {
		f.r.tell(manifest.Ref{}, Said{Missed: missed})
	}
	for _, line := range lines {
		f.r.tell(manifest.Ref{}, Said{Line: line})
	}
}

// tested takes the end of the test in.
func (f *follower) tested(err error) {
	f.testSaid()
	f.trial.state, f.trial.err = TestPassed, err
	if err != nil {
		f.trial.state = TestFailed
	}
	f.r.tell(manifest.Ref{}, Tested{Stage: f.stage.Name, Took: time.Since(f.trial.began), Failure: errorText(err)})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// testFinding says what the test has said.
func (f *follower) testFinding() diagnosis.Finding {
	var lines []string
	for _, line := range f.trial.said.last() {
		lines = append(lines, cutLine(f.r.redact.text(line)))
	}
	return diagnosis.StageTestFailed(f.stage.Name, f.stage.Test.name(), f.trial.err.Error(), lines)
}

// cutLine is the beginning of a line.
func cutLine(line string) string {
	if len(line) > maxTestLine {
		return strings.ToValidUTF8(line[:maxTestLine], "") + "…"
	}
	return line
}

// testOutput is what a command says. Its methods may be called from any goroutine; a command that says more than anybody
// reads does not wait.
type testOutput struct {
	more chan struct{} // holds a token when there is something to take

	mu     sync.Mutex
	lines  []string // the last ones
	bytes  int
	fresh  int // how many of them were not taken yet
	missed int // how many were dropped before they were taken
}

func newTestOutput() *testOutput { return &testOutput{more: make(chan struct{}, 1)} }

func (o *testOutput) add(line string) {
	o.mu.Lock()
	o.lines, o.bytes, o.fresh = append(o.lines, line), o.bytes+len(line), o.fresh+1
	for len(o.lines) > maxTestLines || o.bytes > maxTestBytes && len(o.lines) > 1 {
		if o.fresh == len(o.lines) {
			o.fresh--
			o.missed++
		}
		o.bytes -= len(o.lines[0])
		o.lines = o.lines[1:]
	}
	o.mu.Unlock()
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// take are the lines that were not taken before, and how many are missing before them.
func (o *testOutput) take() (lines []string, missed int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines, missed = append(lines, o.lines[len(o.lines)-o.fresh:]...), o.missed
	o.fresh, o.missed = 0, 0
	return lines, missed
}

// last are the last lines.
func (o *testOutput) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.lines...)
}
