package process

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func table(t *testing.T) Table {
	dir := t.TempDir()
	return Table{PIDs: filepath.Join(dir, "pids"), Logs: filepath.Join(dir, "logs")}
}

func TestStartAndStop(t *testing.T) {
	table := table(t)
	started, err := table.Start(Spec{Name: "sleeper", Path: "/bin/sh", Args: []string{"-c", "echo hello; sleep 60 & wait"}})
	if err != nil {
		t.Fatal(err)
	}
	if !started.Alive() {
		t.Fatal("the process is not alive after its start")
	}
	records, err := table.Records()
	if err != nil || len(records) != 1 || records[0].PID != started.PID || !records[0].Alive() {
		t.Fatalf("records: %+v, %v", records, err)
	}
	for Tail(started.Log, 1) != "hello" {
		time.Sleep(time.Millisecond)
	}
	if err := table.Stop(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-started.Done:
	case <-time.After(5 * time.Second):
		t.Fatal("the process outlives Stop")
	}
	if records, _ := table.Records(); len(records) != 0 {
		t.Errorf("pid files are left: %+v", records)
	}
}

// A pid file may name a process of somebody else: the machine was restarted, or
// the number came around.
func TestStopSparesRecycledPID(t *testing.T) {
	table := table(t)
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	for name, record := range map[string]Record{
		"another start time": {Name: "a", PID: stranger.Process.Pid, Start: "1"},
		"no start time":      {Name: "b", PID: stranger.Process.Pid},
	} {
		if record.Alive() {
			t.Errorf("%s: taken for ours", name)
		}
		if err := os.MkdirAll(table.PIDs, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := table.write(record); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Stop(); err != nil {
		t.Fatal(err)
	}
	if _, ok := identity(stranger.Process.Pid); !ok {
		t.Error("Stop killed a process that it had not started")
	}
}

func TestRecordsSkipDamagedFiles(t *testing.T) {
	table := table(t)
	if records, err := table.Records(); err != nil || records != nil {
		t.Fatalf("without a directory: %v, %v", records, err)
	}
	if err := os.MkdirAll(table.PIDs, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"a.json": "{", "b.json": `{"pid":1}`, "c.json": `{"pid":-1}`, "d.json.new": `{"pid":4242}`} {
		if err := os.WriteFile(filepath.Join(table.PIDs, name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if records, err := table.Records(); err != nil || len(records) != 0 {
		t.Errorf("got %+v, %v", records, err)
	}
}

func TestIdentity(t *testing.T) {
	self := Self("me")
	if !self.Alive() || self.Start == "" {
		t.Errorf("this process is not alive: %+v", self)
	}
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	if _, ok := identity(ended.Process.Pid); ok {
		t.Error("a process that has ended is taken for running")
	}
}

func TestFreePorts(t *testing.T) {
	taken := map[int]bool{}
	for port := firstPort; port <= lastPort; port++ {
		taken[port] = port%100 != 0 // leaves 100
	}
	ports, err := FreePorts(20, taken)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if taken[port] || seen[port] {
			t.Errorf("port %d is taken or given twice", port)
		}
		seen[port] = true
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			t.Errorf("port %d is not free: %v", port, err)
			continue
		}
		l.Close()
	}
	if _, err := FreePorts(101, taken); err == nil {
		t.Error("more ports than there are")
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := Lock(short, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a second lock: %v", err)
	}
	// The holder may remove the file and somebody else may lock a new one; both
	// must not hold it with a waiter at the same time.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	unlock()
	again, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
