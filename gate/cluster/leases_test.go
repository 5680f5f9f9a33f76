package cluster

import (
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// TestReleaseLease: a lease that is another version by now is given back when the holder is the same, for then it was
// renewed and the answer was lost. What somebody else has is left alone.
func TestReleaseLease(t *testing.T) {
	for holder, left := range map[string]int{"ME": 0, "OTHER": 1} {
		server := fake.NewSimpleClientset()
		c := &Client{typed: server, clock: &serverClock{}}
		lease := record.Lease{Run: "ME", Holder: "ME", Namespace: "shop"}
		taken, err := c.TakeLease(t.Context(), record.Lease{Run: "ME", Holder: holder, Namespace: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		lease.Version = taken.Version + "1"
		conflicts := 1
		server.PrependReactor("delete", "leases", func(clienttesting.Action) (bool, runtime.Object, error) {
			conflicts--
			return conflicts >= 0, nil, apierrors.NewConflict(schema.GroupResource{Resource: "leases"}, "rolloutgate-me", nil)
		})
		if err := c.ReleaseLease(t.Context(), lease); err != nil {
			t.Error(err)
		}
		all, err := c.Leases(t.Context(), "shop")
		if err != nil || len(all) != left {
			t.Errorf("held by %s: %d leases are left, %v", holder, len(all), err)
		}
	}
}
