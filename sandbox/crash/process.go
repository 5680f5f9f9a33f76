package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// process is one rolloutgate behind a relay of its own.
type process struct {
	name    string
	relay   *relay
	process *os.Process
	started chan struct{} // closed when it has started
	gone    chan struct{} // closed when it has ended, and the two below are known
	ran     *harness.Ran
	err     error

	mu     sync.Mutex
	stdout *os.File // that the harness reads; nil when it has closed it
	peak   int      // kB of memory, as of its newest write
}

// launch says how a process is started.
type launch struct {
	name      string
	args      []string
	at        point
	end       *end // what happens there
	short     bool
	aged      time.Duration // by how much leases look older to it
	elsewhere bool          // it cannot see the processes of this machine
	begin     <-chan struct{}
}

// launch starts a rolloutgate; whoever calls it waits until it is gone.
func (t *trial) launch(ctx context.Context, l launch) (*process, error) {
	p := &process{name: l.name, started: make(chan struct{}), gone: make(chan struct{})}
	r := &relay{point: l.at, aged: l.aged, noted: p.measure}
	if l.end != nil {
		r.strike = func() fate {
			<-p.started // long ago
			return l.end.strike(strike{ctx, p, l.at.after, l.short})
		}
	}
	if err := r.serveBefore(t.cluster.State); err != nil {
		return nil, err
	}
	p.relay = r
	kubeconfig := filepath.Join(t.dir, l.name+".kubeconfig")
	if err := harness.Kubeconfig(t.cluster.State, p.relay.front.URL, t.namespace, kubeconfig); err != nil {
		p.relay.front.Close()
		return nil, err
	}
	args := append(l.args[:len(l.args):len(l.args)], "--kubeconfig", kubeconfig, "--report-dir", t.reports(l.name), "--ci", "none", "--color", "never")
	ctx, cancel := context.WithTimeout(ctx, patience)
	go func() {
		defer cancel()
		if l.begin != nil {
			<-l.begin
		}
		p.ran, p.err = t.cluster.Run(ctx, harness.Command{Name: l.name, Dir: t.dir, Keep: t.dir, Path: t.gate, Args: args,
			Prepare: func(cmd *exec.Cmd, output io.Writer) (func(), error) {
				if l.elsewhere {
					if err := elsewhere(cmd); err != nil {
						return nil, err
					}
				}
				return p.readStdout(cmd, output)
			},
			Started: func(process *os.Process) {
				p.process = process
				close(p.started)
			}})
		p.relay.close()
		close(p.gone)
	}()
	return p, nil
}

// reports is where a process writes its report.
func (t *trial) reports(name string) string { return filepath.Join(t.dir, name) }

// readStdout reads what a process prints through a pipe that can be closed under it.
func (p *process) readStdout(cmd *exec.Cmd, output io.Writer) (finish func(), err error) {
	from, into, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = into
	p.mu.Lock()
	p.stdout = from
	p.mu.Unlock()
	var reading sync.WaitGroup
	reading.Go(func() {
		lines := bufio.NewReader(from)
		for {
			line, err := lines.ReadString('\n')
			_, _ = io.WriteString(output, line)
			if err != nil {
				return
			}
		}
	})
	return func() {
		_ = into.Close()
		reading.Wait()
		p.closeStdout()
	}, nil
}

func (p *process) closeStdout() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stdout != nil {
		_ = p.stdout.Close()
		p.stdout = nil
	}
}

// measure notes how much memory the process has needed so far.
func (p *process) measure() {
	select {
	case <-p.started:
	default:
		return
	}
	peak := memoryOf(p.process.Pid)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peak = max(p.peak, peak)
}

// peakMemory is how much memory it needed, in kB, up to its last write.
func (p *process) peakMemory() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peak
}

// signal sends a signal to the process alone, signalGroup to all of its group.
func (p *process) signal(s syscall.Signal) { _ = p.process.Signal(s) }

func (p *process) signalGroup(s syscall.Signal) {
	select {
	case <-p.gone: // its number may be somebody else's by now
	default:
		_ = syscall.Kill(-p.process.Pid, s)
	}
}

// kill ends the process and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	p.relay.close()
	<-p.gone
}

// inside are the first and the last moment at which the process wrote into what it rolls out, or gave back what it held.
// ok is false when it wrote nothing.
func (p *process) inside() (from, to time.Time, ok bool) {
	for _, w := range p.relay.all() {
		if !w.carriedOut() {
			continue
		}
		if !w.kept() && !ok {
			from, ok = w.Began, true
		}
		to = w.Ended
	}
	return from, to, ok
}

// progress tells whether a run that was stopped at its point had written into what it rolls out, and whether it had more
// to write than its record and its lease.
func (p *process) progress() (rolledOut, more bool) {
	for _, w := range p.relay.all() {
		rolledOut = rolledOut || w.Number > 0 && !w.kept()
		if w.Number == p.relay.point.write {
			return rolledOut, !rolledOut || !w.kept()
		}
	}
	return rolledOut, true
}

// saidWhy tells that nobody read the standard output of the process, and that it has said so on the other one.
func (p *process) saidWhy() bool {
	return strings.Contains(p.ran.Output, "the exit code tells the result")
}

// memoryOf is how much memory a process has had at most so far, in kB; 0 where the system does not tell. What the
// kernel tells about a process that has ended includes what its parent had when it was started.
func memoryOf(pid int) int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(value)[0])
			return n
		}
	}
	return 0
}
