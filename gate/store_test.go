package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// books are a made-up store. Runs in it see each other as in a real one; who is alive says living.
type books struct {
	w       *world
	mu      sync.Mutex
	leases  map[string]record.Lease // by namespace and run
	records map[string][][]byte     // by namespace and run
	version int
	log     []string // what was asked for, in order
	fault   func(what string) error
	lose    func(what string) error // what was done, and whose answer is lost
}

// answer is what comes back of something that was done.
func (b *books) answer(what string) error {
	if b.lose != nil {
		return b.lose(what)
	}
	return nil
}

func newBooks(w *world) *books {
	return &books{w: w, leases: map[string]record.Lease{}, records: map[string][][]byte{}}
}

func (b *books) did(what string) error {
	b.log = append(b.log, what)
	if b.fault != nil {
		return b.fault(what)
	}
	return nil
}

func (b *books) Leases(_ context.Context, namespace string) ([]record.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("list leases"); err != nil {
		return nil, err
	}
	var all []record.Lease
	for _, key := range slices.Sorted(maps.Keys(b.leases)) {
		if strings.HasPrefix(key, namespace+"/") {
			all = append(all, b.leases[key])
		}
	}
	return all, nil
}

// slowBooks answer so late that two runs have taken their leases before either sees the other.
type slowBooks struct{ *books }

func (b slowBooks) Leases(ctx context.Context, namespace string) ([]record.Lease, error) {
	time.Sleep(time.Second)
	return b.books.Leases(ctx, namespace)
}

func (b *books) put(l record.Lease) record.Lease {
	b.version++
	l.Version, l.Renewed = fmt.Sprint(b.version), time.Now()
	b.leases[l.Namespace+"/"+l.Run] = l
	return l
}

func (b *books) TakeLease(_ context.Context, l record.Lease) (record.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("take lease"); err != nil {
		return l, err
	}
	return b.put(l), b.answer("take lease")
}

func (b *books) mine(l record.Lease) error {
	now, there := b.leases[l.Namespace+"/"+l.Run]
	switch {
	case !there:
		return &record.LostError{Run: l.Run}
	case now.Version != l.Version:
		return &record.LostError{Run: l.Run, To: now.Holder}
	}
	return nil
}

func (b *books) RenewLease(_ context.Context, l record.Lease) (record.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("renew lease"); err != nil {
		return l, err
	}
	if err := b.mine(l); err != nil {
		return l, err
	}
	l.Begun, l.Decision = true, b.leases[l.Namespace+"/"+l.Run].Decision
	return b.put(l), nil
}

func (b *books) SeizeLease(_ context.Context, l record.Lease, holder string) (record.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("seize lease"); err != nil {
		return l, err
	}
	if err := b.mine(l); err != nil {
		return l, err
	}
	l.Holder = holder
	return b.put(l), nil
}

func (b *books) ReleaseLease(_ context.Context, l record.Lease) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("release lease"); err != nil {
		return err
	}
	if l.Version == "" || b.mine(l) == nil {
		delete(b.leases, l.Namespace+"/"+l.Run)
	}
	return nil
}

func (b *books) MarkLease(_ context.Context, l record.Lease) (record.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("mark lease"); err != nil {
		return l, err
	}
	now, there := b.leases[l.Namespace+"/"+l.Run]
	if !there || now.Holder != l.Holder {
		return l, &record.LostError{Run: l.Run, To: now.Holder}
	}
	return b.put(l), nil
}

func (b *books) ReadLease(_ context.Context, l record.Lease) (record.Lease, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, there := b.leases[l.Namespace+"/"+l.Run]
	if !there || now.Holder != l.Holder {
		return l, &record.LostError{Run: l.Run, To: now.Holder}
	}
	return now, nil
}

func (b *books) SaveRecord(_ context.Context, r record.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("save " + string(r.State)); err != nil {
		return err
	}
	parts, err := r.Encode(record.PartSize)
	b.records[r.Namespace+"/"+r.ID] = parts
	return errors.Join(err, b.answer("save "+string(r.State)))
}

