package patch

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// ownedBy adds an entry of managed fields.
func ownedBy(u *unstructured.Unstructured, manager string, operation metav1.ManagedFieldsOperationType, fields string) {
	e := metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, APIVersion: u.GetAPIVersion(), FieldsType: "FieldsV1", FieldsV1: &metav1.FieldsV1{}}
	e.FieldsV1.SetRawBytes([]byte(fields))
	u.SetManagedFields(append(u.GetManagedFields(), e))
}

const web = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
  template:
    spec:
      containers:
      - {name: app, image: "web:v1", env: [{name: A, value: "1"}, {name: B, value: "2"}], livenessProbe: {httpGet: {port: 80, scheme: HTTP}, periodSeconds: 10}}
`

const webFields = `{"f:metadata":{"f:labels":{"f:app":{}}},"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:name":{},"f:image":{},
	"f:env":{"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},"f:livenessProbe":{"f:httpGet":{"f:port":{}}}}}}}}}`

// TestApply: what server-side apply would make of it, and what it leaves that the API server has added itself.
func TestApply(t *testing.T) {
	live := object(t, web)
	ownedBy(live, "rolloutgate", metav1.ManagedFieldsOperationApply, webFields)
	ownedBy(live, "hand", metav1.ManagedFieldsOperationUpdate, `{"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{"f:env":{"k:{\"name\":\"B\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`)
	sent := object(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  strategy: {type: Recreate}
  template:
    spec:
      containers:
      - {name: app, image: "web:v2", livenessProbe: {tcpSocket: {port: 80}}}
`)
	merged, err := Apply(live, sent, "rolloutgate", nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when, query string, want any) {
		t.Helper()
		containers, _, _ := unstructured.NestedSlice(merged.Object, "spec", "template", "spec", "containers")
		root := map[string]any{"spec": merged.Object["spec"], "metadata": merged.Object["metadata"], "container": containers[0]}
		got, _, _ := unstructured.NestedFieldNoCopy(root, strings.Split(query, ".")...)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s (-want +got):\n%s", when, query, d)
		}
	}
	check("applied", "container.image", "web:v2")
	check("applied", "container.env", []any{map[string]any{"name": "B", "value": "2"}}) // the hand's
	check("applied", "metadata.labels", nil)
	check("applied", "spec.replicas", nil)
	check("applied", "container.livenessProbe", map[string]any{"tcpSocket": map[string]any{"port": int64(80)}, "periodSeconds": int64(10)})

	for path, want := range map[string]bool{"": false, "spec": false, "spec.replicas": false, "spec.template.spec.containers[7].image": false, "spec.strategy.rollingUpdate": true} {
		if got := Forbidden(merged, sent, path, "rolloutgate", false, nil); got != want {
			t.Errorf("forbidden %q: %t", path, got)
		}
	}
	check("without what is forbidden", "spec.strategy", map[string]any{"type": "Recreate"})
}

// TestForbiddenOfOthers: what another manager wants is only taken away by force.
func TestForbiddenOfOthers(t *testing.T) {
	sent := object(t, "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {strategy: {type: Recreate}}}")
	for _, force := range []bool{false, true} {
		merged := object(t, strings.Replace(web, "type: RollingUpdate", "type: Recreate", 1))
		ownedBy(merged, "hand", metav1.ManagedFieldsOperationUpdate, `{"f:spec":{"f:strategy":{"f:rollingUpdate":{"f:maxSurge":{}}}}}`)
		if got := Forbidden(merged, sent, "spec.strategy.rollingUpdate", "rolloutgate", force, nil); got != force {
			t.Errorf("force %t: removed %t", force, got)
		}
	}
}

// TestStays: items of lists and keys of maps that others own, and nothing else.
func TestStays(t *testing.T) {
	after := object(t, strings.NewReplacer("{app: web}", "{app: web, team: x}", "namespace: shop", "namespace: shop, annotations: {note: theirs, ours: yes-it-is}, finalizers: [x.example/y]").Replace(web))
	ownedBy(after, "rolloutgate", metav1.ManagedFieldsOperationApply, webFields)
	ownedBy(after, "hand", metav1.ManagedFieldsOperationUpdate, `{"f:metadata":{"f:annotations":{"f:note":{}},"f:finalizers":{"v:\"x.example/y\"":{}},"f:labels":{"f:team":{}}},"f:spec":{"f:replicas":{},"f:minReadySeconds":{},
		"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"app\"}":{"f:env":{"k:{\"name\":\"B\"}":{".":{},"f:name":{},"f:value":{}}}}}}}}}`)
	ownedBy(after, "kube-controller-manager", metav1.ManagedFieldsOperationUpdate, `{"f:metadata":{"f:labels":{"f:team":{}}}}`)
	sent := object(t, `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}, annotations: {ours: yes-it-is}}
