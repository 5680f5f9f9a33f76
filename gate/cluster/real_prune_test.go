//go:build cluster

package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// pruneCases are objects of which something is bound to what they are, beside those of every undo.
var pruneCases = map[string]string{
	"nodeport": `
apiVersion: v1
kind: Service
metadata: {name: open}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80}]}
`,
	"job": `
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: once, image: "registry.example/once:v1"}]}
`,
	"pod": `
apiVersion: v1
kind: Pod
metadata: {name: bare}
spec: {containers: [{name: bare, image: "registry.example/bare:v1"}]}
`,
	"claim": `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: "", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`,
	"account": `
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader}
`,
	"role": `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
`,
}

// pruning are the deletions of what a run has written.
func (f fixture) pruning(writes []patch.Write) []patch.Write {
	f.t.Helper()
	var prunes []patch.Write
	for _, w := range writes {
		prunes = append(prunes, patch.Write{
			Ref: w.Ref, Resource: w.Resource, Action: patch.Pruned, Manager: w.Manager, Sent: w.Sent, Before: f.live(w), At: f.Now(),
		})
	}
	return prunes
}

// TestPruneAndBack: what was deleted is created again as it was, field owners and their times included.
func TestPruneAndBack(t *testing.T) {
	cases := map[string]string{}
	for name, c := range undoCases {
		cases[name] = c.before
	}
	for name, text := range pruneCases {
		cases[name] = text
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := onCluster(t, Options{})
			w := f.pruning(f.apply(text))[0]
			if err := f.Write(t.Context(), &w); err != nil && !errors.As(err, new(*patch.HeldError)) || w.Written == nil {
				t.Fatalf("%v", err)
			}
			traced := w
			if traced.Written = nil; f.Trace(t.Context(), &traced) != nil || traced.Written == nil {
				t.Error("nobody finds out that it was deleted")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			u := f.Undo(ctx, w)
			if u.Err != nil || u.Action != patch.Recreated {
				t.Fatalf("%s %v %s", u.Action, u.Err, u.Why)
			}
			now := f.live(w)
			if d := cmp.Diff(asCreated(w.Before), asCreated(now)); d != "" {
				t.Errorf("-before +now:\n%s", d)
			}
			if d := cmp.Diff(authors(w.Before), authors(now)); d != "" {
				t.Errorf("owners: -before +now:\n%s", d)
			}
			if now.GetUID() == w.Before.GetUID() {
				t.Error("it was not deleted")
			}
			// A second try finds it done.
			if again := f.Undo(ctx, w); again.Err != nil || again.Action != patch.Recreated {
				t.Errorf("again: %s %v %s", again.Action, again.Err, again.Why)
			}
		})
	}
}

// authors are the owners but controllers, in one order.
func authors(u *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	all := slices.DeleteFunc(owners(u), func(m metav1.ManagedFieldsEntry) bool {
		return strings.HasPrefix(m.Manager, "kube-")
	})
	slices.SortFunc(all, func(a, b metav1.ManagedFieldsEntry) int { return strings.Compare(a.Manager, b.Manager) })
	return all
}

// asCreated is an object without what is bound to what it was before.
func asCreated(u *unstructured.Unstructured) map[string]any {
	out := &unstructured.Unstructured{Object: patch.Authored(patch.Anew(u))}
	unstructured.RemoveNestedField(out.Object, "spec", "nodeName")
	labels := out.GetLabels() // those of the node are given to a Pod when it is bound to one
	maps.DeleteFunc(labels, func(key, _ string) bool {
		return out.GetKind() == "Pod" && strings.HasPrefix(key, "topology.kubernetes.io/")
	})
	out.SetLabels(labels)
	return out.Object
}

// TestAddressIsTaken: a Service whose address and port somebody else has by now gets others.
func TestAddressIsTaken(t *testing.T) {
	f := onCluster(t, Options{})
	w := f.pruning(f.apply(pruneCases["nodeport"]))[0]
	if err := f.Write(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	other := patch.Anew(w.Before)
	other.SetName("other")
	if _, err := f.of(&w).Create(t.Context(), other, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if u := f.Undo(t.Context(), w); u.Err != nil || u.Action != patch.Recreated {
		t.Fatalf("%s %v", u.Action, u.Err)
	}
	address := func(u *unstructured.Unstructured) string {
		ip, _, _ := unstructured.NestedString(u.Object, "spec", "clusterIP")
		return ip
	}
	if got := address(f.live(w)); got == "" || got == address(w.Before) {
		t.Errorf("its address is %s, that of before was %s", got, address(w.Before))
	}
}

// TestPruneConditions: what is not the object that was planned any more is left alone.
func TestPruneConditions(t *testing.T) {
	for name, c := range map[string]struct {
		change func(f fixture)
		says   string
	}{
		"changed": {func(f fixture) { f.kubectl("", "-n", f.ns, "patch", "configmap", "conf", "-p", `{"data":{"a":"9"}}`) }, "data.a was changed by kubectl-patch since"},
		"annotated": {func(f fixture) {
			f.kubectl("", "-n", f.ns, "annotate", "configmap", "conf", "helm.sh/resource-policy=keep")
		}, "asks for that"},
		"anew": {func(f fixture) {
			f.kubectl("", "-n", f.ns, "delete", "configmap", "conf")
			f.kubectl("", "-n", f.ns, "create", "configmap", "conf")
		}, "it was deleted and created again"},
		"gone": {func(f fixture) { f.kubectl("", "-n", f.ns, "delete", "configmap", "conf") }, "was deleted by somebody else"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := onCluster(t, Options{})
			w := f.pruning(f.apply(undoCases["configmap"].before))[0]
			c.change(f)
			err := f.Write(t.Context(), &w)
			if err == nil || w.Written != nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %s", err, c.says)
			}
		})
	}
}

// TestRecreatedByOthers: what somebody else has created again meanwhile is theirs, and a deletion that did not arrive is none.
func TestRecreatedByOthers(t *testing.T) {
	f := onCluster(t, Options{})
	w := f.pruning(f.apply(undoCases["configmap"].before))[0]
	if u := f.Undo(t.Context(), w); u.Err != nil || u.Action != patch.NotWritten {
		t.Errorf("not deleted: %s %v", u.Action, u.Err)
	}
	if err := f.Write(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	f.kubectl("", "-n", f.ns, "create", "configmap", "conf")
	if u := f.Undo(t.Context(), w); u.Err != nil || u.Action != patch.Left {
		t.Errorf("%s %v", u.Action, u.Err)
	}
}

// TestReaders: what runs pods in a namespace is found by what it reads.
func TestReaders(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	f.apply(pruneCases["pod"])
	for _, pods := range []bool{false, true} {
		all, err := f.Readers(t.Context(), f.ns, pods)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for _, r := range all {
			if !slices.Contains(kinds, r.Object.Kind) {
				kinds = append(kinds, r.Object.Kind)
			}
		}
		if want := map[bool]string{false: "Deployment", true: "Deployment Pod"}[pods]; strings.Join(kinds, " ") != want {
			t.Errorf("pods %t: %v, want %s", pods, kinds, want)
		}
	}
}
