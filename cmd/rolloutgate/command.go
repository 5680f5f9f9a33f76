package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

const (
	// lastWarning is how long a command has to end by itself when it is asked to.
	lastWarning = 5 * time.Second
	// lastOutput is how long what a command has printed may take to arrive when it has ended: something that it left behind
	// may hold its output open.
	lastOutput = time.Second
	// maxCommandLine is how much of a line is read, in bytes.
	maxCommandLine = 64 << 10
)

// programOf is the program of a test: one with a path is looked for from the folder of the config file.
func programOf(t gate.Test) (string, error) {
	name := t.Command[0]
	if !filepath.IsAbs(name) && filepath.Base(name) != name {
		var err error
		if name, err = filepath.Abs(filepath.Join(t.Dir, name)); err != nil {
			return "", err
		}
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no program %q that could be run: %w", t.Command[0], reason(err))
	}
	return filepath.Abs(path)
}

// reason is an error of looking for a program without the name, which was said.
func reason(err error) error {
	var e *exec.Error
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}

// runTest carries out the command of a test.
func runTest(ctx context.Context, t gate.Test, env []string, line func(string)) error {
	path, err := programOf(t)
	if err != nil {
		return err
	}
	_, err = process{path: path, args: t.Command[1:], dir: t.Dir, env: env, warning: lastWarning}.run(ctx, line)
	return err
}

// process is a command that is to be carried out.
type process struct {
	path    string
	args    []string
	dir     string        // empty: the one of this process
	env     []string      // beside that of this process
	warning time.Duration // how long it has to end by itself when it is asked to
}

// run carries a command out, in a process group of its own. What is left of that when the command has ended, or has to, is
// killed. The code is the exit code, -1 where there is none.
func (p process) run(ctx context.Context, line func(string)) (code int, err error) {
	runtime.LockOSThread() // where the command ends with this process, it ends with this thread
	defer runtime.UnlockOSThread()
	output, input, err := os.Pipe()
	if err != nil {
		return -1, err
	}
	defer output.Close()
	c := exec.Command(p.path, p.args...)
	c.Dir, c.Env, c.Stdout, c.Stderr = p.dir, append(os.Environ(), p.env...), input, input
	inOwnGroup(c)
	err = c.Start()
	input.Close()
	if err != nil {
		return -1, fmt.Errorf("it could not be started: %w", err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		eachLine(output, line)
	}()
	ended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		select {
		case <-ended:
			return
		case <-ctx.Done():
		}
		askGroup(c)
		select {
		case <-ended:
		case <-time.After(p.warning):
			killGroup(c)
		}
	}()
	err = c.Wait()
	close(ended)
	<-stopped
	killGroup(c)
	_ = output.SetReadDeadline(time.Now().Add(lastOutput))
	<-read
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, context.Cause(ctx) // it may have ended well because it was asked to end
	case errors.As(err, &exit) && exit.Exited():
		return exit.ExitCode(), fmt.Errorf("it ended with exit code %d", exit.ExitCode())
	}
	return -1, fmt.Errorf("it was ended: %w", err)
}

// eachLine hands on the lines of a stream. Of a very long one the rest is left out.
func eachLine(from io.Reader, line func(string)) {
	r := bufio.NewReaderSize(from, maxCommandLine)
	for {
		text, long, err := r.ReadLine()
		if err == nil || len(text) > 0 {
			line(strings.TrimRight(string(text), "\r"))
		}
		for long && err == nil {
			_, long, err = r.ReadLine()
		}
		if err != nil {
			return
		}
	}
}
