package main

import (
	"fmt"
	"strings"
	"testing"
)

// blocks counts the titles of blocks on a screen: one that was not removed is one too many.
func blocks(screen string) int {
	n := 0
	for line := range strings.SplitSeq(screen, "\n") {
		if strings.HasPrefix(line, "── ") && strings.HasSuffix(line, " ──") {
			n++
		}
	}
	return n
}

// TestTerminalRuns: runs that were recorded, as a real terminal shows them, and what is left on it afterwards.
func TestTerminalRuns(t *testing.T) {
	for _, width := range []int{40, 80, 140} {
		for run, moments := range map[string][]string{
			"failing":  {"watch:", "ImageNotFound", "restored"},
			"canary":   {"hold:", "until somebody says so"},
			"criteria": {"analyze:", "undo, for at most"},
		} {
			t.Run(fmt.Sprintf("%s at %d", run, width), func(t *testing.T) {
				t.Parallel()
				p := startPlaying(t, run, width, 30)
				var text strings.Builder
				for _, moment := range moments {
					p.do("until "+moment, "wait 3s")
					screen := p.tmux.settled()
					if n := blocks(screen); n != 1 {
						t.Errorf("%d blocks:\n%s", n, screen)
					}
					fmt.Fprintf(&text, "=== %s\n%s", moment, screen)
				}
				if p.tmux.format("cursor_flag") != "0" {
					t.Error("the cursor is shown while the block is redrawn")
				}
				p.do("until nothing that is ever said")
				p.conn.Close()
				screen, status := p.tmux.ended()
				if strings.Contains(screen, "█") || status != "0" {
					t.Errorf("it ended with %s:\n%s", status, screen)
				}
				fmt.Fprintf(&text, "=== the end\n%s", screen)
				golden(t, fmt.Sprintf("testdata/terminal/%s-%d.txt", run, width), text.String())
			})
		}
	}
}

// TestTerminalResized: whatever becomes of the terminal while the run goes on, one whole block is on it.
func TestTerminalResized(t *testing.T) {
	t.Parallel()
	p := startPlaying(t, "criteria", 100, 30)
	p.do("until analyze:", "wait 1s")
	for i, size := range [][2]int{{100, 30}, {60, 30}, {41, 30}, {90, 30}, {90, 12}, {60, 6}, {30, 30}, {120, 40}} {
		p.tmux.run("resize-window", "-t", "run", "-x", fmt.Sprint(size[0]), "-y", fmt.Sprint(size[1]))
		p.do("wait 1s")
		screen := p.tmux.settled()
		if n := blocks(screen); n != 1 || strings.Count(screen, "deployment/web  ")+strings.Count(screen, "deployment/w…") > 20 {
			t.Errorf("%d: %d blocks at %v:\n%s", i, n, size, screen)
		}
		visible := strings.TrimRight(p.tmux.run("capture-pane", "-p", "-t", "run"), "\n")
		if blocks(visible) != 1 {
			t.Errorf("%d: the top of the block has left the screen at %v:\n%s", i, size, visible)
		}
	}
	p.do("until nothing that is ever said")
	p.conn.Close()
	screen, _ := p.tmux.ended()
	if strings.ContainsAny(screen, "█▁") {
		t.Errorf("something of a block is still there:\n%s", screen)
	}
	golden(t, "testdata/terminal/resized.txt", screen)
}

// TestTerminalEnds: however a run ends, the terminal has its cursor, and no block.
func TestTerminalEnds(t *testing.T) {
	begin := func(t *testing.T, env ...string) *player {
		t.Parallel()
		p := startPlaying(t, "failing", 80, 24, env...)
		p.do("until watch:")
		p.tmux.waitFor("cursor_flag", "0")
		return p
	}
	press := func(p *player, key string) { p.tmux.run("send-keys", "-t", "run", key) }
	t.Run("Ctrl-C", func(t *testing.T) {
		p := begin(t)
		press(p, "C-c")
		if screen, status := p.tmux.ended(); !strings.Contains(screen, "\ncancelled\n") || status != "130" {
			t.Errorf("it ended with %s:\n%s", status, screen)
		}
	})
	t.Run("Ctrl-C three times", func(t *testing.T) {
		p := begin(t, "ROLLOUTGATE_PLAY_STUBBORN=1")
		for range 3 {
			press(p, "C-c")
			p.tmux.settled()
		}
		if screen, status := p.tmux.ended(); status != "130" {
			t.Errorf("it ended with %s:\n%s", status, screen)
		}
	})
	t.Run("Ctrl-Z", func(t *testing.T) {
		p := begin(t)
		press(p, "C-z")
		p.tmux.ended()
		p.tmux.types("bg")
		p.tmux.settled()
		p.do("until ImageNotFound", "wait 1s")
		if screen := p.tmux.settled(); blocks(screen) != 0 || !strings.Contains(screen, "warning: ImageNotFound") {
			t.Errorf("in the background:\n%s", screen)
		}
		p.tmux.types("fg")
		p.do("wait 1s")
		p.tmux.waitFor("cursor_flag", "0")
		if screen := p.tmux.settled(); blocks(screen) != 1 {
			t.Errorf("after it went on:\n%s", screen)
		}
	})
	t.Run("panic", func(t *testing.T) {
		p := begin(t)
		p.do("panic")
		p.conn.Close()
		if screen, _ := p.tmux.ended(); !strings.Contains(screen, "\nrolloutgate: internal error: boom") {
			t.Errorf("the terminal shows\n%s", screen)
		}
	})
	t.Run("Ctrl-backslash", func(t *testing.T) {
		p := begin(t)
		press(p, `C-\`)
		if screen, status := p.tmux.ended(); !strings.Contains(screen, "SIGQUIT: quit") {
			t.Errorf("it ended with %s:\n%s", status, screen)
		}
	})
}

// TestTerminalEnvironment: what a terminal or a person does not want is left out.
func TestTerminalEnvironment(t *testing.T) {
	for name, test := range map[string]struct {
		env  []string
		want func(plain, styled string) bool
	}{
		"colours":   {nil, func(plain, styled string) bool { return strings.Contains(styled, "\x1b[") && blocks(plain) == 1 }},
		"NO_COLOR":  {[]string{"NO_COLOR=1"}, func(plain, styled string) bool { return !strings.Contains(styled, "\x1b[") && blocks(plain) == 1 }},
		"TERM=dumb": {[]string{"ROLLOUTGATE_PLAY_PROMPT=TERM=dumb rolloutgate run -f deploy/"}, func(plain, styled string) bool { return plain == styled && !strings.Contains(plain, "──") }},
		"LC_ALL=C": {[]string{"LC_ALL=C"}, func(plain, _ string) bool {
			return strings.Contains(plain, "\n-- watch: 2 workloads") && !strings.Contains(plain, "░")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPlaying(t, "failing", 80, 24, test.env...)
			p.do("until watch:")
			if plain, styled := p.tmux.settled(), p.tmux.settled("-e"); !test.want(plain, styled) {
				t.Errorf("the terminal shows\n%q", styled)
			}
		})
	}
}
