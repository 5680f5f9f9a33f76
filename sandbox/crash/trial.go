package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

const (
	// patience of the harness with a command that should have ended by itself.
	patience = 5 * time.Minute
	// settles is how long controllers may take to follow what was put right.
	settles = 30 * time.Second
	// outdated is how long a stopped run is stopped at least: it has to find out then that it may have lost its lease.
	outdated = 35 * time.Second
	// silence is after which nothing of a dead run is in the way any more.
	silence = 2 * time.Minute
)

// trial is one case in a namespace of its own.
type trial struct {
	moment    moment
	cluster   client.Cluster
	gate      string // the binary
	dir       string // for everything that the commands read and write
	namespace string
	short     bool

	before map[string]form // what was there, exactly
	hooks  []string        // those among it
	past   []string        // the runs that were on record
	after  map[string]form // what the good version is, in no namespace
	census *census         // of the pods of a scenario with stages
}

// prepare makes the namespace and what was there before.
func (t *trial) prepare(ctx context.Context) error {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return err
	}
	s := t.moment.scenario
	if err := errors.Join(s.write(t.dir), t.cluster.MakeNamespace(ctx, t.namespace)); err != nil {
		return err
	}
	if s.base != nil {
		if _, err := t.cluster.Kubectl(ctx, t.namespace, "", append(s.base[:len(s.base):len(s.base)], filepath.Join(t.dir, first.file()))...); err != nil {
			return err
		}
	}
	if s.set != "" {
		if err := t.release(ctx); err != nil {
			return err
		}
	}
	if s.apart != "" {
		if _, err := t.cluster.Kubectl(ctx, t.namespace, "", "create", "-f", filepath.Join(t.dir, s.apart+".yaml")); err != nil {
			return err
		}
	}
	return harness.Until(ctx, time.Minute, "what was there before", func() error {
		now, err := look(ctx, t.cluster, t.namespace)
		if err != nil {
			return err
		}
		past, err := now.records()
		if err != nil {
			return err
		}
		t.past = nil
		for _, r := range past {
			t.past = append(t.past, r.ID)
		}
		t.before, t.hooks = now.forms(true), slices.DeleteFunc(now.names("job"), func(name string) bool { return !isHook(now[name]) })
		if s.stages != nil {
			if err := allReached(routesOf(now)); err != nil {
				return err
			}
		}
		return allComplete(now)
	})
}

// release has a run write what is there before.
func (t *trial) release(ctx context.Context) error {
	p, err := t.launch(ctx, launch{name: "before", args: t.moment.scenario.runArgs(first)})
	if err != nil {
		return err
	}
	defer p.relay.front.Close()
	<-p.gone
	if p.err == nil && p.ran.Exit != exitPassed {
		return fmt.Errorf("the release before ended with %d:\n%s", p.ran.Exit, p.ran.Output)
	}
	return p.err
}

// own are the records of the runs of the case, the newest first.
func (t *trial) own(now world) ([]summary, error) {
	all, err := now.records()
	return slices.DeleteFunc(all, func(s summary) bool { return slices.Contains(t.past, s.ID) }), err
}

