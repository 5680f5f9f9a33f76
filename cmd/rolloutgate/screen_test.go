package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/live"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// terminal is as much of one as the console uses. Characters are one column wide, and no line may be too long.
type terminal struct {
	t             *testing.T
	width, height int

	mu       sync.Mutex
	above    []string // what has left the screen
	rows     []string
	row, col int
	kept     [2]int // row and column that the cursor is to return to
	hidden   bool
	writes   int
	bytes    int
}

var sequence = regexp.MustCompile("^\x1b\\[(\\?[0-9]+|[0-9]*)([A-Za-z])")

func (s *terminal) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes, s.bytes = s.writes+1, s.bytes+len(p)
	for text := string(p); text != ""; {
		if m := sequence.FindStringSubmatch(text); m != nil {
			s.control(m[1], m[2])
			text = text[len(m[0]):]
			continue
		}
		if rest, ok := strings.CutPrefix(text, keepCursor); ok {
			s.kept, text = [2]int{s.row, s.col}, rest
			continue
		}
		if rest, ok := strings.CutPrefix(text, backToKept); ok {
			s.row, s.col, text = s.kept[0], s.kept[1], rest
			continue
		}
		r := []rune(text)[0]
		text = text[len(string(r)):]
		switch {
		case r == '\n':
			s.col = 0
			if s.row++; s.row == s.height {
				s.above, s.rows, s.row = append(s.above, s.line(0)), s.rows[1:], s.row-1
			}
			s.line(s.row)
		case r == '\r':
			s.col = 0
		case r < ' ':
			s.t.Fatalf("the terminal does not understand %q", r)
		default:
			row := []rune(fill(s.line(s.row), s.col+1))
			row[s.col] = r
			s.rows[s.row] = string(row)
			if s.col++; s.col >= s.width {
				s.t.Errorf("the line %q wraps", s.rows[s.row])
				s.col = 0
			}
		}
	}
	return len(p), nil
}

// line is a row of the screen, which gets room down to it.
func (s *terminal) line(row int) string {
	for len(s.rows) <= row {
		s.rows = append(s.rows, "")
	}
	return s.rows[row]
}

func (s *terminal) control(argument, letter string) {
	n, _ := strconv.Atoi(argument)
	n = max(n, 1)
	switch letter {
	case "A":
		if s.row -= n; s.row < 0 {
			s.t.Fatalf("the cursor leaves the screen: %d lines up", n)
		}
	case "B":
		s.row = min(s.row+n, s.height-1)
	case "K":
		s.rows[s.row] = strings.TrimRight(string([]rune(fill(s.line(s.row), s.col))[:s.col]), " ")
	case "J":
		s.rows = append(s.rows[:min(len(s.rows), s.row)], fill("", s.col))
	case "m":
	case "h", "l":
		switch argument {
		case "?25":
			s.hidden = letter == "l"
		case "?2026", "?7":
		default:
			s.t.Fatalf("the terminal has no mode %s", argument)
		}
	default:
		s.t.Fatalf("the terminal does not understand CSI %s%s", argument, letter)
	}
}

// taken is what was written so far, and what became of the cursor.
func (s *terminal) taken() (t struct {
	writes, bytes int
	hidden        bool
}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t.writes, t.bytes, t.hidden = s.writes, s.bytes, s.hidden
	return t
}

// frame is everything that was printed, and is still there.
func (s *terminal) frame() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, line := range append(slices.Clone(s.above), s.rows...) {
		lines = append(lines, strings.TrimRight(line, " "))
	}
	return "\n" + strings.TrimRight(strings.Join(lines, "\n"), "\n") + "\n"
}

// TestScreen: whatever is drawn after whatever, the terminal shows the text that stays and the last block below it.
func TestScreen(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		height := 3 + random.IntN(10)
		term := &terminal{t: t, width: 30, height: height}
		var s screen
		kept := ""
		for range 40 {
			text := ""
			for i := range max(0, random.IntN(6)-3) {
				text += fmt.Sprintf("text %d of %d\n", i, random.IntN(1000))
			}
			block := slices.Clone(s.lines)
			switch random.IntN(4) {
			case 0:
				block = nil
			case 1, 2:
				block = block[:min(len(block), random.IntN(height))]
				for len(block) < random.IntN(height) {
					block = append(block, fmt.Sprintf("block %d", random.IntN(1000)))
				}
				if len(block) > 0 {
					block[random.IntN(len(block))] = "changed"
				}
			}
			kept += text
			change := s.change(text, block, random.IntN(10) == 0)
			term.Write([]byte(change))
			want := "\n" + strings.TrimRight(kept+strings.Join(block, "\n"), "\n") + "\n"
			if got := term.frame(); got != want {
				t.Fatalf("after %q:\ngot%s\nwant%s", change, got, want)
			}
			if term.taken().hidden != (len(block) > 0) {
				t.Fatalf("after %q the cursor is hidden: %v", change, term.taken().hidden)
			}
		}
	}
}

// TestOnlyWhatDiffers: of a block only the lines are written that differ, and none when none do.
func TestOnlyWhatDiffers(t *testing.T) {
	s := screen{}
	s.change("", []string{"one", "two", "three"}, false)
	if change := s.change("", []string{"one", "two", "three"}, false); change != "" {
		t.Errorf("nothing differs, and %q is written", change)
	}
	change := s.change("", []string{"one", "2", "three"}, false)
	if want := beginPicture + keepCursor + noWrapping + "\x1b[1B\r2" + eraseRest + wrapping + backToKept + endPicture; change != want {
		t.Errorf("got  %q\nwant %q", change, want)
	}
}

