package main

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// worldOf reads objects of one namespace, separated as in a file.
func worldOf(t *testing.T, text string) world {
	t.Helper()
	w := world{}
	for part := range strings.SplitSeq(text, "\n---\n") {
		var o unstructured.Unstructured
		if err := yaml.Unmarshal([]byte(part), &o.Object); err != nil {
			t.Fatal(err)
		}
		w[strings.ToLower(o.GetKind())+"/"+o.GetName()] = &o
	}
	return w
}

const web = `kind: Deployment
metadata:
  name: web
  namespace: crash-1
  uid: u1
  resourceVersion: "1"
  generation: 1
  labels: {version: v1}
  annotations: {deployment.kubernetes.io/revision: "1", note: "of crash-1 and u1"}
  managedFields:
  - {manager: rolloutgate, operation: Apply, apiVersion: apps/v1, time: "2026-01-01T00:00:00Z", fieldsV1: {"f:spec": {"f:replicas": {}}}}
  - {manager: kube-controller-manager, operation: Update, apiVersion: apps/v1, subresource: status, time: "2026-01-01T00:00:01Z", fieldsV1: {"f:status": {}}}
spec: {replicas: 2}
status: {replicas: 2}`

func TestDifferences(t *testing.T) {
	for _, c := range []struct {
		name   string
		change []string // old and new in turns
		exact  string   // what differs from before
		loose  string   // what differs in an object of another namespace
	}{
		{"nothing", nil, "", ""},
		{"what the server sets", []string{`resourceVersion: "1"`, `resourceVersion: "2"`, "generation: 1", "generation: 3", `revision: "1"`, `revision: "3"`,
			"status: {replicas: 2}", "status: {replicas: 1}", "00:00:01Z", "00:00:09Z"}, "", ""},
		{"another namespace, another object", []string{"crash-1", "crash-22", "u1", "u2", "2026", "2027"},
			"deployment/web metadata.annotations.note, deployment/web metadata.uid, deployment/web owners.rolloutgate Apply apps/v1.time", ""},
		{"a field", []string{"spec: {replicas: 2}", "spec: {replicas: 3}"}, "deployment/web spec.replicas", "deployment/web spec.replicas"},
		{"a label", []string{"version: v1", "version: v2"}, "deployment/web metadata.labels.version", "deployment/web metadata.labels.version"},
		{"an owner", []string{"manager: rolloutgate", "manager: rolloutgate-undo"},
			"deployment/web owners.rolloutgate Apply apps/v1, deployment/web owners.rolloutgate-undo Apply apps/v1",
			"deployment/web owners.rolloutgate Apply apps/v1, deployment/web owners.rolloutgate-undo Apply apps/v1"},
		{"what is owned", []string{`"f:replicas"`, `"f:paused"`},
			"deployment/web owners.rolloutgate Apply apps/v1.fields.f:spec.f:paused, deployment/web owners.rolloutgate Apply apps/v1.fields.f:spec.f:replicas",
			"deployment/web owners.rolloutgate Apply apps/v1.fields.f:spec.f:paused, deployment/web owners.rolloutgate Apply apps/v1.fields.f:spec.f:replicas"},
		{"another name", []string{"name: web", "name: shop"}, "deployment/shop is there, deployment/web is not there", "deployment/shop is there, deployment/web is not there"},
	} {
		was, now := worldOf(t, web), worldOf(t, strings.NewReplacer(c.change...).Replace(web))
		for exact, want := range map[bool]string{true: c.exact, false: c.loose} {
			var got []string
			for _, d := range differences(was.forms(exact), now.forms(exact)) {
				field, _, _ := strings.Cut(d, ": is ")
				got = append(got, field)
			}
			if strings.Join(got, ", ") != want {
				t.Errorf("%s, exact %t: got %q", c.name, exact, got)
			}
		}
	}
}

// TestAddresses: a Service that was made anew has another address, and that alone is no difference to one of another
// namespace.
func TestAddresses(t *testing.T) {
	const service = "kind: Service\nmetadata: {name: web, namespace: n}\nspec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: []}"
	was, now := worldOf(t, service), worldOf(t, strings.ReplaceAll(service, "10.0.0.1", "10.0.0.2"))
	if got := differences(was.forms(false), now.forms(false)); len(got) > 0 {
		t.Errorf("got %q", got)
	}
	if got := differences(was.forms(true), now.forms(true)); len(got) != 2 {
		t.Errorf("exactly: got %q", got)
	}
}

func TestWrittenObjects(t *testing.T) {
	w := worldOf(t, web+`
---
kind: ConfigMap
metadata: {name: kube-root-ca.crt}
---
kind: ConfigMap
metadata: {name: settings}
---
kind: Secret
metadata: {name: rolloutgate-x}
type: rolloutgate.dev/run
---
kind: Secret
metadata: {name: password}
type: Opaque
---
kind: Pod
metadata: {name: web-1}`)
	if got := strings.Join(w.written(), " "); got != "configmap/settings deployment/web secret/password" {
		t.Errorf("got %s", got)
	}
}

