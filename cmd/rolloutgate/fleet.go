package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/fleet"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// member is what is wired for one of several clusters.
type member struct {
	site
	o      *options
	client *cluster.Client
	gate   gate.Gate
	told   sinks // of this cluster alone
}

// checkScope checks how far an undo is to reach.
func (o *options) checkScope() error {
	var names []string
	for _, s := range fleet.Scopes() {
		names = append(names, string(s))
	}
	if err := oneOf("undo-scope", o.undoScope, append(names, "")...); err != nil {
		return err
	}
	beyond := o.undoScope != "" && o.undoScope != string(fleet.Cluster)
	if beyond && len(o.sites) > 1 && (o.history <= 0 || o.keep == string(gate.KeepNothing)) {
		return &usageError{"--undo-scope " + o.undoScope + " without runs on record", "what has passed in a cluster is put back from its record: leave --history and --record as they are"}
	}
	return nil
}

// members wires the clusters. Nothing is asked yet.
func (p *program) members(o *options) ([]*member, error) {
	var all []*member
	places := map[string]string{}
	for _, s := range o.sites {
		m := &member{site: s, o: o.at(s)}
		if err := p.wire(m); err != nil {
			return nil, fmt.Errorf("cluster %s: %w", s.name, err)
		}
		config, err := m.o.kube.ToRESTConfig()
		if err != nil {
			return nil, fmt.Errorf("cluster %s: %w", s.name, noCluster(err))
		}
		place := strings.TrimRight(config.Host+config.APIPath, "/") + " " + m.o.namespace()
		if twin := places[place]; twin != "" {
			return nil, &usageError{fmt.Sprintf("%s and %s are the same cluster and namespace", twin, s.name), "leave one of them out: a run cannot be there twice"}
		}
		places[place] = s.name
		all = append(all, m)
	}
	return all, nil
}

func (p *program) wire(m *member) (err error) {
	if err := m.o.knowsACluster(); err != nil {
		return err
	}
	if m.client, err = m.o.client(); err != nil {
		return err
	}
	if m.gate, err = m.o.gate(m.client, p.getenv); err != nil {
		return err
	}
	for _, part := range m.gate.Delivery.Parts {
		if part.Approval != nil && part.Approval.Park {
			return &usageError{"a run in several clusters cannot be parked: the other waves would have to wait with it", "use --approve instead of --park, or one run a cluster"}
		}
	}
	m.gate.RunTest = func(ctx context.Context, t gate.Test, env []string, line func(string)) error {
		return runTest(ctx, t, append(env, "ROLLOUTGATE_CLUSTER="+m.name, "ROLLOUTGATE_CONTEXT="+m.context), line)
	}
	m.told, err = p.sinksOf(m.o, func(k sinkKind) bool { return k.each })
	return err
}

// part carries one part of a run out.
type part func(context.Context, *member, gate.Gate) (gate.Report, error)

// withFleet is withGate for several clusters. Choose may say, when all is wired, that there is nothing to do.
func (p *program) withFleet(ctx context.Context, o *options, id string, apart bool, begin func([]*member) (part, error)) error {
	members, err := p.members(o)
	if err != nil {
		return err
	}
	out, err := p.newOutput(o)
	if err != nil {
		return err
	}
	defer out.console.close()
	told, err := p.sinksOf(o, func(k sinkKind) bool { return !k.each })
	if err != nil {
		return err
	}
	carryOut, err := begin(members)
	if err != nil {
		return err
	}
	whole := gate.Run{
		ID: id, Command: o.command, Version: version(), Started: time.Now().UTC().Truncate(time.Millisecond),
		Namespace: o.namespace(), Context: o.contextName(), Pipeline: o.pipeline(p.getenv),
	}
	if o.dryRun == "server" && whole.Command == "run" {
		whole.Command = "plan"
	}
	show := shower(out, told)
	show(gate.Report{SchemaVersion: gate.SchemaVersion, Run: whole}.Started())
	f := fleet.Fleet{
		Scope: fleet.Scope(o.undoScope), Apart: apart, LeaveOnCancel: o.onCancel == "leave", NeverUndo: o.undo == "never", Signals: p.later,
	}
	for _, m := range members {
		f.Members = append(f.Members, p.fleetMember(m, o, id, out, show, carryOut))
	}
	parts := f.Carry(ctx)
	out.console.close()
	for i := range parts {
		explainPart(&parts[i])
	}
	whole.Finished = time.Now().UTC().Truncate(time.Millisecond)
	r := f.Report(whole, parts)
	p.code, p.unbegun = r.Exit.Code, nil
	for _, c := range r.Clusters {
		if c.Report.Exit.Error != "" && c.Report.Exit.Name != gate.CalledOff.Name() {
			fmt.Fprintf(p.stderr, "error: cluster %s: %s\n", printable(errors.New(c.Name)), printable(errors.New(c.Report.Exit.Error)))
		}
	}
	inOrder(ctx, p.stderr)
	out.warn(out.fleetLogs(&r))
	out.print(r)
	out.warn(withEach(told, members, r.Clusters).finish(ctx, r))
	return nil
}