// allComplete says which workload has not what it wants.
func allComplete(now world) error {
	for _, name := range now.names("deployment", "statefulset", "daemonset") {
		kind, _, _ := strings.Cut(name, "/")
		if err := client.Complete(kind, now[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// play plays the case; an error is the harness' own.
func (t *trial) play(ctx context.Context) (result, error) {
	r := result{Name: t.moment.String(), Scenario: t.moment.scenario.family(), End: t.moment.end.name, Follower: t.moment.follower.name}
	if err := t.prepare(ctx); err != nil {
		return r, fmt.Errorf("preparing: %w", err)
	}
	t.census = t.count(ctx)
	p, err := t.launch(ctx, launch{name: "run", args: t.moment.scenario.runArgs(t.moment.scenario.next()), at: t.moment.at, end: &t.moment.end, short: t.short})
	if err != nil {
		return r, err
	}
	defer p.relay.front.Close()
	if t.moment.end.leads == sleeps && t.short {
		err = t.overtake(ctx, p, &r)
	} else {
		err = t.follow(ctx, p, &r)
	}
	r.Writes = p.relay.all()
	r.Missed = !p.relay.wasStruck()
	wrong, counted := t.census.end()
	r.complain(wrong...)
	err = errors.Join(err, counted)
	if err != nil {
		return r, err
	}
	r.Right = len(r.Wrong) == 0
	return r, nil
}

// follow waits for the end of the run, and has the follower put it right.
func (t *trial) follow(ctx context.Context, p *process, r *result) error {
	<-p.gone
	if p.err != nil {
		return p.err
	}
	e := t.moment.end.leads.endingsOf(t.moment.scenario.bad)
	if !p.relay.wasStruck() {
		e = own(t.moment.scenario.bad)
	}
	if err := t.judge(ctx, p, e, r); err != nil {
		return err
	}
	if t.moment.end.leads == dies {
		wrong, err := t.stand(ctx)
		if err != nil {
			return err
		}
		r.complain(wrong...)
	}
	late := t.moment.follower.later
	if late && !t.short {
		if err := t.letAge(ctx); err != nil {
			return err
		}
	}
	if err := t.putRight(ctx, late, r); err != nil {
		return err
	}
	r.complain(writesAfter(p, p.ran.Ended())...)
	return nil
}

// letAge lets the lease of a dead run grow old, if there is one. Where nothing is left there is nothing to wait for.
func (t *trial) letAge(ctx context.Context) error {
	now, err := look(ctx, t.cluster, t.namespace)
	if err != nil || len(now.leases()) == 0 {
		return err
	}
	return harness.Pause(ctx, silence)
}

// overtake has the follower put it right while the run is stopped, and then lets the run go on: it must not write any
// more.
func (t *trial) overtake(ctx context.Context, p *process, r *result) error {
	select {
	case <-p.gone:
		return t.follow(ctx, p, r) // it did not come to the point
	case <-p.relay.struck:
	}
	began := time.Now()
	err := t.putRight(ctx, true, r)
	_ = harness.Pause(ctx, time.Until(began.Add(outdated)))
	woken := time.Now()
	p.signalGroup(syscall.SIGCONT)
	<-p.gone
	if err = errors.Join(err, p.err); err != nil {
		return err
	}
	e := endings{exitSuperseded: either}
	switch rolledOut, more := p.progress(); {
	case !rolledOut:
		e[exitRetry] = either // nothing was changed
	case !more:
		e = own(t.moment.scenario.bad)
		e[exitSuperseded] = either
	}
	r.Run = ended(p)
	r.complain(e.wrongExit("the run", p.ran.Exit), wrongLastLine("the run", p.ran.Output, p.ran.Exit))
	r.complain(writesAfter(p, woken)...)
	side := t.moment.follower.endings(r.State, t.moment.scenario)[r.Then.Exit]
	wrong, err := t.settled(ctx, side, 0)
	r.complain(wrong...)
	return err
}

// putRight plays the follower. late: as if two minutes had passed, and on another machine.
func (t *trial) putRight(ctx context.Context, late bool, r *result) error {
	now, err := look(ctx, t.cluster, t.namespace)
	if err != nil {
		return err
	}
	records, err := t.own(now)
	if err != nil {
		return err
	}
	if len(records) > 0 {
		r.State = records[0].State
	}
	if r.State == none {
		for _, d := range differences(t.anew(t.before), t.anew(now.forms(true))) {
			r.complain("something was written before there was a record: " + d)
			break
		}
	}
	f := t.moment.follower
	if f.again && r.State == running {
		if err := t.dieAgain(ctx, r); err != nil {
			return err
		}
	}
	going := t.beginsToGoOn(now)
	l := launch{name: f.name, args: f.args(t.moment.scenario), elsewhere: late}
	if command := l.args[0]; r.State == none && len(t.past) > 0 && command != "run" { // it would be the release before
		l.args = append([]string{command, "NOT-ON-RECORD"}, l.args[1:]...)
	}
	if late && t.short {
		l.aged = silence
	}
	p, err := t.launch(ctx, l)
	if err != nil {
		return err
	}
	defer p.relay.front.Close()
	<-p.gone
	if p.err != nil {
		return p.err
	}
	if err := t.judge(ctx, p, f.endings(r.State, t.moment.scenario), r); err != nil {
		return err
	}
	if f.name != "resume" || r.State != running || p.ran.Exit != exitPassed {
		return nil
	}
	if now, err = look(ctx, t.cluster, t.namespace); err != nil {
		return err
	}
	r.complain(going.wrong(now, t.census, p.relay.all())...)
	return nil
}

// takesOver is how many writes a run makes that takes another one over, until it writes the first object.
const takesOver = 6

// dieAgain has a run take over and kills it somewhere before its own first object is written, or right after.
func (t *trial) dieAgain(ctx context.Context, r *result) error {
	kill := ends()[0]
	at := point{write: 2 + t.moment.at.write%takesOver, after: t.moment.at.after}
	p, err := t.launch(ctx, launch{name: "again", args: t.moment.scenario.runArgs(good), at: at, end: &kill})
	if err != nil {
		return err
	}
	defer p.relay.front.Close()
	<-p.gone
	now, err := look(ctx, t.cluster, t.namespace)
	if err = errors.Join(p.err, err); err != nil {
		return err
	}
	records, err := t.own(now)
	if err == nil && len(records) > 0 {
		r.State = records[0].State
	}
	return err
}

// judge looks at how a command has ended, at what it has said, and at what is there.
func (t *trial) judge(ctx context.Context, p *process, allowed endings, r *result) error {
	name := "the run"
	if p.name != "run" {
		name, r.Then = p.name, ended(p)
	} else {
		r.Run = ended(p)
	}
	exit := p.ran.Exit
	r.complain(allowed.wrongExit(name, exit))
	if !p.saidWhy() {
		r.complain(wrongLastLine(name, p.ran.Output, exit))
	}
	told, err := t.told(p)
	if err != nil {
		return err
	}
	if hasPayload(told) {
		r.complain(name + " tells the data of a Secret")
	}
	side := allowed.side(exit)
	if side == either {
		return nil
	}
	if exit == exitPassed || exit == exitFailed { // it says that it has seen it
		now, err := look(ctx, t.cluster, t.namespace)
		if err != nil {
			return err
		}
		r.complain(prefixed("at the end of "+name+": ", t.wrongSide(now, side))...)
	}
	wrong, err := t.settled(ctx, side, settles)
	r.complain(prefixed("after "+name+": ", wrong)...)
	return err
}

// told is everything that a command has printed and written.
func (t *trial) told(p *process) (string, error) {
	all := p.ran.Output
	err := filepath.WalkDir(t.reports(p.name), func(path string, entry os.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all += string(text)
		return err
	})
	return all, err
}

// settled says what is wrong when controllers have had some time for it.
func (t *trial) settled(ctx context.Context, where side, within time.Duration) ([]string, error) {
	deadline := time.Now().Add(within)
	for {
		now, err := look(ctx, t.cluster, t.namespace)
		if err != nil {
			return nil, err
		}
		wrong := append(t.wrongSide(now, where), kept(now, mostRecords+len(t.past))...)
		wrong = append(wrong, leaks(now)...)
		wrong = append(wrong, leftovers(now)...)
		if err := allComplete(now); err != nil {
			wrong = append(wrong, err.Error())
		}
		if len(wrong) == 0 || time.Now().After(deadline) {
			return wrong, nil
		}
		if err := harness.Pause(ctx, 200*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// wrongSide says in what the written objects are not on a side.
func (t *trial) wrongSide(now world, where side) []string {
	switch where {
	case before:
		return differences(t.anew(t.withoutGone(t.before, now)), t.anew(now.forms(true)))
	case again:
		return append(differences(t.withoutGone(t.after, now), now.forms(false)), t.touched(now)...)
	}
	return append(differences(t.after, now.forms(false)), t.touched(now)...)
}

// touched says in what the Service that is in no manifest is not exactly as it was.
func (t *trial) touched(now world) []string {
	if t.moment.scenario.apart == "" {
		return nil
	}
	only := func(all map[string]form) map[string]form {
		some := map[string]form{}
		if f, ok := all["service/"+t.moment.scenario.apart]; ok {
			some["service/"+t.moment.scenario.apart] = f
		}
		return some
	}
	return differences(only(t.before), only(now.forms(true)))
}

// anew are forms without the identity of what may have been deleted and created again.
func (t *trial) anew(forms map[string]form) map[string]form {
	for _, name := range t.moment.scenario.pruned {
		if metadata, ok := forms[name]["metadata"].(map[string]any); ok {
			delete(metadata, "uid")
		}
	}
	return forms
}

// withoutGone is what has to be there again, without the hooks that are gone: a run has deleted them for its own, and no
// undo brings them back.
func (t *trial) withoutGone(wanted map[string]form, now world) map[string]form {
	wanted = maps.Clone(wanted)
	for _, name := range t.hooks {
		if now[name] == nil {
			delete(wanted, name)
		}
	}
	return wanted
}

// writesAfter lists what a process has had carried out after a moment at which it should have stopped.
func writesAfter(p *process, moment time.Time) []string {
	var out []string
	for _, w := range p.relay.all() {
		if w.Began.After(moment) && w.carriedOut() {
			out = append(out, fmt.Sprintf("%s was written by the run %s after it had nothing to write any more", w, w.Began.Sub(moment).Round(time.Millisecond)))
		}
	}
	return out
}

func prefixed(prefix string, all []string) []string {
	out := make([]string, len(all))
	for i, text := range all {
		out[i] = prefix + text
	}
	return out
}
