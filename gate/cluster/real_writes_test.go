//go:build cluster

package cluster

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// exact undoes a write and checks that nothing of it is left.
func (f fixture) exact(w patch.Write) {
	f.t.Helper()
	u := f.Undo(f.t.Context(), w)
	if u.Err != nil || u.Action != patch.Restored || !u.Exact() || len(u.Kept) > 0 {
		f.t.Errorf("undo: %s %q %v, altered %t, kept %+v", u.Action, u.Why, u.Err, u.Altered, u.Kept)
		return
	}
	after := f.live(w)
	if d := cmp.Diff(patch.Authored(w.Before), patch.Authored(after)); d != "" {
		f.t.Errorf("the object is not what it was (-before +after):\n%s", d)
	}
	if !patch.SameOwners(owners(w.Before), owners(after)) {
		f.t.Errorf("its field owners are not what they were (-before +after):\n%s", cmp.Diff(owners(w.Before), owners(after)))
	}
}

// TestPortsThatDifferByProtocol: kubectl's strategic merge knows ports by number only.
func TestPortsThatDifferByProtocol(t *testing.T) {
	f := onCluster(t, Options{})
	before := "apiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {selector: {app: dns}, ports: [{name: tcp, port: 53, protocol: TCP}]}\n"
	f.kubectl(before, "-n", f.ns, "apply", "-f", "-")
	w := f.apply(strings.Replace(before, "]}", ", {name: udp, port: 53, protocol: UDP}]}", 1))[0]
	if d := cmp.Diff(patch.Authored(w.After), patch.Authored(w.Written)); d != "" {
		t.Errorf("the plan did not predict what was written (-plan +written):\n%s", d)
	}
	if got := f.get("service dns {.spec.ports[*].name}"); got != "tcp udp" {
		t.Errorf("ports %q", got)
	}
	f.exact(w)
}

// TestReplicas: they belong to whoever scales.
func TestReplicas(t *testing.T) {
	withoutReplicas := strings.NewReplacer("  replicas: 2\n", "", "web:v1", "web:v2").Replace(deployment)
	hpa := strings.Replace(undoCases["autoscaler"].before, "minReplicas: 1", "minReplicas: 2", 1)
	// An autoscaler without metrics wants its minimum; the tests scale by hand and write before it comes to that.
	asleep := func(f fixture) {
		f.kubectl("", "-n", f.ns, "patch", "deployment", "web", "--subresource=scale", "--type=merge", "-p", `{"spec":{"replicas":0}}`)
	}
	for name, c := range map[string]struct {
		force  bool
		before func(f fixture)
		after  string
		want   string
	}{
		"taken out of the manifest": {false, func(f fixture) { f.apply(strings.Replace(deployment, "replicas: 2", "replicas: 3", 1)) }, withoutReplicas, "3"},
		"taken out, kubectl": {false, func(f fixture) {
			f.kubectl(strings.Replace(deployment, "replicas: 2", "replicas: 3", 1), "-n", f.ns, "apply", "-f", "-")
		}, withoutReplicas, "3"},
		"taken out, created": {true, func(f fixture) {
			f.kubectl(strings.Replace(deployment, "replicas: 2", "replicas: 3", 1), "-n", f.ns, "create", "-f", "-")
		}, withoutReplicas, "3"},
		"taken out, with an autoscaler": {false, func(f fixture) { f.apply(strings.Replace(deployment, "replicas: 2", "replicas: 3", 1)); f.apply(hpa) }, withoutReplicas, "3"},
		"a hand scaled, none in the manifest": {false, func(f fixture) {
			f.apply(withoutReplicas)
			f.kubectl("", "-n", f.ns, "scale", "deployment/web", "--replicas=4")
		}, strings.Replace(withoutReplicas, "web:v2", "web:v3", 1), "4"},
		"the manifest's number": {false, func(f fixture) { f.apply(deployment) }, strings.Replace(deployment, "replicas: 2", "replicas: 1", 1), "1"},
		"asleep at zero":        {true, func(f fixture) { f.apply(deployment); f.apply(hpa); asleep(f) }, strings.Replace(deployment, "web:v1", "web:v2", 1), "2"},
	} {
		t.Run(strings.NewReplacer(" ", "-", ",", "", "'", "").Replace(name), func(t *testing.T) {
			f := onCluster(t, Options{Force: c.force})
			c.before(f)
			w := f.apply(c.after)[0]
			for what, u := range map[string]*unstructured.Unstructured{"written": w.Written, "planned": w.After} {
				if n, _, _ := unstructured.NestedInt64(u.Object, "spec", "replicas"); fmt.Sprint(n) != c.want {
					t.Errorf("%s: %d replicas, want %s", what, n, c.want)
				}
			}
			if _, sends, _ := unstructured.NestedInt64(w.Sent.Object, "spec", "replicas"); !sends {
				for _, m := range w.Written.GetManagedFields() {
					if m.Manager == f.fieldManager && strings.Contains(string(m.FieldsV1.GetRawBytes()), "f:replicas") {
						t.Error("we still own the replicas")
					}
				}
			}
			if again := f.plan(c.after); again.Changes() {
				t.Errorf("a second run wants changes:\n%s", again.Writes[0].Diff())
			}
			f.exact(w)
		})
	}
}

