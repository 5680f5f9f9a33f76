package patch

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const (
	runManager  = "rolloutgate"
	undoManager = "rolloutgate-undo"
)

// server keeps one object and its field owners with the API server's own code, without defaults and validation.
type server struct {
	t      testing.TB
	fields *managedfields.FieldManager
	live   *unstructured.Unstructured
	pause  time.Duration // after each write; the times of owners have no finer grain than a second
}

func newServer(t testing.TB, of *unstructured.Unstructured, types managedfields.TypeConverter) *server {
	bare := &unstructured.Unstructured{Object: map[string]any{"apiVersion": of.GetAPIVersion(), "kind": of.GetKind()}}
	if types == nil {
		types = applyconfigurations.NewTypeConverter(scheme.Scheme)
		if _, err := types.ObjectToTyped(bare); err != nil {
			types = managedfields.NewDeducedTypeConverter()
		}
	}
	return &server{t: t, live: bare, pause: time.Second, fields: managedfieldstest.NewFakeFieldManager(types, of.GroupVersionKind())}
}

// apply is a server-side apply with force. What the manager applied before and does not now goes away.
func (s *server) apply(u *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	s.t.Helper()
	applied := u.DeepCopy()
	applied.SetManagedFields(nil)
	out, err := s.fields.Apply(s.live, applied, manager, true)
	if err != nil {
		s.t.Fatalf("applying as %s: %v", manager, err)
	}
	return s.keep(out.(*unstructured.Unstructured))
}

// update is a PUT. Managed fields in the object count, as in a real one.
func (s *server) update(u *unstructured.Unstructured, manager string) *unstructured.Unstructured {
	s.t.Helper()
	out, err := s.fields.Update(s.live, u.DeepCopy(), manager)
	if err != nil {
		s.t.Fatalf("writing as %s: %v", manager, err)
	}
	return s.keep(out.(*unstructured.Unstructured))
}

// keep reads the object as from JSON.
func (s *server) keep(u *unstructured.Unstructured) *unstructured.Unstructured {
	time.Sleep(s.pause)
	data, err := json.Marshal(u)
	if err != nil {
		s.t.Fatal(err)
	}
	s.live = &unstructured.Unstructured{}
	if err := s.live.UnmarshalJSON(data); err != nil {
		s.t.Fatal(err)
	}
	return s.live.DeepCopy()
}

// edit is an update that changes something in the object as it is now.
func (s *server) edit(manager string, change func(map[string]any)) *unstructured.Unstructured {
	u := s.live.DeepCopy()
	change(u.Object)
	return s.update(u, manager)
}

// undo plays the whole undo: the write, and the owners after it.
func (s *server) undo(inv *Inverse) (*unstructured.Unstructured, []metav1.ManagedFieldsEntry) {
	now := s.update(inv.Object, undoManager)
	return now, inv.Owners(now)
}

// bubble runs a test with a clock of its own.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

func object(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return u
}

func sameOwners(t *testing.T, want, got []metav1.ManagedFieldsEntry) {
	t.Helper()
	if SameOwners(want, got) {
		return
	}
	t.Errorf("owners (-want +got):\n%s", cmp.Diff(ownerLines(want), ownerLines(got)))
}

func ownerLines(es []metav1.ManagedFieldsEntry) []string {
	var lines []string
	for _, e := range es {
		lines = append(lines, string(encodeEntry(e)))
	}
	return lines
}

func sameObject(t *testing.T, want, got any) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("object (-want +got):\n%s", d)
	}
}

func keptPaths(ks []Kept) string {
	var all []string
	for _, k := range ks {
		all = append(all, k.Path+" by "+k.Manager)
	}
	return strings.Join(all, "; ")
}
