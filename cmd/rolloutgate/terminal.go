package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/rolloutgate/rolloutgate/gate/live"
)

// What can be shown where the output goes.

// parseColor reads the value of --color. With auto the environment decides (NO_COLOR, then CLICOLOR_FORCE and
// FORCE_COLOR), then whether w is a terminal or the log of a CI system that shows colours.
func parseColor(value string, getenv func(string) string, ci ciSystem, w io.Writer) (bool, error) {
	switch value {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "", "auto":
	default:
		return false, fmt.Errorf("reading --color: %q is none of auto, always, never", value)
	}
	forced := func(name string) bool { v := getenv(name); return v != "" && v != "0" && v != "false" }
	switch {
	case getenv("NO_COLOR") != "":
		return false, nil
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return true, nil
	case ci.name != ciNone:
		return ci.colors, nil
	}
	return isTerminal(w) && getenv("TERM") != "dumb", nil
}

// isLive says whether progress may be redrawn in place: on a real terminal that a person looks at.
func isLive(getenv func(string) string, ci, detected ciSystem, w io.Writer) bool {
	return ci.name == ciNone && detected.name == ciNone && getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// liveOn says how the terminal is redrawn that w leads to.
func liveOn(w io.Writer, getenv func(string) string, color bool, hidden *atomic.Bool) *liveOptions {
	f := fileOf(w)
	o := &liveOptions{Hidden: hidden, View: func() live.View {
		width, height, err := term.GetSize(int(f.Fd()))
		if err != nil || !inForeground(f) {
			return live.View{}
		}
		return live.View{Width: width, Height: height, Color: color, ASCII: !hasUnicode(getenv)}
	}}
	o.Signals, o.Release = terminalSignals()
	o.Suspend = func(s os.Signal) {
		if queue, ok := w.(*outlet); ok {
			ctx, cancel := context.WithTimeout(context.Background(), cancelledPatience)
			defer cancel()
			_ = queue.drain(ctx, cancelledPatience) // a terminal that takes nothing shows nothing
		}
		suspend(s)
	}
	return o
}

// hasUnicode tells whether the terminal shows more than ASCII, by the locale as POSIX reads it. Windows has none.
func hasUnicode(getenv func(string) string) bool {
	locale := strings.ToLower(cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG")))
	return runtime.GOOS == "windows" || strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
}

// bringBack shows the cursor of a process that ends without the time to clean up. A terminal that takes nothing is not
// waited for.
func bringBack(hidden *atomic.Bool) {
	if !hidden.Load() {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for _, f := range []*os.File{os.Stdout, os.Stderr} {
			if isTerminal(f) {
				io.WriteString(f, eraseBelow+showCursor)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(frameEvery):
	}
}

// terminalWidth is 100 where there is no terminal to ask: Jenkins and small windows wrap longer lines.
func terminalWidth(w io.Writer) int {
	if f := fileOf(w); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 100
}

// fileOf is the file that w writes to, nil when it is none.
func fileOf(w io.Writer) *os.File {
	if o, ok := w.(*outlet); ok {
		w = o.w
	}
	f, _ := w.(*os.File)
	return f
}