spec: {template: {spec: {containers: [{name: app, image: "web:v1", env: [{name: A, value: "1"}]}]}}}
`)
	want := []Kept{{Path: "metadata.labels.team", Manager: "hand"}, {Path: "spec.template.spec.containers[name=app].env[name=B]", Manager: "hand"}}
	if d := cmp.Diff(want, Stays(after, sent, nil, "rolloutgate")); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if got := Stays(after, sent, nil, "rolloutgate", "hand"); len(got) > 0 {
		t.Errorf("ignored, and yet %v", got)
	}
}

// TestTheirs: what would be lost with an object that a run created.
func TestTheirs(t *testing.T) {
	for name, c := range map[string]struct{ kind, written, live, labels, manager, want string }{
		"untouched":               {"ConfigMap", `data: {a: "1"}`, `data: {a: "1"}`, "", "hand", ""},
		"a key more":              {"ConfigMap", `data: {a: "1"}`, `data: {a: "1", b: "2"}`, "", "hand", "data.b"},
		"a key changed":           {"Secret", `data: {a: MQ==}`, `data: {a: Mg==}`, "", "hand", "data.a"},
		"a label":                 {"ConfigMap", `data: {a: "1"}`, `data: {a: "1"}`, "labels: {l: x}", "hand", ""},
		"a field that we wrote":   {"Service", `spec: {type: ClusterIP}`, `spec: {type: NodePort}`, "", "hand", "spec.type"},
		"a field that we did not": {"Service", `spec: {type: ClusterIP}`, `spec: {type: ClusterIP, externalName: x}`, "", "hand", ""},
		"by a controller":         {"Service", `spec: {type: ClusterIP}`, `spec: {type: NodePort}`, "", "kube-controller-manager", ""},
		"scaled":                  {"ReplicationController", `spec: {replicas: 1}`, `spec: {replicas: 2}`, "", "hand", ""},
	} {
		head := "apiVersion: v1\nkind: " + c.kind + "\n"
		written, live := object(t, head+"metadata: {name: x}\n"+c.written), object(t, head+"metadata: {name: x, "+c.labels+"}\n"+c.live)
		ownedBy(live, c.manager, metav1.ManagedFieldsOperationUpdate, `{"f:spec":{"f:type":{},"f:replicas":{},"f:externalName":{}},"f:data":{"f:a":{},"f:b":{}}}`)
		var got []string
		for _, k := range Theirs(Write{Written: written}, live, nil) {
			got = append(got, k.Path)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s: %v, want %q", name, got, c.want)
		}
	}
}

// TestRelease: a field is nobody's afterwards, and other entries are as they were.
func TestRelease(t *testing.T) {
	u := object(t, web)
	ownedBy(u, "rolloutgate", metav1.ManagedFieldsOperationApply, `{"f:spec":{"f:replicas":{},"f:paused":{}}}`)
	ownedBy(u, "rolloutgate", metav1.ManagedFieldsOperationUpdate, `{"f:spec":{"f:replicas":{}}}`)
	got := Release(u.GetManagedFields(), "rolloutgate", "spec", "replicas")
	for i, want := range []string{`{"f:spec":{"f:paused":{}}}`, `{"f:spec":{"f:replicas":{}}}`} {
		if text := string(got[i].FieldsV1.GetRawBytes()); text != want {
			t.Errorf("entry %d: %s, want %s", i, text, want)
		}
	}
	if text := string(u.GetManagedFields()[0].FieldsV1.GetRawBytes()); !strings.Contains(text, "replicas") {
		t.Error("the argument was changed")
	}
}
