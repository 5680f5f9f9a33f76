package gate

import (
	"context"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/prune"
)

// pruneWorld is what a made-up world knows about pruning.
type pruneWorld struct {
	leftovers       func(l *prune.Leftover) // changes what is found of one
	leftoversErr    error
	readers         func(pods bool) []prune.Reader
	readersErr      error
	lacksForPruning []string
	held            []string // the finalizers of deleted objects
	recreateFails   error
}

// appliedAt is when the API server noted the last apply of every made-up object.
var appliedAt = metav1.NewTime(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))

func applied(u *unstructured.Unstructured, at metav1.Time) {
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "rolloutgate", Operation: metav1.ManagedFieldsOperationApply, Time: &at}})
}

func (w *world) Leftovers(_ context.Context, members []patch.Write) ([]prune.Leftover, error) {
	var all []prune.Leftover
	for _, m := range members {
		m.Manager = "rolloutgate"
		l := prune.Leftover{Was: m}
		t := w.objects[m.Ref.Name]
		if live := w.as(t, t.version); live != nil && !t.gone {
			applied(live, appliedAt)
			l.Live = live
		}
		if m.Written != nil {
			l.Was.Written = m.Written.DeepCopy()
			applied(l.Was.Written, appliedAt)
		}
		if w.leftovers != nil {
			w.leftovers(&l)
		}
		all = append(all, l)
	}
	return all, w.leftoversErr
}

func (w *world) Readers(_ context.Context, _ string, pods bool) ([]prune.Reader, error) {
	if w.readers == nil {
		return nil, w.readersErr
	}
	return w.readers(pods), w.readersErr
}

func (w *world) LacksForPruning(context.Context, []patch.Write) []string { return w.lacksForPruning }

func (w *world) prune(ctx context.Context, t *thing, write *patch.Write) error {
	err := w.step(ctx, w.writeTakes, "prune "+t.name, func() { t.version, t.at = 0, time.Now() })
	if err == nil || t.version == 0 {
		write.Written = write.Before
	}
	if err == nil && len(w.held) > 0 {
		return &patch.HeldError{Ref: write.Ref, Finalizers: w.held}
	}
	return err
}

func (w *world) recreate(ctx context.Context, t *thing, u patch.Undone) patch.Undone {
	if t.version != 0 {
		u.Action = patch.NotWritten
		return u
	}
	if u.Write.Origin() == nil {
		u.Action = patch.Deleted
		return u
	}
	u.Action, u.Err = patch.Recreated, w.recreateFails
	if u.Err == nil {
		u.Err = w.step(ctx, w.undoTakes, "recreate "+t.name, func() { t.version, t.at = 1, time.Now() })
		u.Restored = w.as(t, 1)
	}
	return u
}

// without are the manifests of all but some names.
func (w *world) without(all []string, names ...string) []manifest.Object {
	return w.manifests(slices.DeleteFunc(slices.Clone(all), func(n string) bool { return slices.Contains(names, n) })...)
}