// TestWhatStays: what another manager owns beside the manifest stays, and the plan says so.
func TestWhatStays(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	f.kubectl("", "-n", f.ns, "set", "env", "deployment/web", "ERROR_RATE=0.5")
	f.kubectl("", "-n", f.ns, "annotate", "deployment/web", "note=theirs")
	plan := f.plan(strings.Replace(deployment, "web:v1", "web:v2", 1))
	want := []string{"deployment/web: spec.template.spec.containers[name=app].env[name=ERROR_RATE] stays, owned by kubectl-set: the manifest does not have it"}
	if d := cmp.Diff(want, plan.Notes); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
}

// TestForcedOverHands: with --force-conflicts the variables are those of the manifest.
func TestForcedOverHands(t *testing.T) {
	for who, before := range map[string]func(f fixture){
		"create": func(f fixture) {
			f.kubectl(strings.Replace(deployment, `[{name: A, value: "1"}]`, `[{name: A, value: "1"}, {name: ERROR_RATE, value: "0.5"}]`, 1), "-n", f.ns, "create", "-f", "-")
		},
		"set": func(f fixture) {
			f.apply(deployment)
			f.kubectl("", "-n", f.ns, "set", "env", "deployment/web", "ERROR_RATE=0.5")
		},
	} {
		t.Run(who, func(t *testing.T) {
			f := onCluster(t, Options{Force: true})
			before(f)
			w := f.apply(strings.Replace(deployment, "web:v1", "web:v2", 1))[0]
			if got := f.get("deployment web {.spec.template.spec.containers[0].env[*].name}"); got != "A" {
				t.Errorf("variables %q", got)
			}
			if d := cmp.Diff(patch.Authored(w.After), patch.Authored(w.Written)); d != "" {
				t.Errorf("the plan did not predict what was written (-plan +written):\n%s", d)
			}
			f.exact(w)
		})
	}
}

// TestStaleResourceVersion: what only the server sets is no condition.
func TestStaleResourceVersion(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	stale := strings.Replace(changedDeployment, "metadata:\n  name: web", "metadata:\n  resourceVersion: \"1\"\n  uid: 6b5e1d6c-0000-0000-0000-000000000000\n  creationTimestamp: null\n  name: web", 1)
	if w := f.apply(stale)[0]; w.Action != patch.Configured {
		t.Errorf("action %s", w.Action)
	}
}

// TestKeysOfOthers: an undo leaves the keys that somebody else has written meanwhile, and nothing else.
func TestKeysOfOthers(t *testing.T) {
	for kind, c := range map[string]struct{ theirs, query, want, kept string }{
		"configmap": {`{"data":{"banner":"theirs"}}`, "configmap conf {.data}", `{"a":"1","b":"2","banner":"theirs"}`, ""},
		"secret":    {`{"stringData":{"password":"rotated"}}`, "secret key {.data}", `{"password":"cm90YXRlZA=="}`, "data.password"},
	} {
		t.Run(kind, func(t *testing.T) {
			f := onCluster(t, Options{})
			f.apply(undoCases[kind].before)
			w := f.apply(undoCases[kind].after)[0]
			f.kubectl("", "-n", f.ns, "patch", kind, w.Ref.Name, "-p", c.theirs)
			u := f.Undo(t.Context(), w)
			var kept []string
			for _, k := range u.Kept {
				kept = append(kept, k.Path)
			}
			if u.Err != nil || u.Action != patch.Restored || !u.Exact() || strings.Join(kept, " ") != c.kept {
				t.Errorf("undo: %s %q %v kept %v", u.Action, u.Why, u.Err, kept)
			}
			if got := f.get(c.query); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestCreatedAndUsedByOthers: what others have written into an object that this run created is not deleted with it.
func TestCreatedAndUsedByOthers(t *testing.T) {
	f := onCluster(t, Options{})
	writes := f.apply(undoCases["configmap"].before + "---" + deployment)
	f.kubectl("", "-n", f.ns, "patch", "configmap", "conf", "-p", `{"data":{"banner":"theirs"}}`)
	f.kubectl("", "-n", f.ns, "label", "deployment/web", "seen=yes")
	f.kubectl("", "-n", f.ns, "scale", "deployment/web", "--replicas=1")
	for _, u := range f.undo(writes) {
		want := map[string]patch.UndoAction{"ConfigMap": patch.Left, "Deployment": patch.Deleted}[u.Write.Ref.Kind]
		if u.Err != nil || u.Action != want {
			t.Errorf("%s: %s %q %v", u.Write.Ref, u.Action, u.Why, u.Err)
		}
		if want == patch.Left && (len(u.Kept) != 1 || u.Kept[0].Path != "data.banner") {
			t.Errorf("kept %+v", u.Kept)
		}
	}
}

// TestLostAnswer: another process undoes a write of which it only knows what was meant.
func TestLostAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		arrives bool
		text    string
		before  bool
		want    patch.UndoAction
	}{
		"changed":     {true, changedDeployment, true, patch.Restored},
		"not changed": {false, changedDeployment, true, patch.NotWritten},
		"created":     {true, deployment, false, patch.Deleted},
		"not created": {false, deployment, false, patch.NotWritten},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			f := onCluster(t, Options{})
			if c.before {
				f.kubectl(deployment, "-n", f.ns, "apply", "-f", "-")
			}
			w := f.plan(c.text).Writes[0]
			data, err := json.Marshal(w)
			if err != nil {
				t.Fatal(err)
			}
			var kept patch.Write
			if err := json.Unmarshal(data, &kept); err != nil {
				t.Fatal(err)
			}
			if c.arrives {
				if err := f.Write(t.Context(), &w); err != nil {
					t.Fatal(err)
				}
			}
			u := f.Undo(t.Context(), kept)
			if u.Err != nil || u.Action != c.want || len(u.Kept) > 0 {
				t.Fatalf("undo: %s %q %v %+v", u.Action, u.Why, u.Err, u.Kept)
			}
			if !c.before {
				return
			}
			live := f.live(w)
			if !patch.SameAuthored(live, w.Before) {
				t.Error("it is not what it was")
			}
			if d := cmp.Diff(owners(w.Before), owners(live)); d != "" {
				t.Errorf("its field owners are not what they were (-before +after):\n%s", d)
			}
		})
	}
}