const made = `kind: Deployment
metadata: {name: web, uid: d}
---
kind: ReplicaSet
metadata: {name: web-1, uid: r1, ownerReferences: [{kind: Deployment, name: web, uid: d}]}
spec: {replicas: 2}
---
kind: ReplicaSet
metadata: {name: web-2, uid: r2, ownerReferences: [{kind: Deployment, name: web, uid: d}]}
spec: {replicas: 0}
---
kind: Pod
metadata: {name: web-1-a, uid: p1, ownerReferences: [{kind: ReplicaSet, name: web-1, uid: r1}]}
---
kind: StatefulSet
metadata: {name: db, uid: s}
status: {updateRevision: db-1}
---
kind: Pod
metadata: {name: db-0, uid: p2, labels: {controller-revision-hash: db-1}, ownerReferences: [{kind: StatefulSet, name: db, uid: s}]}`

func TestLeftovers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change []string
		want   string
	}{
		{"none", nil, ""},
		{"a version that nobody wants", []string{"name: web-1, uid: r1}]", "name: web-2, uid: r2}]"}, "pod/web-1-a is of a version that nobody wants"},
		{"two versions", []string{"replicas: 0", "replicas: 1"}, "web-1 and web-2 of deployment web all have pods"},
		{"an owner is gone", []string{"{name: web, uid: d}", "{name: web, uid: other}"},
			"replicaset/web-1 is left of deployment web, replicaset/web-2 is left of deployment web"},
		{"a pod that is stuck", []string{"controller-revision-hash: db-1", "controller-revision-hash: db-2"}, "pod/db-0 is of revision db-2 and not db-1"},
		{"a pod on its way out", []string{"name: db-0,", "name: db-0, deletionTimestamp: '2026-01-01T00:00:00Z',"}, "pod/db-0 is still being deleted"},
		{"an object on its way out", []string{"{name: web, uid: d}", "{name: web, uid: d, deletionTimestamp: '2026-01-01T00:00:00Z'}"}, "deployment/web is still being deleted"},
	} {
		if got := strings.Join(leftovers(worldOf(t, strings.NewReplacer(c.change...).Replace(made))), ", "); got != c.want {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
}

func recordText(id, state, started string) string {
	return fmt.Sprintf(`
---
kind: Secret
metadata: {name: rolloutgate-%s, labels: {rolloutgate.dev/record: "0"}, annotations: {rolloutgate.dev/summary: '{"id": "%s", "state": "%s", "started": "%s"}'}}
type: rolloutgate.dev/run`, id, id, state, started)
}

func TestKept(t *testing.T) {
	one := web + recordText("a", "passed", "2026-01-01T00:00:00Z")
	for _, c := range []struct{ name, text, want string }{
		{"a record of what is over", one, ""},
		{"a lease of somebody else", one + "\n---\nkind: Lease\nmetadata: {name: l}", ""},
		{"a lease", one + "\n---\nkind: Lease\nmetadata: {name: l, labels: {app.kubernetes.io/managed-by: rolloutgate}}", "lease/l is left"},
		{"a run that is not over", one + recordText("b", "running", "2026-01-02T00:00:00Z"), "the record of run b says that it is still running"},
		{"too many", one + recordText("b", "passed", "2026-01-02T00:00:00Z") + recordText("c", "undone", "2026-01-02T00:00:00Z") + recordText("d", "left", "2026-01-03T00:00:00Z"), "there are 4 records of runs"},
	} {
		if got := strings.Join(kept(worldOf(t, c.text), mostRecords), ", "); got != c.want {
			t.Errorf("%s: got %q", c.name, got)
		}
	}
	records, err := worldOf(t, one+recordText("b", "running", "2026-01-02T00:00:00Z")).records()
	if err != nil || len(records) != 2 || records[0].State != running {
		t.Errorf("got %+v, %v", records, err)
	}
}

func TestLeaks(t *testing.T) {
	for _, payload := range []string{good.payload(), base64.StdEncoding.EncodeToString([]byte(first.payload()))} {
		for name, object := range map[string]string{
			"secret/password":      "kind: Secret\nmetadata: {name: password}\ndata: {p: %s}",
			"secret/rolloutgate-x": "kind: Secret\nmetadata: {name: rolloutgate-x, annotations: {a: %s}}\ntype: rolloutgate.dev/run",
			"lease/l":              "kind: Lease\nmetadata: {name: l, annotations: {a: %s}}",
			"secret/other":         "kind: Secret\nmetadata: {name: other}\ndata: {p: %s}",
		} {
			may := slices.Contains([]string{"secret/password", "secret/rolloutgate-x"}, name)
			if got := leaks(worldOf(t, fmt.Sprintf(object, payload))); (len(got) == 0) != may {
				t.Errorf("%s with %s: %q", name, payload, got)
			}
		}
	}
}
