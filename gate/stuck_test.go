package gate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// strandedWorld is a cluster with one StatefulSet, which is put back, and the pods that are left of it.
type strandedWorld struct {
	*world
	set   *unstructured.Unstructured
	pods  []*corev1.Pod
	read  bool // the pods
	err   error
	asked int
}

func (s *strandedWorld) Watch(ctx context.Context, targets []rollout.Target) Watch {
	return strandedWatch{&fakeWatch{w: s.world, ctx: ctx, targets: targets}, s}
}

type strandedWatch struct {
	*fakeWatch
	s *strandedWorld
}

func (w strandedWatch) Workload(int) rollout.Workload {
	return rollout.Workload{Live: rollout.Typed(w.s.set), Pods: w.s.pods, PodsKnown: w.s.read}
}

func (s *strandedWorld) FreeStuck(ctx context.Context, live rollout.Object, revision string) ([]string, error) {
	if s.asked++; s.err != nil {
		return nil, s.err
	}
	s.pods = nil
	return s.world.FreeStuck(ctx, live, revision)
}

// TestFreeOnly: a cancelled run frees what would keep its undo from having an effect, and does not wait for more.
func TestFreeOnly(t *testing.T) {
	pod := func(revision string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "db-1", Labels: map[string]string{"controller-revision-hash": revision}}}
	}
	for name, c := range map[string]struct {
		pods     []*corev1.Pod
		unread   bool
		keep     bool
		err      error
		asked    int
		freed    int
		from, to time.Duration
	}{
		"a pod of the bad release": {pods: []*corev1.Pod{pod("db-bad")}, freed: 1, asked: 1, to: time.Second},
		"a pod of the old version": {pods: []*corev1.Pod{pod("db-old")}, to: time.Second},
		"nothing is known":         {unread: true, from: freeTime, to: freeTime + time.Second},
		"it may not":               {pods: []*corev1.Pod{pod("db-bad")}, err: errRefused, asked: 1},
		"as it was asked for":      {pods: []*corev1.Pod{pod("db-bad")}, keep: true},
	} {
		synctest.Test(t, func(t *testing.T) {
			set := &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": map[string]any{"name": "db", "namespace": "shop", "generation": int64(3)},
				"status": map[string]any{"observedGeneration": int64(3), "currentRevision": "db-old", "updateRevision": "db-old"},
			}}
			w := &strandedWorld{world: newWorld(), set: set, pods: c.pods, read: !c.unread, err: c.err}
			r := Gate{Cluster: w, KeepStuckPods: c.keep, Namespace: "shop"}.begin(t.Context(), "run")
			began := time.Now()
			ref := manifest.Ref{Group: "apps", Kind: "StatefulSet", Namespace: "shop", Name: "db"}
			r.freeOnly([]patch.Undone{
				{Action: patch.Restored, Restored: set, Write: patch.Write{Ref: ref, Before: set, Written: set}},
				{Action: patch.Restored, Restored: &unstructured.Unstructured{}, Write: patch.Write{Ref: manifest.Ref{Kind: "ConfigMap", Name: "settings"}}},
			})
			took := time.Since(began)
			r.course.stop()
			if len(w.freed) != c.freed || w.asked != c.asked || took < c.from || took > c.to {
				t.Errorf("%s: freed %v after asking %d times, in %s", name, w.freed, w.asked, took)
			}
		})
	}
}

// TestInTheWay: the pods that stand in the way are freed, whichever run has made them.
func TestInTheWay(t *testing.T) {
	ref := manifest.Ref{Group: "apps", Kind: "StatefulSet", Namespace: "shop", Name: "db"}
	live := rollout.Typed(&unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": map[string]any{"name": "db"}}})
	for name, c := range map[string]struct {
		blockedBy, undone string
		keep              bool
		want              string
	}{
		"nothing":                        {},
		"what the undo has taken back":   {undone: "db-bad", want: "db-bad"},
		"the version of an earlier run":  {blockedBy: "db-older", undone: "db-bad", want: "db-older"},
		"an undo that was there already": {undone: "db-old"},
		"a good new version is blocked":  {blockedBy: "db-bad", want: "db-bad"},
		"as it was asked for":            {blockedBy: "db-bad", keep: true},
	} {
		r := Gate{Cluster: newWorld(), KeepStuckPods: c.keep}.begin(t.Context(), "run")
		target := rollout.Target{Ref: ref}
		f := &follower{r: r, targets: []rollout.Target{target}, states: []state{newState(target, diagnosis.Patience{})}, undone: map[manifest.Ref]string{ref: c.undone}}
		f.states[0].write = &patch.Write{Ref: ref, Action: patch.Configured}
		got, stuck := f.stuck(0, rollout.Workload{Live: live}, rollout.Status{Ref: ref, Revision: "db-old", BlockedBy: c.blockedBy})
		if got.revision != c.want || stuck != (c.want != "") {
			t.Errorf("%s: frees %q, %v", name, got.revision, stuck)
		}
		r.course.stop()
	}
}
