package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/fleet"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// shelfOf is a store of which only the list of runs is asked for.
type shelfOf struct {
	gate.Store
	runs []record.Summary
	err  error
}

func (s shelfOf) Records(context.Context, string) ([]record.Summary, error) { return s.runs, s.err }

func (s shelfOf) Leases(context.Context, string) ([]record.Lease, error) { return nil, nil }

// TestCommonRun: a run that is named has to be on record in one of the clusters.
func TestCommonRun(t *testing.T) {
	run := func(id string, age time.Duration) []record.Summary {
		return []record.Summary{{ID: id, State: record.Passed, Started: time.Now().Add(-age)}}
	}
	lost := context.DeadlineExceeded
	client, err := cluster.New(&rest.Config{Host: "http://127.0.0.1:1"}, cluster.Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		shelves    []shelfOf
		args       []string
		unfinished bool
		want       string // the run, or else the error
		code       gate.Outcome
	}{
		"in one of them":               {shelves: []shelfOf{{runs: run("OTHER", 0)}, {runs: run("FIRST", time.Hour)}}, args: []string{"first"}, want: "FIRST"},
		"in none":                      {shelves: []shelfOf{{runs: run("OTHER", 0)}, {}}, args: []string{"WRONG"}, want: "there is no run on record in any of the clusters with the id WRONG\n  hint: `rolloutgate history", code: gate.Refused},
		"in none, and that may be":     {shelves: []shelfOf{{}, {}}, args: []string{"WRONG"}, unfinished: true, want: "WRONG"},
		"one does not answer":          {shelves: []shelfOf{{err: lost}, {runs: run("FIRST", 0)}}, args: []string{"FIRST"}, want: "FIRST"},
		"the only one does not answer": {shelves: []shelfOf{{err: lost}, {}}, args: []string{"FIRST"}, want: "looking for run FIRST: cluster a: context deadline exceeded", code: gate.Retry},
		"the newest":                   {shelves: []shelfOf{{runs: run("FIRST", time.Hour)}, {runs: run("OTHER", 0)}}, args: nil, want: "OTHER"},
		"there is none":                {shelves: []shelfOf{{}, {}}, want: "there is no run on record in any of the clusters that is meant", code: gate.Refused},
		"the newest is not known":      {shelves: []shelfOf{{runs: run("FIRST", 0)}, {err: lost}}, want: "finding out which run is meant: cluster b: context deadline exceeded\n  hint: name it", code: gate.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			var members []*member
			for i, s := range c.shelves {
				m := &member{site: site{name: string(rune('a' + i))}, o: (&program{}).newOptions(), client: client}
				*m.o.kube.Namespace, m.gate.Store = "shop", s
				members = append(members, m)
			}
			got, err := commonRun(t.Context(), members, c.args, c.unfinished)
			if err != nil {
				got = err.Error()
			}
			if gate.OutcomeOf(err) != c.code || got != c.want && (err == nil || !strings.Contains(got, c.want)) {
				t.Errorf("%q (%s), want %q (%s)", got, gate.OutcomeOf(err), c.want, c.code)
			}
		})
	}
}

// TestTakenBackRun: what had passed before a run went on is taken back as the run that it was.
func TestTakenBackRun(t *testing.T) {
	for had, want := range map[string]string{"": "with the id NEW", "OLD": "with the id OLD"} {
		p := &program{}
		o := p.newOptions()
		o.command, o.history = "resume", 3
		m := &member{site: site{name: "eu"}, o: o, gate: gate.Gate{Store: shelfOf{}, Namespace: "shop"}}
		f := p.fleetMember(m, o, "NEW", &output{}, func(gate.Event) {}, func(context.Context, *member, gate.Gate) (gate.Report, error) {
			return gate.Report{SchemaVersion: gate.SchemaVersion, HadPassed: had}, nil
		})
		control := fleet.Control{Event: func(gate.Event) {}}
		if _, err := f.Run(t.Context(), control); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Undo(t.Context(), control); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("had passed: %q: %v, want %q", had, err, want)
		}
	}
}

// TestPruneInClusters: each cluster prunes by its own manifests.
func TestPruneInClusters(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"all.yaml", "eu.yaml"} {
		write(t, ".", name, "{apiVersion: v1, kind: ConfigMap, metadata: {name: web}}")
	}
	p := &program{}
	o := p.newOptions()
	o.filenames, o.prune.set, o.prune.protected, o.prune.most = []string{"all.yaml"}, "shop", []string{"pvc"}, true
	read, err := o.objects(p)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		site         site
		read, unread string
	}{
		{site{name: "us"}, "all.yaml", "eu.yaml"},
		{site{name: "eu", filenames: []string{"eu.yaml"}}, "eu.yaml", "all.yaml"},
	} {
		m := &member{site: c.site, o: o.at(c.site)}
		own, err := m.manifests(p, o, read)
		if err != nil {
			t.Fatal(err)
		}
		g := m.gate.Prune
		if g.Set != "shop" || !g.Most || len(g.Protected) != 1 || own.Files[0] != c.read || g.Unread(c.read) || !g.Unread(c.unread) {
			t.Errorf("%s: %+v, read %v", c.site.name, g, own.Files)
		}
	}
}