func (b *books) LoadRecord(_ context.Context, namespace, run string) (record.Record, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("load"); err != nil {
		return record.Record{}, err
	}
	parts, there := b.records[namespace+"/"+run]
	if !there {
		return record.Record{}, &record.MissingError{Run: run}
	}
	return record.Decode(parts)
}

func (b *books) Records(_ context.Context, namespace string) ([]record.Summary, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("list records"); err != nil {
		return nil, err
	}
	var all []record.Summary
	for key, parts := range b.records {
		r, err := record.Decode(parts)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(key, namespace+"/") {
			all = append(all, r.Summary())
		}
	}
	slices.SortFunc(all, record.Newest)
	return all, nil
}

func (b *books) ForgetRecord(_ context.Context, namespace string, s record.Summary) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.did("forget"); err != nil {
		return err
	}
	delete(b.records, namespace+"/"+s.ID)
	return nil
}

// Trace knows the versions: the second is what a run writes.
func (b *books) Trace(_ context.Context, w *patch.Write) error {
	b.w.mu.Lock()
	defer b.w.mu.Unlock()
	if w.Action == patch.Pruned {
		if b.w.objects[w.Ref.Name].version == 0 {
			w.Written = w.Before
		}
		return nil
	}
	if t := b.w.objects[w.Ref.Name]; t.version == 2 && !t.gone && string(t.object(2).GetUID()) != w.Replaces {
		w.Written = t.object(2)
	}
	return nil
}

func (b *books) Rebase(_ context.Context, earlier, w patch.Write) (patch.Write, error) {
	w.Base = &patch.Base{Object: earlier.Origin()}
	return w, nil
}

func (b *books) Now() time.Time { return time.Now() }

// states are those of the runs on record, the oldest first, and how many leases there are.
func (b *books) states() string {
	runs, err := b.Records(context.Background(), "shop")
	if err != nil {
		return err.Error()
	}
	var all []string
	for _, s := range slices.Backward(runs) {
		all = append(all, string(s.State))
	}
	return fmt.Sprintf("%s; %d leases", strings.Join(all, " "), len(b.leases))
}

// dies leaves what a run leaves that is killed after its n-th write: the record, the lease, and what it has written.
func (b *books) dies(id string, n int, names ...string) {
	b.w.mu.Lock()
	r := record.Record{ID: id, Namespace: "shop", Started: time.Now().Add(-time.Minute), State: record.Running, Stages: []record.Stage{{Name: "all", Judge: true}}}
	l := record.Lease{Run: id, Holder: id, Namespace: "shop", Home: "shop", Taken: r.Started, Process: record.Process{Machine: "here", ID: 1, Started: "then"}}
	for i, name := range names {
		t := b.w.objects[name]
		w := patch.Write{Ref: t.ref(), Manager: "rolloutgate", Action: patch.Configured, Before: t.object(1), Sent: t.object(2), After: t.object(2), At: r.Started}
		if !t.existed {
			w.Action, w.Before = patch.Created, nil
		}
		if i < n {
			t.version, t.at = 2, r.Started
		}
		r.Stages[0].Writes = append(r.Stages[0].Writes, w)
		l.Targets = append(l.Targets, w.Ref)
	}
	b.w.mu.Unlock()
	if err := b.SaveRecord(context.Background(), r); err != nil {
		panic(err)
	}
	b.mu.Lock()
	b.put(l)
	b.mu.Unlock()
}

// kept is a gate over a made-up world with books, on a machine on which nobody else lives.
func kept(b *books) Gate {
	g := gated(b.w)
	g.Store, g.History = b, 3
	g.Here = record.Here{Self: record.Process{Machine: "here", ID: 2, Started: "now"}, Started: func(int) (string, bool) { return "", true }}
	return g
}

// forgetsSecrets makes the record of a run one that is kept outside of the cluster.
func (b *books) forgetsSecrets(run string) {
	r, err := b.LoadRecord(context.Background(), "shop", run)
	if err = errors.Join(err, b.SaveRecord(context.Background(), r.Without())); err != nil {
		panic(err)
	}
}
