//go:build cluster

package cluster

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// These tests prove against a real API server what no fake can: field ownership, admission, exact undo.

// fixture is a namespace of its own on the cluster of KUBECONFIG.
type fixture struct {
	*Client
	t  *testing.T
	ns string
}

func onCluster(t *testing.T, o Options) fixture {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Fatal("KUBECONFIG is not set: run this test with `sandbox run -- go test -tags cluster`")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{t: t, ns: "t-" + strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(t.Name(), "/", "-"), "_", "-"))}
	f.ns += "-" + strings.ToLower(rand.Text()[:4]) // the one of an earlier run may still be going away
	f.kubectl("", "create", "namespace", f.ns)
	t.Cleanup(func() { f.kubectl("", "delete", "namespace", f.ns, "--wait=false") })
	o.Namespace = f.ns
	if f.Client, err = New(config, o); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fixture) kubectl(stdin string, args ...string) string {
	f.t.Helper()
	c := exec.Command("kubectl", args...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		f.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (f fixture) read(text string) []manifest.Object {
	f.t.Helper()
	path := filepath.Join(f.t.TempDir(), "objects.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.t.Fatal(err)
	}
	read, err := manifest.Read(manifest.Options{Filenames: []string{path}})
	if err != nil {
		f.t.Fatal(err)
	}
	return read.Objects
}

func (f fixture) plan(text string) patch.Plan {
	f.t.Helper()
	plan, err := f.Plan(f.t.Context(), f.read(text))
	if err != nil {
		f.t.Fatal(err)
	}
	return plan
}

// apply plans and applies, and fails the test when anything is refused.
func (f fixture) apply(text string) []patch.Write {
	f.t.Helper()
	plan := f.plan(text)
	for _, r := range plan.Refusals {
		f.t.Fatalf("%s refused: %v", r.Object.Ref(), r.Err)
	}
	for i := range plan.Writes {
		if err := f.Write(f.t.Context(), &plan.Writes[i]); err != nil {
			f.t.Fatal(err)
		}
	}
	return plan.Writes
}

// undo takes writes back, the last one first.
func (f fixture) undo(writes []patch.Write) (undone []patch.Undone) {
	for _, w := range slices.Backward(writes) {
		undone = append(undone, f.Undo(f.t.Context(), w))
	}
	return undone
}

func (f fixture) live(w patch.Write) *unstructured.Unstructured {
	f.t.Helper()
	u, err := f.of(&w).Get(f.t.Context(), w.Ref.Name, metav1.GetOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	return u
}

// get is one part of an object: kind, name and a JSONPath.
func (f fixture) get(query string) string {
	f.t.Helper()
	parts := strings.SplitN(query, " ", 3)
	return f.kubectl("", "-n", f.ns, "get", parts[0], parts[1], "-o", "jsonpath="+parts[2])
}

// owners are the field owners that are not those of a status, without the controller's own.
func owners(u *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
	return slices.DeleteFunc(u.GetManagedFields(), func(m metav1.ManagedFieldsEntry) bool { return m.Subresource != "" })
}

// TestExactUndo: whoever applied an object before, an undo leaves it as if this run had never been, field owners
// included.
func TestExactUndo(t *testing.T) {
	for kind, c := range undoCases {
		for who, applier := range appliers {
			t.Run(kind+"-"+who, func(t *testing.T) {
				t.Parallel()
				f := onCluster(t, Options{Force: applier.force})
				applier.apply(f, c.before)
				writes := f.apply(c.after)
				if len(writes) != 1 || writes[0].Action != patch.Configured {
					t.Fatalf("writes: %+v", writes)
				}
				f.exact(writes[0])
			})
		}
	}
}

// TestTakeOverIsOneRollout: the first apply after kubectl removes what kubectl had applied and the manifest no longer
// has, in one change of the template.
func TestTakeOverIsOneRollout(t *testing.T) {
	f := onCluster(t, Options{})
	f.kubectl(deployment, "-n", f.ns, "apply", "-f", "-")
	f.kubectl("", "-n", f.ns, "rollout", "status", "deployment/web", "--timeout=30s")
	plan := f.plan(changedDeployment)
	diff := plan.Writes[0].Diff()
	for _, want := range []string{`(?m)^-\s+- name: A$`, `(?m)^\+\s+- name: B$`, `(?m)^-\s+image: registry.example/web:v1$`, `(?m)^\+\s+image: registry.example/web:v2$`} {
		if !regexp.MustCompile(want).MatchString(diff) {
			t.Errorf("the plan's diff lacks %s:\n%s", want, diff)
		}
	}
	change := f.apply(changedDeployment)[0]
	if got, want := change.Written.GetGeneration(), change.Before.GetGeneration()+1; got != want {
		t.Errorf("generation %d, want %d: one change", got, want)
	}
	f.kubectl("", "-n", f.ns, "rollout", "status", "deployment/web", "--timeout=30s")
	if n := strings.Count(f.kubectl("", "-n", f.ns, "get", "rs", "-o", "name"), "replicaset"); n != 2 {
		t.Errorf("%d ReplicaSets, want 2", n)
	}
	containers, _, _ := unstructured.NestedSlice(change.Written.Object, "spec", "template", "spec", "containers")
	env, _, _ := unstructured.NestedSlice(containers[0].(map[string]any), "env")
	if len(env) != 1 {
		t.Errorf("env is %v, want only B", env)
	}
	if d := cmp.Diff(patch.Authored(plan.Writes[0].After), patch.Authored(change.Written)); d != "" {
		t.Errorf("the plan did not predict what was written (-plan +written):\n%s", d)
	}
}

func TestUnchangedIsNotWritten(t *testing.T) {
	f := onCluster(t, Options{})
	first := f.apply(deployment)[0]
	second := f.apply(deployment)[0]
	if second.Action != patch.Unchanged {
		t.Errorf("action %s, want unchanged:\n%s", second.Action, f.plan(deployment).Writes[0].Diff())
	}
	if first.Written.GetGeneration() != second.Written.GetGeneration() {
		t.Error("the generation changed")
	}
}

// TestOneRefusalStopsAll: when the API server refuses one object, none is written.
func TestOneRefusalStopsAll(t *testing.T) {
	f := onCluster(t, Options{})
	for name, bad := range map[string]string{
		"unknown-field": strings.Replace(deployment, "image:", "imagee:", 1),
		"invalid":       strings.Replace(deployment, "replicas: 2", "replicas: -2", 1),
		"selector":      strings.Replace(deployment, "matchLabels: {app: web}", "matchLabels: {app: x}", 1),
	} {
		plan := f.plan("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good}\n---" + bad)
		if len(plan.Refusals) != 1 || plan.Refusals[0].Object.GetKind() != "Deployment" {
			t.Errorf("%s: refusals %+v", name, plan.Refusals)
		}
	}
	if out := f.kubectl("", "-n", f.ns, "get", "configmap", "good", "--ignore-not-found", "-o", "name"); out != "" {
		t.Errorf("something was written: %s", out)
	}
}

func TestConflictNamesTheManager(t *testing.T) {
	f := onCluster(t, Options{})
	f.kubectl(deployment, "-n", f.ns, "apply", "--server-side", "--field-manager=helm", "-f", "-")
	plan := f.plan(changedDeployment)
	if len(plan.Refusals) != 1 || !apierrors.IsConflict(plan.Refusals[0].Err) {
		t.Fatalf("refusals %+v", plan.Refusals)
	}
	if text := plan.Refusals[0].Err.Error(); !strings.Contains(text, `"helm"`) || !strings.Contains(text, "image") {
		t.Errorf("the conflict does not name manager and field: %s", text)
	}
}

// TestAutoscalerKeepsReplicas: with an autoscaler on the target, the replicas of the manifest are not applied.
func TestAutoscalerKeepsReplicas(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	f.apply(undoCases["autoscaler"].before)
	f.kubectl("", "-n", f.ns, "scale", "deployment/web", "--replicas=3")
	change := f.apply(changedDeployment)[0]
	if n, _, _ := unstructured.NestedInt64(change.Written.Object, "spec", "replicas"); n != 3 {
		t.Errorf("replicas %d, want 3 as the autoscaler left it", n)
	}
	undone := f.undo([]patch.Write{change})
	if n, _, _ := unstructured.NestedInt64(undone[0].Restored.Object, "spec", "replicas"); n != 3 || undone[0].Err != nil {
		t.Errorf("after the undo: replicas %d, error %v", n, undone[0].Err)
	}
}

// TestUndoGoesOnWhereItWasCut: the first of the two writes of an undo has gone through, and its answer was lost.
func TestUndoGoesOnWhereItWasCut(t *testing.T) {
	f := onCluster(t, Options{})
	f.kubectl(deployment, "-n", f.ns, "apply", "-f", "-")
	change := f.apply(changedDeployment)[0]
	// The controller writes its status meanwhile, so the write may need the version after that.
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		half := f.live(change)
		inverse, err := patch.Invert(change, half, f.undoManager(), nil)
		if err != nil {
			return err
		}
		_, err = f.of(&change).Update(t.Context(), inverse.Object, metav1.UpdateOptions{FieldManager: f.undoManager()})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	u := f.undo([]patch.Write{change})[0]
	if u.Err != nil || u.Action != patch.Restored || !u.Exact() {
		t.Fatalf("undo: %s %q %v", u.Action, u.Why, u.Err)
	}
	if d := cmp.Diff(owners(change.Before), owners(f.live(change))); d != "" {
		t.Errorf("its field owners are not what they were (-before +after):\n%s", d)
	}
}

// TestForeignChangesStay: an undo touches nothing that somebody else has changed since, and puts back the rest.
func TestForeignChangesStay(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment + "---" + undoCases["configmap"].before)
	writes := f.apply(changedDeployment + "---" + undoCases["configmap"].after)
	f.kubectl("", "-n", f.ns, "set", "image", "deployment/web", "app=registry.example/web:v3")
	f.kubectl("", "-n", f.ns, "patch", "configmap", "conf", "-p", `{"data":{"c":"theirs"}}`)
	kept := map[string]string{"Deployment": "spec.template.spec.containers[name=app].image", "ConfigMap": "data.c"}
	for _, u := range f.undo(writes) {
		if u.Action != patch.Restored || u.Err != nil || !u.Exact() || len(u.Kept) != 1 || u.Kept[0].Path != kept[u.Write.Ref.Kind] || !strings.HasPrefix(u.Kept[0].Manager, "kubectl") {
			t.Errorf("%s: %s %v %+v", u.Write.Ref, u.Action, u.Err, u.Kept)
		}
	}
	for query, want := range map[string]string{
		"deployment web {.spec.template.spec.containers[0].image}":     "registry.example/web:v3",
		"deployment web {.spec.template.spec.containers[0].env..name}": "A",
		"deployment web {.metadata.labels.new}":                        "",
		"configmap conf {.data}":                                       `{"a":"1","b":"2","c":"theirs"}`,
	} {
		if got := f.get(query); got != want {
			t.Errorf("%s is %q, want %q", query, got, want)
		}
	}
}

// TestForeignMetadataSurvives: labels and annotations that others added since are theirs; scaling is not taken back.
func TestForeignMetadataSurvives(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(deployment)
	changes := f.apply(changedDeployment)
	f.kubectl("", "-n", f.ns, "annotate", "deployment/web", "note=theirs")
	f.kubectl("", "-n", f.ns, "scale", "deployment/web", "--replicas=5")
	u := f.undo(changes)[0]
	if u.Err != nil || u.Action != patch.Restored {
		t.Fatalf("undo: %s %v", u.Action, u.Err)
	}
	after := f.live(u.Write)
	replicas, _, _ := unstructured.NestedInt64(after.Object, "spec", "replicas")
	if after.GetAnnotations()["note"] != "theirs" || replicas != 5 || after.GetLabels()["new"] != "" {
		t.Errorf("annotations %v labels %v replicas %d", after.GetAnnotations(), after.GetLabels(), replicas)
	}
}

// TestCreatedIsRemoved: what the run created is gone after the undo, with everything below it; a claim that a
// controller has bound meanwhile too.
func TestCreatedIsRemoved(t *testing.T) {
	f := onCluster(t, Options{})
	changes := f.apply(deployment + "---" + undoCases["service"].before + "---" + undoCases["secret"].before)
	f.kubectl("", "-n", f.ns, "rollout", "status", "deployment/web", "--timeout=30s")
	undone := f.undo(changes)
	for _, u := range undone {
		if u.Err != nil || u.Action != patch.Deleted {
			t.Errorf("%s: %s %s %v", u.Write.Ref, u.Action, u.Why, u.Err)
		}
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			if gone, err := f.Gone(t.Context(), u); gone {
				break
			} else if err != nil || time.Now().After(deadline) {
				t.Fatalf("%s is still there: %v", u.Write.Ref, err)
			}
		}
	}
	if out := f.kubectl("", "-n", f.ns, "get", "pods", "-o", "name"); out != "" {
		t.Errorf("pods are left: %s", out)
	}
}

const crdAndObject = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: NAMEs.rolloutgate.test}
spec:
  group: rolloutgate.test
  scope: Namespaced
  names: {kind: KIND, plural: NAMEs, singular: NAME}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}}
