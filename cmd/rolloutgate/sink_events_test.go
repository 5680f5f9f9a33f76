package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// tellBad hands a bad release to a teller.
func tellBad(t *testing.T, tell func(context.Context, cluster.Told) error) error {
	t.Helper()
	teller := newTeller(tell)
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	config := manifest.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "config"}
	for _, e := range []gate.Event{
		gate.NewEvent(time.Time{}, config, gate.Applied{Action: patch.Created}),
		gate.NewEvent(time.Time{}, web, gate.Applied{Action: patch.Configured}),
		gate.NewEvent(time.Time{}, web, gate.Applied{Action: patch.Configured}), // another stage
		gate.NewEvent(time.Time{}, manifest.Ref{}, gate.Judged{Outcome: gate.RolloutFailed, Code: "CrashLoop", Cause: "\x1b[31mit ends"}),
	} {
		teller.event(e)
	}
	r := gate.Report{Run: gate.Run{ID: "7QK2M5XWZA"}, Undo: &gate.Undo{Result: gate.UndoVerified, Objects: []gate.Undone{{Object: web, Action: "restored", Result: "ok"}}}}
	return teller.finish(t.Context(), r)
}

func TestTeller(t *testing.T) {
	var reasons []string
	err := tellBad(t, func(_ context.Context, told cluster.Told) error {
		reasons = append(reasons, fmt.Sprintf("%s %t %s", told.Reason, told.Warning, told.Message))
		return nil
	})
	want := []string{
		"RolloutStarted false rolloutgate has configured it and watches its rollout",
		"RolloutFailed true failed: CrashLoop: it ends",
		"RolloutUndone false restored by rolloutgate run 7QK2M5XWZA: ok; the undo is verified",
	}
	if got := strings.Join(reasons, "\n"); err != nil || got != strings.Join(want, "\n") {
		t.Errorf("%v, told:\n%s", err, got)
	}
}

// Who may not write one Event does not try the others, and is told once.
func TestTellerIsForbidden(t *testing.T) {
	tries := 0
	err := tellBad(t, func(context.Context, cluster.Told) error { tries++; return errors.New("events is forbidden") })
	if err == nil || err.Error() != "events is forbidden" || tries != 1 {
		t.Errorf("%v after %d tries", err, tries)
	}
}

// An API server that hangs holds neither the run nor its end up.
func TestTellerWaitsForNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		teller := newTeller(func(ctx context.Context, _ cluster.Told) error {
			<-ctx.Done()
			return ctx.Err()
		})
		begin := time.Now()
		web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop"}
		for i := range 2 * maxUntold {
			web.Name = fmt.Sprint("web-", i)
			teller.event(gate.NewEvent(time.Time{}, web, gate.Applied{Action: patch.Configured}))
		}
		if took := time.Since(begin); took != 0 {
			t.Errorf("the run has waited for %s", took)
		}
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("it took too long"))
		defer cancel()
		if err := teller.finish(ctx, gate.Report{}); err == nil || err.Error() != "it took too long" {
			t.Error(err)
		}
		synctest.Wait()
		time.Sleep(2 * oneEvent) // the worker has given up by then
	})
}

func TestChangeCause(t *testing.T) {
	for _, test := range []struct {
		flag string
		p    record.Pipeline
		want string
	}{
		{flag: "", want: ""},
		{flag: "fixes the\n  \x1b[31mheader", want: "fixes the header"},
		{flag: "auto", p: record.Pipeline{System: ciNone}, want: "rolloutgate"},
		{flag: "auto", p: record.Pipeline{System: "jenkins", Commit: "0123abc"}, want: "rolloutgate 0123abc, jenkins"},
		{
			flag: "auto", p: record.Pipeline{System: "gitlab", URL: "https://ci.example/jobs/7", Commit: "0123abc", Actor: "ada"},
			want: "rolloutgate 0123abc by ada, https://ci.example/jobs/7",
		},
	} {
		if got, err := causeOf(test.flag, test.p); err != nil || got != test.want {
			t.Errorf("causeOf(%q): %q, %v, want %q", test.flag, got, err, test.want)
		}
	}
	if got, err := causeOf(strings.Repeat("x", 5000), record.Pipeline{}); err != nil || len([]rune(got)) > maxCause {
		t.Errorf("%d characters, %v", len(got), err)
	}
	if _, err := causeOf(" \x00 ", record.Pipeline{}); gate.OutcomeOf(err) != gate.Invalid {
		t.Errorf("of nothing: %v", err)
	}
}
