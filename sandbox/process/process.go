// Package process starts long-lived programs that outlive their starter, remembers them in files, and ends
// exactly those later on.
//
// It takes the command line of one component at a time and leaves a pid file and a log file behind. It never
// signals a process it cannot prove to be the one it started: a pid file carries the start time of its process,
// so a recycled number is left alone.
package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Spec is one program to start.
type Spec struct {
	Name    string
	Path    string
	Args    []string
	Env     []string // added to the environment of this process
	Address string   // where it listens, for people
}

// Record is the content of a pid file.
type Record struct {
	Name    string    `json:"name"`
	PID     int       `json:"pid"`
	Start   string    `json:"start"` // opaque identity of the process behind the pid
	Address string    `json:"address,omitempty"`
	Started time.Time `json:"started"`
}

// Table is a directory of pid files and one of log files.
type Table struct {
	PIDs string
	Logs string
	// Bound ends the programs when the thread that started them ends, where the
	// system can do that (Linux). Start must then be called from a locked thread.
	Bound bool
}

// Started is a program started by this process.
type Started struct {
	Record
	Log  string
	Done <-chan struct{} // closed when it has ended
}

// Start runs the program in a process group of its own and writes its pid file.
func (t Table) Start(s Spec) (Started, error) {
	if err := errors.Join(os.MkdirAll(t.PIDs, 0o755), os.MkdirAll(t.Logs, 0o755)); err != nil {
		return Started{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	logPath := filepath.Join(t.Logs, s.Name+".log")
	logFile, err := os.Create(logPath)
	if err != nil {
		return Started{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	defer logFile.Close()
	cmd := exec.Command(s.Path, s.Args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Dir = filepath.Dir(t.Logs)
	cmd.SysProcAttr = Attributes(true, t.Bound)
	if err := cmd.Start(); err != nil {
		return Started{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()

	record := Record{Name: s.Name, PID: cmd.Process.Pid, Address: s.Address, Started: time.Now()}
	record.Start, _ = identity(record.PID)
	if err := t.write(record); err != nil {
		_ = syscall.Kill(-record.PID, syscall.SIGKILL)
		return Started{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	return Started{Record: record, Log: logPath, Done: done}, nil
}

func (t Table) write(r Record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(t.PIDs, r.Name+".json")
	if err := os.WriteFile(path+".new", data, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// Records reads all pid files; a damaged one is skipped.
func (t Table) Records() ([]Record, error) {
	entries, err := os.ReadDir(t.PIDs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading pid files: %w", err)
	}
	var records []Record
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(t.PIDs, e.Name()))
		var r Record
		if err != nil || filepath.Ext(e.Name()) != ".json" || json.Unmarshal(data, &r) != nil || r.PID <= 1 {
			continue
		}
		records = append(records, r)
	}
	return records, nil
}

// Self is the record of the running process.
func Self(name string) Record {
	r := Record{Name: name, PID: os.Getpid(), Started: time.Now()}
	r.Start, _ = identity(r.PID)
	return r
}

// Alive reports whether the very process of the record still runs.
func (r Record) Alive() bool {
	now, ok := identity(r.PID)
	return ok && r.Start != "" && now == r.Start
}

// Stop kills every recorded process group that is still ours and waits until
// they are gone. There is nothing to save: the caller deletes their data.
func (t Table) Stop() error {
	records, err := t.Records()
	if err != nil {
		return err
	}
	for _, r := range records {
		if r.Alive() {
			_ = syscall.Kill(-r.PID, syscall.SIGKILL)
		}
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, r := range records {
		for r.Alive() {
			if time.Now().After(deadline) {
				return fmt.Errorf("stopping %s: process %d does not end", r.Name, r.PID)
			}
			time.Sleep(10 * time.Millisecond)
		}
		_ = os.Remove(filepath.Join(t.PIDs, r.Name+".json"))
	}
	return nil
}

// Tail returns the last lines of a log file, for error messages.
func Tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	all := strings.Split(string(bytes.TrimSpace(data)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
