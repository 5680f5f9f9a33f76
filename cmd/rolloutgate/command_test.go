//go:build linux

package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// TestRunTest: how a command ends, and what of its output arrives.
func TestRunTest(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.MkdirAll("conf/scripts", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, "conf", "data", "from the folder\n")
	for name, text := range map[string]string{"conf/smoke.sh": "#!/bin/sh\ncat data\necho \"$1 $GREETING\" >&2\n", "conf/scripts/deep.sh": "#!/bin/sh\ncat data\n"} {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	absolute, err := filepath.Abs("conf/smoke.sh")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		dir     string
		command []string
		fails   string // how the error begins; empty: there is none
		said    string
	}{
		"by a path":               {"conf", []string{"./smoke.sh", "a b"}, "", "from the folder|a b hello"},
		"in a folder below":       {"conf", []string{"scripts/deep.sh"}, "", "from the folder"},
		"by an absolute path":     {"conf", []string{absolute, "x"}, "", "from the folder|x hello"},
		"from the folder itself":  {".", []string{"conf/scripts/deep.sh"}, "it ended with exit code 1", "cat: data: No such file or directory"},
		"of the machine":          {".", []string{"sh", "-c", "echo one; printf two; exit 3"}, "it ended with exit code 3", "one|two"},
		"no shell in between":     {".", []string{"echo", "$HOME; exit 3"}, "", "$HOME; exit 3"},
		"nothing to read":         {".", []string{"sh", "-c", "cat; echo end"}, "", "end"},
		"ended by a signal":       {".", []string{"sh", "-c", "kill -KILL $$"}, "it was ended: signal: killed", ""},
		"a very long line":        {".", []string{"sh", "-c", "head -c 200000 /dev/zero | tr '\\0' x; echo; echo end"}, "", strings.Repeat("x", maxCommandLine) + "|end"},
		"what it leaves is ended": {".", []string{"sh", "-c", "sleep 1000 & echo begun"}, "", "begun"},
		"not there":               {".", []string{"./smoke.sh"}, `there is no program "./smoke.sh" that could be run: `, ""},
		"not executable":          {"conf", []string{"./data"}, `there is no program "./data" that could be run: `, ""},
		"not installed":           {".", []string{"no-such-program"}, `there is no program "no-such-program" that could be run: executable file not found`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var said lines
			err := runTest(t.Context(), gate.Test{Command: c.command, Dir: c.dir}, []string{"GREETING=hello"}, said.add)
			if got := errorOf(err); (c.fails == "") != (err == nil) || !strings.HasPrefix(got, c.fails) {
				t.Errorf("error %q, want %q", got, c.fails)
			}
			if got := said.all(); got != c.said {
				t.Errorf("said %.200q, want %.200q", got, c.said)
			}
		})
	}
}

// TestRunTestEnds: a command that has to end is asked to, with all that it began, and then it is killed.
func TestRunTestEnds(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		least  time.Duration
		said   string
	}{
		"it ends when it is asked":       {"trap 'echo asked; exit 0' TERM; sleep 1000 & echo $!; wait", 0, "asked"},
		"it does not want to":            {"trap '' TERM; (trap '' TERM; sleep 1000) & echo $!; wait; sleep 1000", lastWarning, ""},
		"what it began does not want to": {"(trap '' TERM; sleep 1000) & echo $!; wait", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			why := errors.New("because")
			var said lines
			var began time.Time
			err := runTest(ctx, gate.Test{Command: []string{"sh", "-c", c.script}}, nil, func(line string) {
				said.add(line)
				if began.IsZero() {
					began = time.Now()
					cancel(why)
				}
			})
			took := time.Since(began)
			if err == nil || took < c.least || took > lastWarning+2*time.Second {
				t.Errorf("%v after %s", err, took)
			}
			first, rest, _ := strings.Cut(said.all(), "|")
			if rest != c.said {
				t.Errorf("said %q", rest)
			}
			child, _ := strconv.Atoi(first)
			for until := time.Now().Add(2 * time.Second); syscall.Kill(child, 0) == nil && time.Now().Before(until); {
				time.Sleep(10 * time.Millisecond)
			}
			if state, gone := processStarted(child); state != "" || !gone {
				t.Errorf("process %d that it began is still there", child)
			}
		})
	}
}

// lines are what a command has said.
type lines struct {
	mu   sync.Mutex
	said []string
}

func (l *lines) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.said = append(l.said, line)
}

func (l *lines) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.said, "|")
}

func errorOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