// withEach are all who are told at the end, with those of each cluster, who are told of its part alone: the budget is for all together.
func withEach(told sinks, members []*member, parts []gate.ClusterReport) sinks {
	all := slices.Clone(told)
	for _, m := range members {
		i := slices.IndexFunc(parts, func(c gate.ClusterReport) bool { return c.Name == m.name })
		for _, s := range m.told {
			if finish := s.finish; finish != nil {
				s.finish = func(ctx context.Context, _ gate.Report) error { return finish(ctx, parts[i].Report) }
			}
			s.name += " of " + m.name
			all = append(all, s)
		}
	}
	return all
}

// shower shows events of all clusters, one at a time.
func shower(out *output, told sinks) func(gate.Event) {
	var mu sync.Mutex
	return func(e gate.Event) {
		mu.Lock()
		defer mu.Unlock()
		out.warn(guarded("showing an event", func() error { out.event(e); return nil }))
		told.event(e)
	}
}

// fleetMember is one cluster as the fleet wants it.
func (p *program) fleetMember(m *member, o *options, id string, out *output, show func(gate.Event), carryOut part) fleet.Member {
	gateOf := func(c fleet.Control) gate.Gate {
		g := m.gate
		g.ID, g.Signals = id, c.Signals
		g.Progress = func(e gate.Event) {
			c.Event(e)
			m.told.event(e)
			e.Cluster = m.name
			show(e)
		}
		if out.log.mask != nil {
			g.Secrets = func(values []string) { out.warn(out.log.mask(values)) }
		}
		return g
	}
	passed := id // the run to take back here
	member := fleet.Member{Name: m.name, Wave: m.wave, Run: func(ctx context.Context, c fleet.Control) (gate.Report, error) {
		g := gateOf(c)
		g.Turn = c.Turn
		r, err := carryOut(ctx, m, g)
		passed = cmp.Or(r.HadPassed, id)
		if r.SchemaVersion == "" && err != nil {
			r = g.Unbegun(o.command, gate.OutcomeOf(err), err)
		}
		return r, err
	}}
	if (o.command == "run" || o.command == "resume") && o.history > 0 && o.keep != string(gate.KeepNothing) {
		member.Undo = func(ctx context.Context, c fleet.Control) (gate.Report, error) {
			g := gateOf(c)
			g.ID = ""
			return g.Undo(ctx, gate.Which{Run: passed})
		}
	}
	return member
}

// explainPart says in the report of a part why it could not be carried out.
func explainPart(part *fleet.Part) {
	if part.Err != nil && len(part.Report.Findings) == 0 {
		part.Report.Exit.Because(part.Err)
	}
	if part.Undo != nil && part.UndoErr != nil {
		part.Undo.Exit.Because(part.UndoErr)
	}
}

// fleetManifests is run, and plan, in several clusters: the same manifests everywhere, but for clusters that have their own.
func (p *program) fleetManifests(ctx context.Context, o *options, read manifest.Manifests, onlyPlan bool) error {
	id := record.NewID()
	if !onlyPlan {
		p.leaveRunID(o.reportDir, id)
	}
	return p.withFleet(ctx, o, id, onlyPlan, func(members []*member) (part, error) {
		own := map[string]manifest.Manifests{}
		for _, m := range members {
			var err error
			if own[m.name], err = m.manifests(p, o, read); err != nil {
				return nil, fmt.Errorf("cluster %s: %w", m.name, err)
			}
		}
		return func(ctx context.Context, m *member, g gate.Gate) (gate.Report, error) {
			carryOut := gate.Gate.Run
			if onlyPlan {
				carryOut = gate.Gate.Plan
			}
			r, err := carryOut(g, ctx, copied(own[m.name].Objects))
			r.Notes = append(own[m.name].Notes(), r.Notes...)
			return r, err
		}, nil
	})
}

// manifests are those of the member: what was read for all, unless it has its own. Its gate prunes by them.
func (m *member) manifests(p *program, o *options, read manifest.Manifests) (_ manifest.Manifests, err error) {
	if !slices.Equal(m.o.filenames, o.filenames) {
		if read, err = m.o.objects(p); err != nil {
			return read, err
		}
	}
	m.gate.Prune, err = m.o.pruned(read.Files)
	return read, err
}

