package cluster

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// TestRemove: an object is deleted only when it is the one that is meant, and Remove waits until it is gone.
func TestRemove(t *testing.T) {
	jobs := schema.GroupResource{Group: "batch", Resource: "jobs"}
	for name, c := range map[string]struct {
		uid     string // of what is there; empty: nothing
		answers []error
		stays   time.Duration // after the deletion
		want    string
		deleted int
	}{
		"there":                {uid: "old", deleted: 1},
		"gone by itself":       {},
		"another one":          {uid: "new", want: "was created by somebody else"},
		"not allowed":          {uid: "old", answers: []error{apierrors.NewForbidden(jobs, "migrate", errors.New("no"))}, want: "deleting job/migrate", deleted: 1},
		"a moment of trouble":  {uid: "old", answers: []error{apierrors.NewInternalError(errors.New("etcd")), nil}, deleted: 2},
		"its pods end at last": {uid: "old", stays: 10 * time.Second, deleted: 1},
		"its pods do not end":  {uid: "old", stays: time.Hour, want: context.DeadlineExceeded.Error(), deleted: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ref := manifest.Ref{Group: "batch", Kind: "Job", Namespace: "shop", Name: "migrate"}
				live := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "batch/v1", "kind": "Job", "metadata": map[string]any{"name": ref.Name, "namespace": ref.Namespace}}}
				live.SetUID(types.UID(c.uid))
				client := fake.NewSimpleDynamicClient(runtime.NewScheme())
				deleted, gone := 0, time.Time{}
				client.PrependReactor("get", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
					if c.uid == "" || !gone.IsZero() && !time.Now().Before(gone) {
						return true, nil, apierrors.NewNotFound(jobs, ref.Name)
					}
					return true, live, nil
				})
				client.PrependReactor("delete", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
					o := a.(clienttesting.DeleteActionImpl).DeleteOptions
					if o.Preconditions == nil || string(*o.Preconditions.UID) != c.uid || *o.PropagationPolicy != metav1.DeletePropagationForeground {
						t.Errorf("deleted with %+v", o)
					}
					if deleted++; deleted <= len(c.answers) && c.answers[deleted-1] != nil {
						return true, nil, c.answers[deleted-1]
					}
					gone = time.Now().Add(c.stays)
					return true, nil, nil
				})
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				w := patch.Write{Ref: ref, Resource: manifest.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespaced: true}}
				err := (&Client{dynamic: client}).Remove(ctx, w, "old")
				if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if deleted != c.deleted {
					t.Errorf("asked for the deletion %d times, want %d", deleted, c.deleted)
				}
			})
		})
	}
}

// TestOtherName: the API server is asked about an object of another name, which is one for every kind.
func TestOtherName(t *testing.T) {
	for _, name := range []string{"migrate", strings.Repeat("long-", 40), strings.Repeat("a", 49) + ".b"} {
		other := otherName(name)
		if other == name || len(other) > 63 || strings.Contains(other, ".-") || strings.Contains(other, "--") || other != strings.ToLower(other) || other == otherName(name) {
			t.Errorf("%s: %s", name, other)
		}
	}
}

// TestReplacedIsNotArrived: the object of an earlier run, which a write was to replace, is not what it has written.
func TestReplacedIsNotArrived(t *testing.T) {
	now := metav1.Now()
	live := &unstructured.Unstructured{Object: map[string]any{"kind": "Job", "metadata": map[string]any{"name": "migrate"}}}
	live.SetUID("old")
	live.SetCreationTimestamp(now)
	live.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: DefaultFieldManager, Operation: metav1.ManagedFieldsOperationApply, Time: &now}})
	w := patch.Write{Action: patch.Created, Manager: DefaultFieldManager, At: now.Time, Replaces: "old"}
	if arrived(&w, live) != nil {
		t.Error("the older one counts as written")
	}
	live.SetUID("new")
	if arrived(&w, live) == nil {
		t.Error("the new one does not count as written")
	}
}