---
apiVersion: rolloutgate.test/v1
kind: KIND
metadata: {name: one}
spec: {size: 3}
`

// TestKindOfTheSamePlan: a CRD and an object of its kind go in one run, in any order.
func TestKindOfTheSamePlan(t *testing.T) {
	f := onCluster(t, Options{})
	text := strings.NewReplacer("NAME", "gadget", "KIND", "Gadget").Replace(crdAndObject)
	parts := strings.Split(text, "---")
	changes := f.apply(parts[1] + "---" + parts[0])
	t.Cleanup(func() { f.kubectl("", "delete", "crd", "gadgets.rolloutgate.test") })
	if len(changes) != 2 || changes[1].Ref.Kind != "Gadget" {
		t.Fatalf("changes %v", changes)
	}
	if out := f.kubectl("", "-n", f.ns, "get", "gadget", "one", "-o", "jsonpath={.spec.size}"); out != "3" {
		t.Errorf("size %s", out)
	}
}

func TestNamespaceOfTheSamePlan(t *testing.T) {
	f := onCluster(t, Options{})
	text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + f.ns + "-new}\n---" + strings.Replace(deployment, "name: web\n", "name: web\n  namespace: "+f.ns+"-new\n", 1)
	f.apply(text)
	defer f.kubectl("", "delete", "namespace", f.ns+"-new", "--wait=false")
	if plan := f.plan(text); plan.Changes() {
		t.Error("the second plan wants changes")
	}
}

// TestPlannedWhileItIsDeleted: what would go with an object that is about to be gone is planned when it is gone.
func TestPlannedWhileItIsDeleted(t *testing.T) {
	f := onCluster(t, Options{})
	const text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings, finalizers: [rolloutgate.test/slow]}\n"
	f.apply(text)
	f.kubectl("", "-n", f.ns, "delete", "configmap", "settings", "--wait=false")
	freed := make(chan time.Time, 1)
	go func() {
		time.Sleep(2 * time.Second)
		freed <- time.Now()
		f.kubectl("", "-n", f.ns, "patch", "configmap", "settings", "--type=merge", "-p", `{"metadata":{"finalizers":null}}`)
	}()
	plan := f.plan(text)
	if planned := time.Now(); len(plan.Refusals) > 0 || plan.Writes[0].Action != patch.Created || planned.Before(<-freed) {
		t.Errorf("%s %v", plan.Writes[0].Action, plan.Refusals)
	}
}

func TestSecretsAreMasked(t *testing.T) {
	f := onCluster(t, Options{})
	f.apply(undoCases["secret"].before)
	plan := f.plan(undoCases["secret"].after)
	diff := plan.Writes[0].Diff()
	for _, secret := range plan.SecretValues() {
		if len(secret) > 3 && strings.Contains(diff, secret) {
			t.Errorf("the diff shows %q:\n%s", secret, diff)
		}
	}
	if !slices.Contains(plan.SecretValues(), "first-password") || !slices.Contains(plan.SecretValues(), "second-password") {
		t.Errorf("values known: %q", plan.SecretValues())
	}
	if !strings.Contains(diff, "*** (before)") || !strings.Contains(diff, "*** (after)") {
		t.Errorf("the diff does not show that something changed:\n%s", diff)
	}
}

// TestPlannedAgainstSomethingElse: an object that changed between plan and apply is not overwritten.
func TestPlannedAgainstSomethingElse(t *testing.T) {
	f := onCluster(t, Options{Force: true})
	f.apply(deployment)
	plan := f.plan(changedDeployment)
	f.kubectl("", "-n", f.ns, "set", "image", "deployment/web", "app=registry.example/web:theirs")
	w := plan.Writes[0]
	if err := f.Write(t.Context(), &w); err == nil || !strings.Contains(err.Error(), "was changed by") || w.Written != nil {
		t.Errorf("written %v, error %v", w.Written, err)
	}
}

func TestUnreachable(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("https://127.0.0.1:1", "")
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(config, Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Plan(context.Background(), fixture{t: t}.read(deployment))
	if !IsUnreachable(err) {
		t.Errorf("error %v, want unreachable", err)
	}
}

// TestNamespaceWithForeignContentIsLeft: deleting a namespace would delete what others have put there meanwhile.
func TestNamespaceWithForeignContentIsLeft(t *testing.T) {
	f := onCluster(t, Options{})
	text := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + f.ns + "-new}\n---" + strings.Replace(deployment, "name: web\n", "name: web\n  namespace: "+f.ns+"-new\n", 1)
	changes := f.apply(text)
	f.kubectl("", "-n", f.ns+"-new", "create", "configmap", "theirs")
	undone := f.undo(changes)
	if last := undone[len(undone)-1]; last.Action != patch.Left || !strings.Contains(last.Why, "configmaps/theirs") {
		t.Errorf("namespace: %s %q %v", last.Action, last.Why, last.Err)
	}
	f.kubectl("", "-n", f.ns+"-new", "delete", "configmap", "theirs")
	undone = f.undo(changes)
	if last := undone[len(undone)-1]; last.Action != patch.Deleted || last.Err != nil {
		t.Errorf("empty namespace: %s %q %v", last.Action, last.Why, last.Err)
	}
}
