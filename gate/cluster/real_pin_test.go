//go:build cluster

package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

const fronting = "apiVersion: v1\nkind: Service\nmetadata: {name: front}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n"

// pinning is the write that pins a Service of the cluster which no manifest of the run changes.
func (f fixture) pinning(revision string, step int) patch.Write {
	f.t.Helper()
	live, err := f.at(services, f.ns).Get(f.t.Context(), "front", metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	w := patch.Write{
		Ref: manifest.Ref{Kind: "Service", Namespace: f.ns, Name: "front"}, Resource: services, Action: patch.Configured, Manager: patch.PinManager, Added: true,
		Before: live, After: live.DeepCopy(), At: f.Now(), Pin: &patch.Pin{Old: "old"},
		Sent: &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": "front", "namespace": f.ns}}},
	}
	if w, err = w.PinnedTo(step, revision); err != nil {
		f.t.Fatal(err)
	}
	return w
}

// TestPinAdded: a pin is tried without a trace, changes nothing but the selector, and goes without a trace, whoever owns
// the Service.
func TestPinAdded(t *testing.T) {
	for owner, create := range map[string]func(f fixture){
		"own":     func(f fixture) { f.apply(fronting) },
		"kubectl": func(f fixture) { f.kubectl(fronting, "-n", f.ns, "apply", "-f", "-") },
		"by-hand": func(f fixture) { f.kubectl(fronting, "-n", f.ns, "create", "-f", "-") },
		"other-tool": func(f fixture) {
			f.kubectl(fronting, "-n", f.ns, "apply", "--server-side", "--field-manager=helm", "-f", "-")
		},
	} {
		t.Run(owner, func(t *testing.T) {
			f := onCluster(t, Options{})
			create(f)
			w := f.pinning("old", 0)
			before := f.live(w)
			if err := f.TryStep(t.Context(), &w); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(before, f.live(w)); d != "" {
				t.Errorf("trying it has changed it:\n%s", d)
			}
			next, err := w.PinnedTo(1, "")
			if err != nil {
				t.Fatal(err)
			}
			if err := f.TryStep(t.Context(), &next); err != nil {
				t.Fatal(err)
			}
			if next, err = next.PinnedTo(1, "new"); err != nil {
				t.Fatal(err)
			}
			first := w
			for _, step := range []*patch.Write{&w, &next} {
				if step.Step > 0 {
					step.Last = first.Written
				}
				if err := f.Write(t.Context(), step); err != nil {
					t.Fatal(err)
				}
				first = *step
				if d := cmp.Diff(patch.Authored(step.After), patch.Authored(step.Written)); d != "" {
					t.Errorf("step %d was not predicted (-tried +written):\n%s", step.Step, d)
				}
				if got := f.get("service front {.spec.selector}"); !strings.Contains(got, `"pod-template-hash":"`+step.Pin.To+`"`) || !strings.Contains(got, `"app":"web"`) {
					t.Errorf("step %d: selector %s", step.Step, got)
				}
			}
			last, err := next.Unpinned(2)
			if err != nil {
				t.Fatal(err)
			}
			last.Last, last.Written = next.Written, nil
			if err := f.Write(t.Context(), &last); err != nil {
				t.Fatal(err)
			}
			if got := f.get("service front {.spec.selector}"); got != `{"app":"web"}` {
				t.Errorf("unpinned: selector %s", got)
			}
			f.exact(last)
		})
	}
}

// TestPinTraced: another process finds out which of two pins was the last, of which it knows only what they were to be.
func TestPinTraced(t *testing.T) {
	for name, c := range map[string]struct {
		steps int
		want  []bool
	}{"neither": {0, []bool{false, false}}, "the-first": {1, []bool{true, false}}, "both": {2, []bool{true, true}}} {
		t.Run(name, func(t *testing.T) {
			f := onCluster(t, Options{})
			f.apply(fronting)
			planned := []patch.Write{f.pinning("old", 0), f.pinning("new", 1)}
			var last *unstructured.Unstructured
			for _, w := range planned[:c.steps] {
				w.Last = last
				if err := f.Write(t.Context(), &w); err != nil {
					t.Fatal(err)
				}
				last = w.Written
			}
			for i := range planned {
				if err := f.Trace(t.Context(), &planned[i]); err != nil || (planned[i].Written != nil) != c.want[i] {
					t.Errorf("step %d is found written: %v, %v", i, planned[i].Written != nil, err)
				}
			}
			if last, arrived := patch.Arrived(planned); arrived {
				f.exact(last)
			}
		})
	}
}

// TestPinHalfGivenBack: who comes after a process that died between the two writes by which a Service is given back gives
// its fields back to their owners.
func TestPinHalfGivenBack(t *testing.T) {
	f := onCluster(t, Options{})
	f.kubectl(fronting, "-n", f.ns, "create", "-f", "-")
	planned := f.pinning("old", 0)
	w := planned
	if err := f.Write(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	inverse, err := patch.Invert(w, f.live(w), f.undoManagerFor(w), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.of(&w).Update(t.Context(), inverse.Object, metav1.UpdateOptions{FieldManager: f.undoManagerFor(w)}); err != nil {
		t.Fatal(err)
	}
	if err := f.Trace(t.Context(), &planned); err != nil || planned.Written == nil {
		t.Fatalf("it is found written: %v, %v", planned.Written != nil, err)
	}
	f.exact(planned)
}

// TestPinOfAnother: a Service that somebody else has changed since it was planned is not pinned, and what somebody else
// writes into it later stays.
func TestPinOfAnother(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(fronting)
	w := f.pinning("old", 0)
	f.kubectl("", "-n", f.ns, "patch", "service", "front", "-p", `{"spec":{"selector":{"tier":"front"}}}`)
	if err := f.Write(t.Context(), &w); err == nil {
		t.Error("a Service that was changed meanwhile is pinned")
	}
	w = f.pinning("old", 0)
	if err := f.Write(t.Context(), &w); err != nil {
		t.Fatal(err)
	}
	f.kubectl("", "-n", f.ns, "label", "service/front", "seen=yes")
	if u := f.Undo(t.Context(), w); u.Err != nil || u.Action != patch.Restored || len(u.Kept) > 0 {
		t.Errorf("undo: %s %q %v %+v", u.Action, u.Why, u.Err, u.Kept)
	}
	if got := f.get("service front {.spec.selector} {.metadata.labels.seen}"); got != `{"app":"web","tier":"front"} yes` {
		t.Errorf("it is %s", got)
	}
}

// TestFront: whose pods a Service has, and whose else.
func TestFront(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	f.kubectl("apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80}]}\n---\n"+
		"apiVersion: v1\nkind: Service\nmetadata: {name: others}\nspec: {selector: {app: other}, ports: [{port: 80}]}\n---\n"+
		"apiVersion: v1\nkind: Service\nmetadata: {name: nothing}\nspec: {ports: [{port: 80}]}\n", "-n", f.ns, "create", "-f", "-")
	of := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: f.ns, Name: "web"}
	front, err := f.Front(t.Context(), of, "")
	for range 100 { // the controller makes the ReplicaSet when it comes to that
		if err != nil || front.Revision != "" && front.Pods == 2 {
			break
		}
		f.kubectl("", "-n", f.ns, "get", "pods")
		front, err = f.Front(t.Context(), of, "")
	}
	if err != nil || front.Revision == "" || front.Wanted != 2 || front.Others != 0 || len(front.Shared) > 0 {
		t.Fatalf("%+v, %v", front, err)
	}
	if len(front.Services) != 1 || front.Services[0].GetName() != "web" {
		t.Errorf("Services %v", front.Services)
	}
	other, err := f.Front(t.Context(), of, "gone")
	if err != nil || other.Pods != 0 || other.Ready != 0 || other.Others != 2 || len(other.Services) != 1 {
		t.Errorf("of a revision without pods: %+v, %v", other, err)
	}
	pod := func(name, labels string) {
		f.kubectl("apiVersion: v1\nkind: Pod\nmetadata: {name: "+name+", labels: {"+labels+"}}\nspec: {nodeName: none, containers: [{name: app, image: registry.example/web:v1}]}\n", "-n", f.ns, "create", "-f", "-")
	}
	pod("evicted", "app: web, pod-template-hash: older")
	f.kubectl("", "-n", f.ns, "patch", "pod", "evicted", "--subresource=status", "-p", `{"status":{"phase":"Failed","reason":"Evicted"}}`)
	if front, err = f.Front(t.Context(), of, ""); err != nil || front.Others != 0 || len(front.Shared) > 0 {
		t.Errorf("with an evicted pod of a version long gone: %+v, %v", front, err)
	}
	pod("older", "app: web, pod-template-hash: older")
	if front, err = f.Front(t.Context(), of, ""); err != nil || front.Others != 1 || len(front.Shared) > 0 {
		t.Errorf("with a pod of another version: %+v, %v", front, err)
	}
	pod("stray", "app: web")
	if front, err = f.Front(t.Context(), of, ""); err != nil || front.Others != 1 || len(front.Shared) != 1 || front.Shared[0] != "web" {
		t.Errorf("with a pod of somebody else: %+v, %v", front, err)
	}
	if _, err := f.Front(t.Context(), manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: f.ns, Name: "none"}, ""); err == nil {
		t.Error("a Deployment that is not there has a front")
	}
}
