package cluster

import (
	"strings"
	"testing"
	"time"
)

func TestLogText(t *testing.T) {
	ended := time.Date(2026, 11, 22, 3, 51, 13, 0, time.UTC)
	log := func(lines ...string) []string { return lines }
	for name, c := range map[string]struct {
		lines []string
		ended time.Time
		want  string
	}{
		"the attempt that runs":                  {log("2026-11-22T03:51:44.1Z listening", "2026-11-22T03:51:45Z ready"), time.Time{}, "listening|ready"},
		"the attempt that ended":                 {log("2026-11-22T03:51:11.5Z starting", "2026-11-22T03:51:13.9Z refused"), ended, "starting|refused"},
		"an attempt that the status has not yet": {log("2026-11-22T03:51:44.1Z starting", "2026-11-22T03:51:44.2Z listening"), ended, ""},
		"an empty line, and one without a time":  {log("2026-11-22T03:51:11.5Z ", "no time here"), ended, "|no time here"},
	} {
		if got := strings.Join(logText(c.lines, c.ended), "|"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
