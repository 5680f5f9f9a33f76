package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var deploymentWeb = manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}

// eventAt is an event some seconds after the start of the run.
func eventAt(seconds int, object manifest.Ref, p gate.Payload) gate.Event {
	start := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	return gate.NewEvent(start.Add(time.Duration(seconds)*time.Second), object, p)
}

func statusAt(seconds int, ref manifest.Ref, phase rollout.Phase, ready int32, text string) gate.Event {
	return eventAt(seconds, ref, gate.Status{Status: rollout.Status{
		Ref: ref, Phase: phase, Desired: 3, Updated: ready, Ready: ready, Available: ready, Message: text, Watched: true,
	}})
}

func measuredAt(seconds int, name, value string) gate.Event {
	return eventAt(seconds, manifest.Ref{}, gate.Measured{Criterion: name, Value: value, Limit: "<= 1%", State: analysis.OK})
}

// aRun is what an engine says while a rollout goes wrong.
func aRun() []gate.Event {
	nobody := manifest.Ref{}
	step := func(seconds int, s gate.Step) gate.Event { return eventAt(seconds, nobody, s) }
	return []gate.Event{
		step(0, gate.Step{Name: gate.StepPlan, Objects: 1}),
		eventAt(1, deploymentWeb, gate.Planned{Action: patch.Configured}),
		step(2, gate.Step{Name: gate.StepApply}),
		eventAt(2, deploymentWeb, gate.Applied{Action: patch.Configured}),
		step(2, gate.Step{Name: gate.StepApply, Stage: "all"}),
		statusAt(3, deploymentWeb, rollout.Progressing, 0, "0 of 3 new pods available"),
		statusAt(12, deploymentWeb, rollout.Progressing, 1, "1 of 3 new pods available"),
		statusAt(14, deploymentWeb, rollout.Progressing, 1, "1 of 3 new pods available"),
		measuredAt(15, "errors: 5xx", "0.21%"),
		measuredAt(30, "errors: 5xx", "0.35%"),
		measuredAt(46, "errors: 5xx", "0.4%"),
		eventAt(60, nobody, gate.Waiting{Since: time.Minute, Workloads: []rollout.Status{{Ref: deploymentWeb, Message: "1 of 3 new pods available"}}}),
		eventAt(61, deploymentWeb, gate.Warning{Code: "pod web-1", Cause: "\x1b[31mImagePullBackOff\x1b[0m\n::error::owned"}),
		statusAt(75, deploymentWeb, rollout.Failed, 1, "the image does not exist"),
		statusAt(76, manifest.Ref{Kind: "ConfigMap", Name: "web"}, rollout.Complete, 0, ""),
		eventAt(130, nobody, gate.Judged{Outcome: gate.RolloutFailed, Code: "ImageNotFound", Cause: "no such tag"}),
		step(130, gate.Step{Name: gate.StepUndo, Limit: 5 * time.Minute}),
		eventAt(3700, deploymentWeb, gate.Taken{Action: patch.Restored}),
	}
}

func TestLines(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out, consoleOptions{Timeout: 10 * time.Minute})
	for _, e := range aRun() {
		c.event(e)
	}
	c.close()
	want := `
    0s  → plan: 1 object
    1s  deployment/web  will be changed
    2s  → apply
    2s  deployment/web  configured
    2s  → apply (stage all)
    3s  deployment/web  0 of 3 new pods available
   12s  deployment/web  1 of 3 new pods available
   15s  errors: 5xx: 0.21% (limit <= 1%) ok
   46s  errors: 5xx: 0.4% (limit <= 1%) ok
 1m00s  waiting 1m: deployment/web: 1 of 3 new pods available
 1m01s  deployment/web  warning: pod web-1: ImagePullBackOff ::error::owned
 1m15s  deployment/web  the image does not exist
 1m16s  configmap/web   complete
 2m10s  verdict: failed: ImageNotFound: no such tag
 2m10s  → undo, for at most 5m
 1h01m  deployment/web  undo: restored
`
	if diff := cmp.Diff(want, "\n"+out.String()); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// Colours are all that distinguishes a coloured log from a plain one.
func TestColoredLines(t *testing.T) {
	var plain, colored bytes.Buffer
	for out, color := range map[*bytes.Buffer]bool{&plain: false, &colored: true} {
		c := newConsole(out, consoleOptions{Color: color})
		for _, e := range aRun() {
			c.event(e)
		}
	}
	if colored.Len() == plain.Len() {
		t.Error("no colours")
	}
	stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored.String(), "")
	if diff := cmp.Diff(plain.String(), stripped); diff != "" {
		t.Errorf("without its colours the log differs (-plain +stripped):\n%s", diff)
	}
}

func TestConsoleFromManyGoroutines(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out, consoleOptions{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			for n := range 20 {
				c.event(eventAt(n, manifest.Ref{Kind: "ConfigMap", Name: strconv.Itoa(i)}, gate.Applied{Action: patch.Created}))
			}
		})
	}
	wg.Wait()
	c.close()
	line := regexp.MustCompile(`^ +\d+s  configmap/\d+ +created$`)
	for text := range strings.SplitSeq(strings.TrimSuffix(out.String(), "\n"), "\n") {
		if !line.MatchString(text) {
			t.Fatalf("a broken line: %q", text)
		}
	}
}

// TestSlowReader: progress that nobody reads in time is left out, and that is said.
func TestSlowReader(t *testing.T) {
	var out bytes.Buffer
	unread := 0
	c := newConsole(&out, consoleOptions{Unread: func() int { return unread }})
	for i, e := range aRun()[:6] {
		unread = map[bool]int{true: maxUnread + 1}[i > 0 && i < 5]
		c.event(e)
	}
	c.close()
	want := "    0s  → plan: 1 object\n        … 4 lines are missing: nobody read them in time\n    3s  deployment/web  0 of 3 new pods available\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

// TestLinesOfMany: of hundreds of objects a log says what was written and how each ended. A plan says what would change.
func TestLinesOfMany(t *testing.T) {
	for _, c := range []struct {
		command string
		objects int
		want    []string
		not     []string
	}{
		{"run", manyObjects + 1, []string{"configured", "complete"}, []string{"will be changed", "1 of 3"}},
		{"run", manyObjects, []string{"will be changed", "1 of 3", "complete"}, nil},
		{"plan", manyObjects + 1, []string{"will be changed"}, nil},
	} {
		var out strings.Builder
		console := newConsole(&out, consoleOptions{})
		console.event(eventAt(0, manifest.Ref{}, gate.Started{Command: c.command}))
		console.event(eventAt(0, manifest.Ref{}, gate.Step{Name: gate.StepPlan, Objects: c.objects}))
		console.event(eventAt(1, deploymentWeb, gate.Planned{Action: patch.Configured}))
		console.event(eventAt(2, deploymentWeb, gate.Applied{Action: patch.Configured}))
		console.event(statusAt(3, deploymentWeb, rollout.Progressing, 1, "1 of 3 pods available"))
		console.event(statusAt(4, deploymentWeb, rollout.Complete, 3, ""))
		for _, want := range c.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s of %d: no %q in\n%s", c.command, c.objects, want, out.String())
			}
		}
		for _, not := range c.not {
			if strings.Contains(out.String(), not) {
				t.Errorf("%s of %d: %q in\n%s", c.command, c.objects, not, out.String())
			}
		}
		if lines := strings.Count(out.String(), "\n"); (lines == 3) != (c.objects > manyObjects && c.command == "run") {
			t.Errorf("%s of %d: %d lines\n%s", c.command, c.objects, lines, out.String())
		}
	}
}
