package main

import (
	"maps"
	"testing"
)

// TestEndingsOfRuns: a run that is not killed ends with its verdict, or says what stopped it; where the release is then
// follows from the exit code.
func TestEndingsOfRuns(t *testing.T) {
	for _, c := range []struct {
		leads     leads
		good, bad endings
	}{
		{dies, endings{-1: either}, endings{-1: either}},
		{interrupts, endings{0: after, 130: before}, endings{10: before, 130: before}},
		{terminates, endings{0: after, 143: before}, endings{10: before, 143: before}},
		{hurries, endings{0: after, 130: before, -1: either}, endings{10: before, 130: before, -1: either}},
		{bears, endings{0: after}, endings{10: before}},
		{stumbles, endings{0: after, 10: before, 75: before}, endings{10: before, 75: before}},
		{sleeps, endings{0: after, 10: before, 11: before, 75: before}, endings{10: before, 11: before, 75: before}},
	} {
		if got := c.leads.endingsOf(false); !maps.Equal(got, c.good) {
			t.Errorf("%d, good: got %v", c.leads, got)
		}
		if got := c.leads.endingsOf(true); !maps.Equal(got, c.bad) {
			t.Errorf("%d, bad: got %v", c.leads, got)
		}
	}
}

// TestEndingsOfFollowers is the table of what the design promises.
func TestEndingsOfFollowers(t *testing.T) {
	for _, c := range []struct {
		follower, state string
		bad             bool
		want            endings
	}{
		{"undo", none, false, endings{3: before}},
		{"undo", running, true, endings{0: before}},
		{"undo", passed, false, endings{0: before}},
		{"undo", undone, false, endings{0: before}},
		{"run-good", none, false, endings{0: after}},
		{"run-good", running, true, endings{0: after}},
		{"run-good", undone, true, endings{0: after}},
		{"run-bad", none, false, endings{10: before}},
		{"run-bad", running, false, endings{10: before}}, // the last state that was known to be good
		{"run-bad", passed, false, endings{10: again}},
		{"run-bad", undone, true, endings{10: before}},
		{"resume", none, false, endings{3: before}},
		{"resume", running, false, endings{0: after}},
		{"resume", running, true, endings{10: before}},
		{"resume", passed, false, endings{0: after}},
		{"resume", undone, true, endings{3: before}},
		{"later", running, false, endings{0: after}},
	} {
		some, err := chosenFollowers([]string{c.follower})
		if err != nil {
			t.Fatal(err)
		}
		if got := some[0].endings(c.state, scenario{bad: c.bad}); !maps.Equal(got, c.want) {
			t.Errorf("%s of a run that is %q, bad %t: got %v", c.follower, c.state, c.bad, got)
		}
	}
}

func TestWrongExit(t *testing.T) {
	e := endings{0: after, 130: before}
	if got := e.wrongExit("the run", 130); got != "" {
		t.Errorf("got %q", got)
	}
	if got := e.wrongExit("the run", -1); got != "the run ended with a signal and not with exit 0 or exit 130" {
		t.Errorf("got %q", got)
	}
}

func TestSides(t *testing.T) {
	for _, c := range []struct {
		endings endings
		exit    int
		want    side
	}{
		{endings{0: after, 130: before}, 130, before},
		{endings{0: after, 130: before}, 20, either},
		{endings{0: before}, 20, before},
		{endings{-1: either}, 0, either},
	} {
		if got := c.endings.side(c.exit); got != c.want {
			t.Errorf("%v after %d: got %q", c.endings, c.exit, got)
		}
	}
}

func TestWrongLastLine(t *testing.T) {
	for _, c := range []struct {
		output string
		exit   int
		wrong  bool
	}{
		{"…\nrolloutgate: passed (exit 0): deployment/web is complete\n", 0, false},
		{"…\nrolloutgate: passed (exit 0): deployment/web is complete\n", 10, true},
		{"rolloutgate: passed (exit 0): deployment/web is complete\nand more\n", 0, true},
		{"rolloutgate: refused (exit 3): nothing was changed\nerror: there is no run\n  hint: look\n", 3, false},
		{"", 1, true},
		{"", exitKilled, false},
	} {
		if got := wrongLastLine("the run", c.output, c.exit); (got != "") != c.wrong {
			t.Errorf("%q, exit %d: got %q", c.output, c.exit, got)
		}
	}
}
