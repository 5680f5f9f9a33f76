package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/internal/eventlog"
)

// play is this test binary as a run in a terminal: it shows events that were recorded, as far as the test at a socket says,
// with the same console, outlet and signals as rolloutgate itself. The time is that of the events. It does not return.
func play(address string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "play:", err)
		os.Exit(3)
	}
	conn, err := net.Dial("unix", address)
	if err != nil {
		fail(err)
	}
	run := os.Getenv("ROLLOUTGATE_PLAY_RUN")
	events, err := eventlog.Read(run + ".json")
	if err != nil {
		fail(err)
	}
	var hidden atomic.Bool
	ctx, _ := listen(func() { bringBack(&hidden) })
	out := newOutlet(os.Stdout, nil)
	getenv := func(name string) string {
		if strings.HasPrefix(name, "ROLLOUTGATE") || strings.HasPrefix(name, "CI") {
			return ""
		}
		return os.Getenv(name)
	}
	p := &program{getenv: getenv, stdin: os.Stdin, stdout: out, stderr: out, hidden: &hidden}
	ci, err := parseCI(ciNone, ciSystems(), getenv)
	if err != nil {
		fail(err)
	}
	color, _ := parseColor("", getenv, ci, out)
	options := consoleOptions{Unread: out.waiting, Color: color, Timeout: 10 * time.Minute}
	var now atomic.Int64
	now.Store(events[0].Time.UnixNano())
	if isLive(getenv, ci, ci, out) {
		options.Live = liveOn(out, getenv, color, &hidden)
		options.Live.Now = func() time.Time { return time.Unix(0, now.Load()).UTC() }
	}
	c := newConsole(out, options)
	end := func(code int) {
		c.close()
		p.drain(ctx, out, out)
		os.Exit(code)
	}
	if os.Getenv("ROLLOUTGATE_PLAY_STUBBORN") == "" {
		context.AfterFunc(ctx, func() {
			c.close()
			fmt.Fprintln(out, "cancelled")
			end(130)
		})
	}
	commands := bufio.NewScanner(conn)
	for shown := 0; commands.Scan(); fmt.Fprintln(conn, "done") {
		command, argument, _ := strings.Cut(commands.Text(), " ")
		switch command {
		case "until": // an event that says this is the last that was shown
			for shown < len(events) {
				e := events[shown]
				now.Store(e.Time.UnixNano())
				c.event(e)
				if shown++; strings.Contains(report.EventText(e), argument) {
					break
				}
			}
		case "wait":
			d, err := time.ParseDuration(argument)
			if err != nil {
				fail(err)
			}
			now.Add(int64(d))
			if c.live != nil {
				wake(c.live.kick)
			}
		case "report":
			c.close()
			data, err := os.ReadFile(run + "-report.json")
			var r gate.Report
			if err == nil {
				err = json.Unmarshal(data, &r)
			}
			if err == nil {
				err = report.Text(out, r, report.Options{Color: color, Width: terminalWidth(out)})
			}
			if err != nil {
				fail(err)
			}
		case "panic":
			func() { // as the run does, below execute
				defer func() {
					fmt.Fprintln(out, "rolloutgate: internal error:", recover())
				}()
				defer c.close()
				panic("boom")
			}()
		case "end":
			fmt.Fprintln(conn, "done")
			end(0)
		}
	}
	end(0)
}

// player is a run in a terminal of tmux.
type player struct {
	t             *testing.T
	tmux          *tmux
	conn          net.Conn
	answers       *bufio.Scanner
	width, height int
}

// startPlaying shows a recorded run in a terminal of its own.
func startPlaying(t *testing.T, run string, width, height int, env ...string) *player {
	t.Helper()
	address := t.TempDir() + "/play"
	if len(address) > 100 { // as long as the name of a socket may be
		t.Fatalf("the folder of the test has a name that is too long: %s", address)
	}
	listener, err := net.Listen("unix", address)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	programs := t.TempDir()
	if err := os.Symlink(self, programs+"/rolloutgate"); err != nil {
		t.Fatal(err)
	}
	env = append([]string{"PATH=" + programs + ":" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "ROLLOUTGATE_PLAY=" + address, "ROLLOUTGATE_PLAY_RUN=../../gate/live/testdata/" + run}, env...)
	p := &player{t: t, width: width, height: height, tmux: startTmux(t, width, height, env)}
	p.tmux.shows("the shell is to ask for a command", func(screen string) bool { return screen == "$\n" })
	p.tmux.types(cmp.Or(playedAs(env), "rolloutgate run -f deploy/"))
	listener.(*net.UnixListener).SetDeadline(time.Now().Add(20 * time.Second))
	if p.conn, err = listener.Accept(); err != nil {
		t.Fatalf("%v; the terminal shows\n%s", err, p.tmux.capture())
	}
	t.Cleanup(func() { p.conn.Close() })
	p.answers = bufio.NewScanner(p.conn)
	return p
}

// playedAs is the command line that a picture shows.
func playedAs(env []string) string {
	for _, variable := range env {
		if line, ok := strings.CutPrefix(variable, "ROLLOUTGATE_PLAY_PROMPT="); ok {
			return line
		}
	}
	return ""
}

// do has the run do something, and waits until it has.
func (p *player) do(commands ...string) {
	p.t.Helper()
	for _, command := range commands {
		fmt.Fprintln(p.conn, command)
		p.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		if !p.answers.Scan() || p.answers.Text() != "done" {
			p.t.Fatalf("%s: %v; the terminal shows\n%s", command, cmp.Or(p.answers.Err(), fmt.Errorf("it has ended")), p.tmux.capture())
		}
	}
}
