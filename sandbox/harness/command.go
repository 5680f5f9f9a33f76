package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Command is one program to run in a cluster.
type Command struct {
	Name string // of the file in Keep, and in errors
	Dir  string // where it runs
	Keep string // folder for NAME.txt, all that it prints
	Path string // of the program
	Args []string

	// Prepare changes what is about to start: for example, who reads what it prints. What it passes on to output is kept.
	// finish is called after the end. Nil: nothing is changed.
	Prepare func(cmd *exec.Cmd, output io.Writer) (finish func(), err error)
	Started func(*os.Process) // is told of the process; nil: nobody is
}

// Ran is a process that was run to its end.
type Ran struct {
	Output  string // standard output and error, as they came
	Exit    int
	Began   time.Time
	Seconds float64
}

// Ended is when the process was gone.
func (r *Ran) Ended() time.Time { return r.Began.Add(time.Duration(r.Seconds * float64(time.Second))) }

// Run runs a command to its end. An exit code other than 0 is no error; not to start, or to be ended by the context, is.
func (c *Cluster) Run(ctx context.Context, what Command) (*Ran, error) {
	cmd := exec.CommandContext(ctx, what.Path, what.Args...)
	var output buffer
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = what.Dir, c.Environment(), &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's signals are for the harness
	finish := func() {}
	if what.Prepare != nil {
		var err error
		if finish, err = what.Prepare(cmd, &output); err != nil {
			return nil, fmt.Errorf("preparing %s: %w", what.Name, err)
		}
	}
	began := time.Now()
	err := cmd.Start()
	if err == nil {
		if what.Started != nil {
			what.Started(cmd.Process)
		}
		err = cmd.Wait()
	}
	finish()
	ran := &Ran{Output: output.String(), Exit: cmd.ProcessState.ExitCode(), Began: began, Seconds: time.Since(began).Seconds()}
	if writeErr := os.WriteFile(filepath.Join(what.Keep, what.Name+".txt"), []byte(output.String()), 0o644); writeErr != nil {
		return ran, writeErr
	}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return ran, fmt.Errorf("running %s: %w\n%s", what.Name, err, output.String())
	}
	return ran, nil
}

// buffer is written to by several goroutines.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
