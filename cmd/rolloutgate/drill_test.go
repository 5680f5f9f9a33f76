package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/drill"
)

// TestDrillPage: the page has the faults of the code.
func TestDrillPage(t *testing.T) {
	table := "| fault | what is wrong with the variant |\n|---|---|\n"
	for _, f := range drill.Faults() {
		what := f.What
		if f.NeedsCriteria {
			what += "; only when it is asked for"
		}
		table += fmt.Sprintf("| `%s` | %s |\n", f.Name, what)
	}
	generated(t, "docs/drill.md", "faults", table)
}

func TestAlive(t *testing.T) {
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for name, c := range map[string]struct {
		h    drill.Holder
		want bool
	}{
		"elsewhere":           {drill.Holder{Host: "there", PID: 1, Ends: now.Add(time.Minute)}, true},
		"elsewhere, long ago": {drill.Holder{Host: "there", PID: 1, Ends: now.Add(-time.Minute)}, false},
		"here":                {drill.Holder{Host: "here", PID: os.Getppid(), Ends: now.Add(time.Minute)}, true},
		"here, and gone":      {drill.Holder{Host: "here", PID: ended.Process.Pid, Ends: now.Add(time.Minute)}, false},
		"this very process":   {drill.Holder{Host: "here", PID: os.Getpid(), Ends: now.Add(time.Minute)}, false},
	} {
		if got := alive(c.h, "here", now); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