// TestCustomKind: lists of custom kinds are compared by the keys that their CRD says.
func TestCustomKind(t *testing.T) {
	f := onCluster(t, Options{})
	crd := strings.NewReplacer("NAME", "widget", "KIND", "Widget", "properties: {size: {type: integer}}",
		"properties: {size: {type: integer, default: 1}, parts: {type: array, x-kubernetes-list-type: map, x-kubernetes-list-map-keys: [name], items: {type: object, required: [name], properties: {name: {type: string}, count: {type: integer}}}}}").Replace(strings.Split(crdAndObject, "---")[0])
	f.apply(crd)
	t.Cleanup(func() { f.kubectl("", "delete", "crd", "widgets.rolloutgate.test") })
	f.kubectl("", "wait", "--for=condition=Established", "crd/widgets.rolloutgate.test")
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		f.mapper.Reset()
		widget := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "rolloutgate.test/v1", "kind": "Widget"}}
		if _, err := f.resourceFor(t.Context(), widget.GroupVersionKind()); err == nil && patch.Knows(f.schemas(t.Context(), widget), widget) {
			break // the API server publishes both a while after the kind is established
		}
	}
	object := "apiVersion: rolloutgate.test/v1\nkind: Widget\nmetadata: {name: one}\nspec: {parts: [{name: a, count: 1}]}\n"
	f.apply(object)
	w := f.apply(strings.Replace(object, "count: 1}]", "count: 2}, {name: b, count: 1}], size: 3", 1))[0]
	f.exact(w)
	w = f.apply(strings.Replace(object, "count: 1}]", "count: 2}, {name: b, count: 1}], size: 3", 1))[0]
	f.kubectl(strings.Replace(object, "[{name: a, count: 1}]", "[{name: theirs, count: 7}]", 1), "-n", f.ns, "apply", "--server-side", "--field-manager=theirs", "-f", "-")
	u := f.Undo(t.Context(), w)
	if u.Err != nil || u.Action != patch.Restored || len(u.Kept) > 0 {
		t.Errorf("undo: %s %q %v %+v", u.Action, u.Why, u.Err, u.Kept)
	}
	if got := f.get("widget one {.spec.parts[*].name} {.spec.parts[*].count} {.spec.size}"); got != "a theirs 1 7 1" {
		t.Errorf("parts and size: %s", got)
	}
}

// TestSuperseded: nothing of this run is left to take back.
func TestSuperseded(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	w := f.apply(strings.Replace(deployment, "web:v1", "web:v2", 1))[0]
	f.kubectl("", "-n", f.ns, "set", "image", "deployment/web", "app=registry.example/web:v3")
	u := f.Undo(t.Context(), w)
	if u.Err != nil || u.Action != patch.Left || len(u.Kept) != 1 || !strings.Contains(u.Why, "kubectl-set") {
		t.Errorf("undo: %s %q %v %+v", u.Action, u.Why, u.Err, u.Kept)
	}
	if f.get("deployment web {.spec.template.spec.containers[0].image}") != "registry.example/web:v3" {
		t.Error("somebody else's image was changed")
	}
}
