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
	"strings"
	"sync"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// signals that an action may send to rolloutgate.
var signals = map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP, "SIGKILL": syscall.SIGKILL}

// reader reads what rolloutgate prints, and leaves.
type reader struct {
	Both   bool   `json:"both"`   // of standard error too; else of standard output only
	Leaves string `json:"leaves"` // after a line with this text
}

// amid runs rolloutgate in a world that moves: others write, send signals, stop reading. early says which of that had not
// happened when the run was over; the error is the harness' own.
func (t *trial) amid(ctx context.Context) (gate *harness.Ran, early string, err error) {
	ctx, stop := context.WithTimeout(ctx, time.Duration(t.testCase.Timeout)+patience)
	defer stop()
	moving, still := context.WithCancel(ctx)
	defer still()
	started := make(chan *os.Process, 1)
	var world sync.WaitGroup
	var failed error
	world.Go(func() {
		select {
		case <-moving.Done():
			return
		case t.process = <-started:
		}
		for i, a := range t.testCase.script.Meanwhile {
			err := t.act(moving, a)
			switch {
			case err == nil || a.MayFail:
			case moving.Err() != nil:
				early = fmt.Sprintf("it was over before step %d of meanwhile", i+1)
				return
			default:
				failed = fmt.Errorf("step %d of meanwhile: %w", i+1, err)
				return
			}
		}
	})
	gate, err = t.rolloutgate(ctx, func(p *os.Process) { started <- p })
	// The last step may be the one that ended the run.
	timer := time.AfterFunc(time.Second, still)
	world.Wait()
	timer.Stop()
	if err == nil && (gate.Exit == exitInvalid || gate.Exit == exitRefused) {
		return gate, "", nil
	}
	return gate, early, errors.Join(err, failed)
}

// Exit codes of a run that has changed nothing, so that nothing had to happen meanwhile.
const (
	exitInvalid = 2
	exitRefused = 3
)

// send sends rolloutgate a signal.
func (t *trial) send(name string) error {
	if err := t.process.Signal(signals[name]); err != nil {
		return fmt.Errorf("sending %s: %w", name, err)
	}
	return nil
}

// waitFor waits until a check holds.
func (t *trial) waitFor(ctx context.Context, c check) error {
	return harness.Until(ctx, t.longest(), c.Of, func() error {
		object, err := t.read(ctx, c.Of)
		if err != nil {
			return err
		}
		return c.holds(object)
	})
}

func (t *trial) longest() time.Duration { return time.Duration(t.testCase.Timeout) + patience }

// keepWatch looks at every state of the objects that have to be in order all the time. What was seen once stays seen.
func (t *trial) keepWatch(ctx context.Context) error {
	var failed []error
	for _, c := range t.testCase.script.Always {
		resource, name, _ := resourceOf(c.Of)
		of := t.cluster.Dynamic.Resource(resource).Namespace(t.testCase.name)
		failed = append(failed, t.cluster.follow(ctx, of, func(e watch.EventType, o *unstructured.Unstructured) {
			if o.GetName() != name || e == watch.Deleted {
				return
			}
			if err := c.holds(o); err != nil {
				t.mu.Lock()
				defer t.mu.Unlock()
				t.seen[err.Error()] = true
			}
		}))
	}
	return errors.Join(failed...)
}

// told is everything that rolloutgate has printed and written.
func (t *trial) told(gate *harness.Ran) (string, error) {
	all := gate.Output
	err := filepath.WalkDir(t.dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all += string(text)
		return err
	})
	return all, err
}

// readBy has a reader read what a command prints; what it has read is output. Without a reader it does nothing.
// finish has to be called when the command has ended.
func (r *reader) readBy(cmd *exec.Cmd, output io.Writer) (finish func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	from, into, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = into
	if r.Both {
		cmd.Stderr = into
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer from.Close()
		lines := bufio.NewScanner(from)
		for lines.Scan() {
			fmt.Fprintln(output, lines.Text())
			if strings.Contains(lines.Text(), r.Leaves) {
				return
			}
		}
	})
	return func() {
		_ = into.Close()
		reading.Wait()
	}, nil
}
