// Package instance brings one sandbox up and takes it down.
//
// It takes a directory, the components' binaries and a few wishes, and leaves running processes and a state file
// that says how to reach them. Everything about an instance is below its directory, and Down removes all of it;
// instances share nothing but the binaries, so any number can run side by side.
package instance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/controlplane"
	"github.com/rolloutgate/rolloutgate/sandbox/node"
	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

// Instance is one sandbox. Only Dir is needed to look at it or take it down.
type Instance struct {
	Name string
	Dir  string

	Bin      string            // directory of the components
	Versions map[string]string // of the components, for the state file
	Nodes    int               // simulated nodes
	RealNode bool              // also run a kubelet and kube-proxy
	Bound    bool              // end the processes with this one where the system can
	Log      io.Writer         // progress
}

// State is what the state file says about a running instance.
type State struct {
	Name       string `json:"name"`
	Dir        string `json:"dir"`
	Kubeconfig string `json:"kubeconfig"`
	APIServer  string `json:"apiServer"`
	Prometheus string `json:"prometheus"`
	AuditLog   string `json:"auditLog"` // requests of the ServiceAccounts in the namespace "audited"
	// Authentication is the API server's AuthenticationConfiguration, which may be changed while it runs.
	Authentication string            `json:"authentication"`
	Bin            string            `json:"bin"`
	Nodes          int               `json:"nodes"`
	RealNode       bool              `json:"realNode"`
	Services       string            `json:"services"` // the network of their addresses
	Versions       map[string]string `json:"versions"`
	Ports          Ports             `json:"ports"`
	Created        time.Time         `json:"created"`
	Ready          bool              `json:"ready"`
	Owner          *process.Record   `json:"owner,omitempty"`     // process this instance must not outlive
	Processes      []process.Record  `json:"processes,omitempty"` // filled in by Status
}

// Ports of an instance, all on 127.0.0.1.
type Ports struct {
	controlplane.Ports
	Kwok       int `json:"kwok"`
	Traffic    int `json:"traffic"`
	Prometheus int `json:"prometheus"`
}

func (p Ports) all() []int {
	return []int{p.Etcd, p.EtcdPeer, p.APIServer, p.ControllerManager, p.Scheduler, p.Kwok, p.Traffic, p.Prometheus}
}

// ErrNotUp means that no sandbox is running in the directory.
var ErrNotUp = errors.New("the sandbox is not up")

// marker tells a directory that a sandbox may delete from one that a user
// pointed to by mistake.
const marker = ".rolloutgate-sandbox"

const stateFile = "state.json"

func (i Instance) path(name string) string { return filepath.Join(i.Dir, name) }

func (i Instance) processes() process.Table {
	return process.Table{PIDs: i.path("pids"), Logs: i.path("logs"), Bound: i.Bound}
}

// lock keeps two commands from changing the same instance at once. Its file
// stands beside the directory, which comes and goes.
func (i Instance) lock(ctx context.Context) (func(), error) {
	unlock, err := process.Lock(ctx, filepath.Clean(i.Dir)+".lock")
	if err != nil {
		return nil, fmt.Errorf("waiting for another command on sandbox %s: %w", i.Name, err)
	}
	return unlock, nil
}

// Status returns the state of the instance with its processes, or ErrNotUp. It
// is up when all of its processes are alive and it had become ready.
func (i Instance) Status() (State, error) {
	state, err := readState(i.path(stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}, ErrNotUp
	}
	if err != nil {
		return State{}, fmt.Errorf("reading the state of sandbox %s: %w", i.Name, err)
	}
	if state.Processes, err = i.processes().Records(); err != nil {
		return State{}, err
	}
	if !state.Ready || len(state.Processes) == 0 {
		return state, ErrNotUp
	}
	for _, p := range state.Processes {
		if !p.Alive() {
			return state, fmt.Errorf("%w: %s (process %d) has ended", ErrNotUp, p.Name, p.PID)
		}
	}
	return state, nil
}

// Down ends all processes of the instance and removes its directory. Nothing
// there is nothing to do.
func (i Instance) Down(ctx context.Context) error {
	unlock, err := i.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return i.clear()
}

// clear is Down for a caller that holds the lock.
func (i Instance) clear() error {
	if _, err := os.Stat(i.path(marker)); err != nil {
		entries, err := os.ReadDir(i.Dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
			return nil
		}
		return fmt.Errorf("clearing %s: it is not the directory of a sandbox; remove it yourself or choose another", i.Dir)
	}
	if err := i.processes().Stop(); err != nil {
		return err
	}
	if err := node.Clean(i.nodeDir()); err != nil {
		return err
	}
	if err := os.RemoveAll(i.Dir); err != nil {
		return fmt.Errorf("clearing %s: %w", i.Dir, err)
	}
	_ = os.Remove(filepath.Clean(i.Dir) + ".lock")
	return nil
}

// Sweep clears the instances below dir whose owner was killed before it could
// do so itself.
func Sweep(ctx context.Context, dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*", stateFile))
	if err != nil {
		return fmt.Errorf("looking for abandoned sandboxes: %w", err)
	}
	var errs []error
	for _, file := range files {
		state, err := readState(file)
		if err != nil || state.Owner == nil || state.Owner.Alive() {
			continue
		}
		errs = append(errs, Instance{Name: state.Name, Dir: filepath.Dir(file)}.Down(ctx))
	}
	return errors.Join(errs...)
}

func readState(path string) (State, error) {
	var state State
	data, err := os.ReadFile(path)
	if err != nil {
		return state, err
	}
	return state, json.Unmarshal(data, &state)
}

func (s State) write() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(s.Dir, stateFile)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
