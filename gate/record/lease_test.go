package record

import (
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var (
	web  = manifest.Ref{Kind: "Deployment", Name: "web"}
	conf = manifest.Ref{Kind: "ConfigMap", Name: "conf"}
)

// TestOthers: who is in the way, and whose work is to be taken over.
func TestOthers(t *testing.T) {
	here := Here{Self: Process{Machine: "m1", ID: 7, Started: "70"}, Started: func(id int) (string, bool) {
		return map[int]string{8: "80"}[id], id != 11 // whose owner hides it
	}}
	lease := func(run string, age time.Duration, p Process) Lease {
		return Lease{Run: run, Holder: run, Targets: []manifest.Ref{web}, Renewed: at.Add(-age), Process: p}
	}
	mine := lease("mine", 0, here.Self)
	held := lease("b", time.Hour, Process{})
	held.Holder = "c"
	ours := lease("d", time.Hour, Process{})
	ours.Holder = "mine"
	elsewhere := lease("e", 0, Process{})
	elsewhere.Targets = []manifest.Ref{conf}
	for name, c := range map[string]struct {
		all         []Lease
		alive, dead int
	}{
		"nobody":                              {[]Lease{mine}, 0, 0},
		"other objects":                       {[]Lease{elsewhere}, 0, 0},
		"another machine, just renewed":       {[]Lease{lease("a", time.Second, Process{Machine: "m2", ID: 9})}, 1, 0},
		"another machine, silent for 59 s":    {[]Lease{lease("a", 59*time.Second, Process{Machine: "m2", ID: 9})}, 1, 0},
		"another machine, silent for 60 s":    {[]Lease{lease("a", time.Minute, Process{Machine: "m2", ID: 9})}, 0, 1},
		"this machine, running":               {[]Lease{lease("a", time.Hour, Process{Machine: "m1", ID: 8, Started: "80"})}, 1, 0},
		"this machine, gone":                  {[]Lease{lease("a", time.Second, Process{Machine: "m1", ID: 9, Started: "90"})}, 0, 1},
		"this machine, the number went round": {[]Lease{lease("a", time.Second, Process{Machine: "m1", ID: 8, Started: "10"})}, 0, 1},
		"this machine, hidden, just renewed":  {[]Lease{lease("a", time.Second, Process{Machine: "m1", ID: 11, Started: "110"})}, 1, 0},
		"this machine, hidden and silent":     {[]Lease{lease("a", time.Minute, Process{Machine: "m1", ID: 11, Started: "110"})}, 0, 1},
		"nothing known, just renewed":         {[]Lease{lease("a", time.Second, Process{})}, 1, 0},
		"taken over by a living run":          {[]Lease{held, lease("c", time.Second, Process{})}, 2, 0},
		"taken over by one that died":         {[]Lease{held, lease("c", time.Hour, Process{})}, 0, 2},
		"taken over by us":                    {[]Lease{ours}, 0, 0},
		"whoever took it over is not there":   {[]Lease{held}, 0, 1},
	} {
		alive, dead := Others(mine, c.all, at, here)
		if len(alive) != c.alive || len(dead) != c.dead {
			t.Errorf("%s: alive %+v, dead %+v", name, alive, dead)
		}
	}
}

// TestGivesWay: of two that were just taken the first stays, and who has begun never withdraws.
func TestGivesWay(t *testing.T) {
	for name, c := range map[string]struct {
		theirs Lease
		mine   string
		want   bool
	}{
		"it was taken later":    {Lease{Run: "b", Holder: "b", Version: "1000"}, "999", true},
		"it was taken earlier":  {Lease{Run: "b", Holder: "b", Version: "999"}, "1000", false},
		"its holder has begun":  {Lease{Run: "b", Holder: "b", Version: "1000", Begun: true}, "999", false},
		"it was taken over":     {Lease{Run: "b", Holder: "c", Version: "1000"}, "999", false},
		"mine is not taken yet": {Lease{Run: "b", Holder: "b", Version: "1000"}, "", false},
		"they are no numbers":   {Lease{Run: "b", Holder: "b", Version: "b2"}, "a1", false},
	} {
		if got := c.theirs.GivesWay(Lease{Run: "a", Holder: "a", Version: c.mine}); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestLost: who holds what a run has taken.
func TestLost(t *testing.T) {
	mine := Lease{Run: "a", Holder: "a"}
	for name, c := range map[string]struct {
		all  []Lease
		want string
	}{
		"it is there":        {[]Lease{{Run: "b", Holder: "b"}, mine}, ""},
		"it is gone":         {[]Lease{{Run: "b", Holder: "b"}}, "this run has lost its lease: it was taken for dead, or somebody has deleted it"},
		"somebody seized it": {[]Lease{{Run: "a", Holder: "b"}}, "this run has lost its lease to run b, which has taken it over"},
	} {
		got := ""
		if err := mine.Lost(c.all); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}
