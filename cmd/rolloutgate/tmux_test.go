package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tmux is a real terminal with a shell in it, without anybody in front of it.
type tmux struct {
	t      *testing.T
	socket string
}

// startTmux opens a terminal. Where there is no tmux the test is skipped, but not in CI.
func startTmux(t *testing.T, width, height int, env []string) *tmux {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("tmux is not installed: apt-get install tmux")
		}
		t.Skip("tmux is not installed: this needs a terminal")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "conf")
	settings := "set -g status off\nset -g default-terminal screen-256color\nset -s escape-time 0\n"
	if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	x := &tmux{t: t, socket: filepath.Join(dir, "tmux")}
	args := []string{"-u", "-S", x.socket, "-f", config, "new-session", "-d", "-s", "run", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height)}
	for _, variable := range env {
		args = append(args, "-e", variable)
	}
	command := exec.Command("tmux", append(args, "-e", "PS1=$ ", "-e", "ENV=", "/bin/sh", "-i")...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TERM=xterm-256color", "LC_ALL=C.UTF-8", "SHELL=/bin/sh"}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("starting tmux: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("tmux", "-S", x.socket, "kill-server").Run() })
	return x
}

func (x *tmux) run(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-u", "-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// capture is what the terminal shows, and above it what has left the screen. With "-e" it has the colours.
func (x *tmux) capture(more ...string) string {
	x.t.Helper()
	return strings.TrimRight(x.run(append([]string{"capture-pane", "-p", "-S", "-", "-t", "run"}, more...)...), "\n") + "\n"
}

// shows waits until the terminal is as it has to be.
func (x *tmux) shows(what string, ok func(screen string) bool) string {
	x.t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		screen := x.capture()
		if ok(screen) {
			return screen
		}
		if time.Now().After(end) {
			x.t.Fatalf("%s: the terminal shows\n%s", what, screen)
		}
	}
}

// settled is the screen when it does not change any more.
func (x *tmux) settled(more ...string) string {
	x.t.Helper()
	last, same := "", 0
	for range 200 {
		time.Sleep(60 * time.Millisecond)
		screen := x.capture(more...)
		if same++; screen != last {
			last, same = screen, 0
		}
		if same == 5 { // longer than the time between two pictures
			return screen
		}
	}
	x.t.Fatalf("the terminal does not come to rest:\n%s", last)
	return ""
}

// format is something that tmux knows, as "cursor_flag".
func (x *tmux) format(name string) string {
	x.t.Helper()
	return strings.TrimSpace(x.run("display-message", "-p", "-t", "run", "#{"+name+"}"))
}

func (x *tmux) waitFor(name, value string) {
	x.t.Helper()
	x.shows(name+" is to be "+value, func(string) bool { return x.format(name) == value })
}

// types has the shell carry out a command.
func (x *tmux) types(line string) { x.run("send-keys", "-t", "run", line, "Enter") }

// ended waits until the shell asks for the next command, and says how the last one has ended.
func (x *tmux) ended() (screen, status string) {
	x.t.Helper()
	screen = x.shows("the shell is to ask for more", func(screen string) bool { return strings.HasSuffix(screen, "\n$\n") })
	if x.format("cursor_flag") != "1" {
		x.t.Error("the cursor is gone")
	}
	if blocks(screen) != 0 {
		x.t.Errorf("the block is still there:\n%s", screen)
	}
	x.types("echo status $?")
	said := x.shows("the status is to be told", func(screen string) bool { return strings.Contains(screen, "\nstatus ") })
	_, said, _ = strings.Cut(said, "\nstatus ")
	status, _, _ = strings.Cut(said, "\n")
	return screen, status
}

// golden compares text with a file.
func golden(t *testing.T, path, text string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
