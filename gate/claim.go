package gate

import (
	"context"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// claim is the lease that a run wants in each namespace.
func (r *run) claim(writes []patch.Write) []record.Lease {
	targets := map[string][]manifest.Ref{}
	for _, w := range writes {
		if w.Ref.Namespace == "" && w.Action == patch.Unchanged {
			continue // a Namespace or a CRD that everybody's manifests have
		}
		home := w.Ref.Namespace
		if home == "" {
			home = r.g.Namespace
		}
		if !slices.Contains(targets[home], w.Ref) {
			targets[home] = append(targets[home], w.Ref)
		}
	}
	var leases []record.Lease
	for namespace, refs := range targets {
		leases = append(leases, record.Lease{
			Run: r.report.Run.ID, Holder: r.report.Run.ID, Namespace: namespace, Home: r.g.Namespace, Kept: string(r.g.Keep), Targets: refs,
			Pipeline: r.g.Pipeline, Process: r.g.Here.Self, Taken: r.g.Store.Now().UTC().Truncate(time.Second),
		})
	}
	slices.SortFunc(leases, func(a, b record.Lease) int { // everybody takes them in one order
		if a.Namespace < b.Namespace {
			return -1
		}
		return 1
	})
	return leases
}

// housed parts claims in namespaces that are there from those in namespaces that the writes make.
func housed(claims []record.Lease, writes []patch.Write) (now, later []record.Lease) {
	for _, c := range claims {
		if makes(writes, c.Namespace) {
			later = append(later, c)
		} else {
			now = append(now, c)
		}
	}
	return now, later
}

// makes tells whether some writes make a namespace.
func makes(writes []patch.Write, namespace string) bool {
	return slices.ContainsFunc(writes, func(w patch.Write) bool {
		return w.Action == patch.Created && w.Ref.Group == "" && w.Ref.Kind == "Namespace" && w.Ref.Name == namespace
	})
}

// settle takes the lease in a namespace that the run has just made. Nobody can have been there before.
func (r *run) settle(ctx context.Context, namespace string) error {
	if r.lock == nil {
		return nil
	}
	i := slices.IndexFunc(r.lock.later, func(l record.Lease) bool { return l.Namespace == namespace })
	if i < 0 {
		return nil
	}
	var taken record.Lease
	err := insist(ctx, func() (err error) {
		taken, err = r.g.Store.TakeLease(ctx, r.lock.later[i])
		return err
	})
	if err != nil {
		return err
	}
	r.lock.mu.Lock()
	defer r.lock.mu.Unlock()
	r.lock.leases = append(r.lock.leases, taken)
	r.lock.later = slices.Delete(r.lock.later, i, i+1)
	return nil
}