// onTerminal is a console that redraws term. What it tells the time by goes on as the test does.
func onTerminal(term *terminal, o liveOptions, unread func() int) *console {
	o.View = func() live.View { return live.View{Width: term.width, Height: term.height} }
	return newConsole(term, consoleOptions{Live: &o, Timeout: 10 * time.Minute, Unread: unread})
}

// TestLiveFrames: lines that stay are above, the block is below, its clock goes on, and in the end it is gone.
func TestLiveFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &terminal{t: t, width: 90, height: 24}
		var hidden atomic.Bool
		c := onTerminal(term, liveOptions{Hidden: &hidden}, nil)
		began := time.Now()
		for _, e := range aRun()[:14] {
			if e.Type == gate.EventWarning {
				e.Payload = gate.Warning{Code: "pod web-1", Cause: "red"}
			}
			time.Sleep(time.Until(began.Add(e.Time.Sub(aRun()[0].Time))))
			c.event(e)
		}
		time.Sleep(5500 * time.Millisecond)
		synctest.Wait()
		want := `
    0s  → plan: 1 object
    1s  deployment/web  will be changed
    2s  → apply
    2s  deployment/web  configured
    2s  → apply (stage all)
 1m01s  deployment/web  warning: pod web-1: red
 1m15s  deployment/web  the image does not exist
── apply (stage all) ──────────────────────────────────────────────────── 1m20s of 10m ──
  ✓ plan  ▸ apply  · watch  · analyze
  deployment/web  ██████                1/3 ready  failed  the image does not exist
  errors: 5xx                           0.4%  limit <= 1%  ok
`
		if diff := cmp.Diff(want, term.frame()); diff != "" {
			t.Errorf("frame (-want +got):\n%s", diff)
		}
		if !hidden.Load() || !term.taken().hidden {
			t.Error("the cursor is not hidden")
		}
		before := term.taken().bytes
		time.Sleep(time.Second)
		synctest.Wait()
		if n := term.taken().bytes - before; n > 300 || n == 0 {
			t.Errorf("a second of the clock takes %d bytes", n)
		}
		c.close()
		c.close()
		if got := term.frame(); strings.Contains(got, "█") || !strings.HasSuffix(got, "the image does not exist\n") || term.taken().hidden || hidden.Load() {
			t.Errorf("the block is still there, or the cursor is not:%s", got)
		}
		c.event(eventAt(100, manifest.Ref{}, gate.Trouble{Text: "late"}))
		if got := term.frame(); !strings.HasSuffix(got, " 1m40s  warning: late\n") {
			t.Errorf("what comes late is not printed:%s", got)
		}
	})
}

// TestFewFrames: a run that tells a lot is redrawn ten times a second, and one that tells nothing when its clock changes.
func TestFewFrames(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &terminal{t: t, width: 90, height: 24}
		stopped := time.Now()
		c := onTerminal(term, liveOptions{Now: func() time.Time { return stopped }}, nil)
		defer c.close()
		for i := range 1000 {
			time.Sleep(time.Millisecond)
			c.event(statusAt(0, deploymentWeb, rollout.Progressing, int32(i%3), strconv.Itoa(i)))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if term.taken().writes > 13 || term.taken().writes < 9 {
			t.Errorf("a second of events was drawn %d times", term.taken().writes)
		}
		before := term.taken().writes
		time.Sleep(time.Minute)
		synctest.Wait()
		if term.taken().writes != before {
			t.Errorf("nothing has changed, and was drawn %d times", term.taken().writes-before)
		}
	})
}

// TestReaderBehind: a terminal that does not keep up gets no picture, and later the newest one and all lines.
func TestReaderBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &terminal{t: t, width: 90, height: 24}
		var unread atomic.Int64
		unread.Store(1)
		c := onTerminal(term, liveOptions{}, func() int { return int(unread.Load()) })
		for _, e := range aRun()[:6] {
			c.event(e)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if term.taken().writes > 0 {
			t.Errorf("%d pictures for a terminal that has not taken the last one", term.taken().writes)
		}
		unread.Store(0)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := term.frame(); !strings.Contains(got, "(stage all)\n── apply") || strings.Contains(got, "missing") {
			t.Errorf("what was held back:%s", got)
		}
		unread.Store(maxUnread + 1)
		for range 3 {
			c.event(eventAt(9, manifest.Ref{}, gate.Trouble{Text: "more"}))
		}
		unread.Store(0)
		c.close()
		if got := term.frame(); !strings.HasSuffix(got, "        … 3 lines are missing: nobody read them in time\n") {
			t.Errorf("what was left out:%s", got)
		}
	})
}

// TestStoppedAndContinued: a process that is stopped leaves the screen to the shell, and takes it again.
func TestStoppedAndContinued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		term := &terminal{t: t, width: 90, height: 24}
		signals, shell := make(chan os.Signal), ""
		c := onTerminal(term, liveOptions{Signals: signals, Suspend: func(os.Signal) {
			shell = term.frame()
			if term.taken().hidden {
				t.Error("the shell has no cursor")
			}
			term.Write([]byte("$ fg\n"))
		}}, nil)
		defer c.close()
		c.event(aRun()[0])
		synctest.Wait()
		signals <- otherSignal{}
		time.Sleep(time.Second)
		synctest.Wait()
		if shell != "\n    0s  → plan: 1 object\n" {
			t.Errorf("the shell sees%s", shell)
		}
		if got := term.frame(); !strings.HasPrefix(got, "\n    0s  → plan: 1 object\n$ fg\n── plan") || !term.taken().hidden {
			t.Errorf("after that:%s", got)
		}
	})
}

// otherSignal is one that says nothing of the size of a terminal.
type otherSignal struct{}

func (otherSignal) Signal()        {}
func (otherSignal) String() string { return "stop" }