// copied are objects that nobody else holds.
func copied(objects []manifest.Object) []manifest.Object {
	all := slices.Clone(objects)
	for i := range all {
		all[i].Unstructured = all[i].DeepCopy()
	}
	return all
}

// fleetOnRun is onRun in several clusters. Which run is meant is the same in all of them.
func (p *program) fleetOnRun(ctx context.Context, o *options, args []string, releases bool, carryOut recordedRun) error {
	id := record.NewID()
	if releases {
		p.leaveRunID(o.reportDir, id)
	}
	return p.withFleet(ctx, o, id, !releases, func(members []*member) (part, error) {
		run, err := commonRun(ctx, members, args, o.unfinished != "")
		if err != nil {
			return nil, err
		}
		which := gate.Which{Run: run, Unfinished: o.unfinished != "", Part: true}
		return func(ctx context.Context, m *member, g gate.Gate) (gate.Report, error) {
			return carryOut(g, ctx, which)
		}, nil
	})
}

// commonRun is the id of the run that the arguments name: the newest of all clusters, where they name none. An id has to be on
// record in one of them, unless there may be nothing to do.
func commonRun(ctx context.Context, members []*member, args []string, unfinished bool) (string, error) {
	named := len(args) == 1 && !strings.Contains(args[0], "/")
	if named && unfinished {
		return args[0], nil
	}
	var mu sync.Mutex
	var found []record.Summary
	errs := make([]error, len(members))
	var wg sync.WaitGroup
	for i, m := range members {
		wg.Go(func() {
			all, err := m.newest(ctx, args)
			if err != nil {
				errs[i] = fmt.Errorf("cluster %s: %w", m.name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			found = append(found, all...)
		})
	}
	wg.Wait()
	var err error
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		err = errs[i]
	}
	switch {
	case named && len(found) > 0: // the part of a cluster that could not be asked says so
	case named && err != nil:
		return "", fmt.Errorf("looking for run %s: %w", args[0], err)
	case err != nil:
		return "", fmt.Errorf("finding out which run is meant: %w\n  hint: name it, as `rolloutgate history` or the report of the run does", err)
	case len(found) == 0:
		which := " that is meant"
		if named {
			which = gate.Which{Run: args[0]}.String()
		}
		return "", noRun{fmt.Errorf("there is no run on record in any of the clusters%s\n  hint: `rolloutgate history --context NAME` lists those of one", which)}
	}
	return slices.MinFunc(found, record.Newest).ID, nil
}

// noRun is a run that was asked for and that is on record nowhere.
type noRun struct{ error }

// Outcome says what it means for the run.
func (noRun) Outcome() gate.Outcome { return gate.Refused }

// newest is the newest run in one cluster that the arguments mean, if there is one.
func (m *member) newest(ctx context.Context, args []string) ([]record.Summary, error) {
	which, err := m.o.which(ctx, m.client, args)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	all, err := m.gate.Store.Records(ctx, m.o.namespace())
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(s record.Summary) bool { means, known := which.Means(s); return means && known })
	if i < 0 {
		return nil, nil
	}
	return all[i : i+1], nil
}

// leaveRunID leaves the id of a run where its reports will be.
func (p *program) leaveRunID(dir, id string) {
	if err := writeRunID(dir, id); err != nil {
		fmt.Fprintf(p.stderr, "warning: %s\n", printable(err))
	}
}

// fleetLogs writes the whole logs of all clusters, which have the name of theirs before their own.
func (out *output) fleetLogs(r *gate.Report) error {
	all := *r
	for i, c := range r.Clusters {
		for j, l := range c.Report.Logs {
			l.File = "logs/" + fileName(c.Name) + "-" + strings.TrimPrefix(l.File, "logs/")
			r.Clusters[i].Report.Logs[j] = l
			all.Logs = append(all.Logs, l)
		}
	}
	written, err := out.logs(all)
	for i, c := range r.Clusters {
		r.Clusters[i].Report.Logs = slices.DeleteFunc(slices.Clone(written), func(l gate.KeptLog) bool {
			return !slices.ContainsFunc(c.Report.Logs, func(own gate.KeptLog) bool { return own.File == l.File })
		})
	}
	return err
}

// fileName is the name of a cluster as a part of a path. Two names never become the same.
func fileName(name string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	if safe == name && len(name) < 60 {
		return name
	}
	return fmt.Sprintf("%s-%.4x", safe[:min(len(safe), 40)], sha256.Sum256([]byte(name)))
}

// recordDir is where records are that are kept in files.
func (o *options) recordDir() string {
	dir := cmp.Or(o.unfinished, o.reportDir, ".")
	if o.place != "" {
		return filepath.Join(dir, fileName(o.place))
	}
	return dir
}
