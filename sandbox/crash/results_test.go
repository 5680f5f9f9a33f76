package main

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	r := results{Kubernetes: "v1.36.3", Machine: "2 cores", Of: 3, Seed: 7, Cases: []result{
		{Name: "deployment/SIGKILL/after-1/undo", Scenario: "deployment", End: "SIGKILL", Follower: "undo", State: running, Right: true},
		{Name: "deployment-bad/SIGKILL/after-1/undo", Scenario: "deployment", End: "SIGKILL", Follower: "undo", State: running, Wrong: []string{"no"}},
		{Name: "job/SIGINT/after-9/undo", Scenario: "job", End: "SIGINT", Follower: "undo", State: passed, Right: true, Missed: true},
		{Name: "job/SIGINT/after-8/undo", Scenario: "job", End: "SIGINT", Follower: "undo", Error: "no cluster"},
	}}
	text := r.Document()
	for _, want := range []string{
		"3 cases, one of 3, chosen by seed 7, 2 right; in 1 of them the run was over before.",
		"| SIGKILL | **1 of 2** |  |", "| SIGINT |  |  |  |  |  |  |  |  | 1 |",
		"| follower | no record | passed | running |", "| `rolloutgate undo` |  | 1 | **1 of 2** |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it lacks %q:\n%s", want, text)
		}
	}
	want := []string{"1 of 3 cases went wrong", "1 cases could not be played", "1 of 3 runs ended before something could happen to them"}
	if got := r.Problems(); strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %q", got)
	}
}

func TestResultsOfPairsAndSoak(t *testing.T) {
	r := results{Of: 1, Pairs: &pairs{Times: 2, Apart: 0.4, Exits: map[string]int{"0 and 75": 1, "0 and 0": 1}}, Soak: &soak{Times: 9, Early: 30, Late: 31, Records: 3}}
	for _, want := range []string{"2 times, 0.4 ms apart in the median: 0 were wrong. They ended with 0 and 0 (1 times), 0 and 75 (1 times).",
		"9 runs one after the other: peak memory 30.0 MiB in the first tenth and 31.0 MiB in the last"} {
		if !strings.Contains(r.Document(), want) {
			t.Errorf("it lacks %q:\n%s", want, r.Document())
		}
	}
	if got := r.Problems(); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	r.Pairs.Wrong, r.Soak.Wrong = []string{"a"}, []string{"b"}
	if got := r.Problems(); len(got) != 2 {
		t.Errorf("got %q", got)
	}
}

// wrote is a process that wrote at these seconds: the last time it gave its lease back.
func wrote(seconds ...int) *process {
	p := &process{relay: &relay{}}
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	if len(seconds) > 0 {
		p.relay.writes = append(p.relay.writes, &write{call: call{Verb: "POST", Object: "leases", resource: leases, write: true}, Began: at(0), Ended: at(0), Status: 201})
	}
	for i, s := range seconds {
		c := call{Verb: "PATCH", Object: "deployments/web", resource: "deployments", write: true}
		if i == len(seconds)-1 {
			c = call{Verb: "DELETE", Object: "leases/l", resource: leases, write: true}
		}
		p.relay.writes = append(p.relay.writes, &write{call: c, Began: at(s), Ended: at(s), Status: 200})
	}
	return p
}

func TestOrder(t *testing.T) {
	for _, c := range []struct {
		a, b    *process
		last    int
		overlap bool
	}{
		{wrote(), wrote(), -1, false},
		{wrote(1, 2), wrote(), 0, false},
		{wrote(), wrote(1, 2), 1, false},
		{wrote(1, 2), wrote(3, 4), 1, false},
		{wrote(5, 6), wrote(3, 4), 0, false},
		{wrote(1, 3), wrote(2, 4), 1, true},
		{wrote(1, 9), wrote(2, 3), 1, true},
	} {
		last, overlap := order(c.a, c.b)
		if last != c.last || (overlap != "") != c.overlap {
			t.Errorf("got %d, %q", last, overlap)
		}
	}
}

func TestWrongPair(t *testing.T) {
	for _, c := range []struct {
		waits bool
		a, b  int
		wrong bool
	}{{true, 0, 0, false}, {true, 0, 75, true}, {false, 75, 0, false}, {false, 0, 0, false}, {false, 75, 75, true}, {false, 0, 10, true}} {
		if got := wrongPair(c.waits, c.a, c.b); (len(got) > 0) != c.wrong {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestProgress(t *testing.T) {
	r := result{Name: "x", State: running, Run: &command{Exit: -1}, Then: &command{Exit: 0}, Seconds: 3}
	r.complain("", "one", "two")
	if got := r.progress(); got != "WRONG     3s  x: a signal, running, exit 0: one (and 1 more)" {
		t.Errorf("got %q", got)
	}
}
