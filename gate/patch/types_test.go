package patch

import (
	"encoding/json"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

// widgets is what /openapi/v3/apis/example.org/v1 says of a CRD, shortened.
const widgets = `{
  "org.example.v1.Widget": {
    "type": "object",
    "x-kubernetes-group-version-kind": [{"group": "example.org", "kind": "Widget", "version": "v1"}],
    "properties": {
      "apiVersion": {"type": "string"}, "kind": {"type": "string"},
      "metadata": {"allOf": [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]},
      "spec": {"type": "object", "properties": {
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
          "items": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "size": {"type": "integer"}}}},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "steps": {"type": "array", "items": {"type": "object", "properties": {"do": {"type": "string"}}}},
        "colour": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"red": {"type": "integer"}, "blue": {"type": "integer"}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}
      }}
    }
  },
  "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta": {
    "type": "object",
    "properties": {"name": {"type": "string"}, "uid": {"type": "string"}, "labels": {"type": "object", "additionalProperties": {"type": "string"}}}
  }
}`

func TestOpenAPI(t *testing.T) {
	var schemas map[string]*spec.Schema
	if err := json.Unmarshal([]byte(widgets), &schemas); err != nil {
		t.Fatal(err)
	}
	types, err := OpenAPI(schemas)
	if err != nil {
		t.Fatal(err)
	}
	widget := func(spec string) *unstructured.Unstructured {
		return object(t, `{apiVersion: example.org/v1, kind: Widget, metadata: {name: w, uid: "1"}, spec: `+spec+`}`)
	}
	before := widget(`{parts: [{id: a, size: 1}, {id: b, size: 1}], tags: [x], steps: [{do: a}], colour: {red: 1, blue: 1}, free: {a: 1, b: 1}}`)
	written := widget(`{parts: [{id: a, size: 2}], tags: [x, z], steps: [{do: b}], colour: {red: 2, blue: 1}, free: {a: 2, b: 2}}`)
	live := widget(`{parts: [{id: a, size: 2}, {id: c, size: 9}], tags: [x, z, hand], steps: [{do: b}, {do: c}], colour: {red: 2, blue: 2}, free: {a: 2, b: 3}}`)
	want := widget(`{parts: [{id: a, size: 1}, {id: b, size: 1}, {id: c, size: 9}], tags: [x, hand], steps: [{do: b}, {do: c}], colour: {red: 2, blue: 2}, free: {a: 1, b: 3}}`)
	inv, err := Invert(Write{Before: before, Written: written}, live, undoManager, types)
	if err != nil {
		t.Fatal(err)
	}
	sameObject(t, want.Object, inv.Object.Object)
	if got, want := keptPaths(inv.Kept), "spec.colour by ; spec.free.b by ; spec.steps by "; got != want {
		t.Errorf("kept %s, want %s", got, want)
	}
	// The kinds that Kubernetes brings are known beside those of a document.
	if got := kindOf(types, object(t, web1)).name(); got != "io.k8s.api.apps.v1.Deployment" {
		t.Errorf("a Deployment is of type %q", got)
	}
}

// TestNewerThanTheSchema: an API server can be newer than the schemas here, and an object odder than any schema.
func TestNewerThanTheSchema(t *testing.T) {
	pod := func(spec string) *unstructured.Unstructured {
		return object(t, `{apiVersion: v1, kind: Pod, metadata: {name: p, uid: "1"}, spec: `+spec+`}`)
	}
	cases := []struct{ name, before, written, live, want, kept string }{
		{"a field that the schema does not know", `{newest: {a: 1, b: 1}}`, `{newest: {a: 2, b: 2}}`, `{newest: {a: 2, b: 3}}`, `{newest: {a: 1, b: 3}}`, "spec.newest.b by "},
		{"a key that has a default", `{containers: [{name: a, ports: [{containerPort: 80, name: x}]}]}`, `{containers: [{name: a, ports: [{containerPort: 80, name: z}]}]}`,
			`{containers: [{name: a, ports: [{containerPort: 80, name: z}, {containerPort: 80, protocol: UDP}]}]}`,
			`{containers: [{name: a, ports: [{containerPort: 80, name: x}, {containerPort: 80, protocol: UDP}]}]}`, ""},
		{"items without a name", `{containers: [{image: a}]}`, `{containers: [{image: b}]}`, `{containers: [{image: b}, {image: c}]}`, `{containers: [{image: b}, {image: c}]}`, `spec.containers[name=""] by `},
		{"items that are no maps", `{containers: [a]}`, `{containers: [b]}`, `{containers: [c]}`, `{containers: [c]}`, "spec.containers by "},
		{"a list that is none", `{containers: [{name: a}]}`, `{containers: {name: a}}`, `{containers: x}`, `{containers: x}`, "spec.containers by "},
		{"null", `{containers: null}`, `{containers: [{name: a}]}`, `{containers: [{name: a}]}`, `{containers: null}`, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			inv, err := Invert(Write{Before: pod(c.before), Written: pod(c.written)}, pod(c.live), undoManager, nil)
			if err != nil {
				t.Fatal(err)
			}
			sameObject(t, pod(c.want).Object, inv.Object.Object)
			if got := keptPaths(inv.Kept); got != c.kept {
				t.Errorf("kept %s, want %s", got, c.kept)
			}
		})
	}
}

func TestOpenAPIThatDoesNotFit(t *testing.T) {
	if _, err := OpenAPI(map[string]*spec.Schema{"a": {SchemaProps: spec.SchemaProps{Type: spec.StringOrArray{"nonsense"}}}}); err == nil {
		t.Error("no error")
	}
}

func TestChanged(t *testing.T) {
	before := object(t, `{apiVersion: v1, kind: Service, metadata: {name: w, resourceVersion: "1", labels: {app.kubernetes.io/name: a, plain: a}},
	  spec: {selector: {a: a}, ports: [{port: 80, protocol: TCP, name: a}, {port: 81, protocol: TCP}]}, status: {x: "1"}}`)
	after := object(t, `{apiVersion: v1, kind: Service, metadata: {name: w, resourceVersion: "2", labels: {app.kubernetes.io/name: b, plain: b}, annotations: {"8080": x, 'a"b]': x}, finalizers: [a.org/x]},
	  spec: {selector: {a: b}, ports: [{port: 80, protocol: TCP, name: b}, {port: 82, protocol: UDP}]}, status: {x: "2"}}`)
	want := []string{"metadata.annotations", "metadata.finalizers", "metadata.labels[app.kubernetes.io/name]", "metadata.labels.plain",
		"spec.ports[port=80,protocol=TCP].name", "spec.ports[port=81,protocol=TCP]", "spec.ports[port=82,protocol=UDP]", "spec.selector"}
	sameObject(t, want, Changed(before, after, nil))
	if got := Changed(before, before, nil); len(got) > 0 {
		t.Errorf("between the same: %v", got)
	}
	sameObject(t, []string{"metadata.annotations.8080", "metadata.annotations[\"a\\\"b]\"]"},
		Changed(object(t, `{apiVersion: v1, kind: Service, metadata: {annotations: {x: y}}}`), object(t, `{apiVersion: v1, kind: Service, metadata: {annotations: {x: y, "8080": x, 'a"b]': x}}}`), nil))
}

// TestForeign: what would be lost with an object that this run created.
func TestForeign(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := newServer(t, object(t, web1), nil)
		written := s.apply(object(t, web1), runManager)
		if got := Foreign(Write{Manager: runManager, Written: written}, written, nil); len(got) > 0 {
			t.Errorf("in what nobody touched: %s", keptPaths(got))
		}
		s.edit("hpa", set("spec.replicas", int64(7)))
		live := s.edit("hand", func(o map[string]any) {
			set("metadata.labels.team", "a")(o)
			set("status.replicas", int64(3))(o)
		})
		if got, want := keptPaths(Foreign(Write{Manager: runManager, Written: written}, live, nil)), "metadata.labels.team by hand; spec.replicas by hpa"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

func TestInvertNeedsAllStates(t *testing.T) {
	u := object(t, web1)
	other := object(t, web1)
	other.SetUID("2")
	for name, call := range map[string]func() (*Inverse, error){
		"created":        func() (*Inverse, error) { return Invert(Write{Written: u}, u, undoManager, nil) },
		"never answered": func() (*Inverse, error) { return Invert(Write{Before: u}, u, undoManager, nil) },
		"gone":           func() (*Inverse, error) { return Invert(Write{Before: u, Written: u}, nil, undoManager, nil) },
		"made anew":      func() (*Inverse, error) { return Invert(Write{Before: u, Written: u}, other, undoManager, nil) },
	} {
		if inv, err := call(); err == nil {
			t.Errorf("%s: %v", name, inv)
		}
	}
}

// TestNothingIsShared: the arguments stay as they are, and the result is its own.
func TestNothingIsShared(t *testing.T) {
	before, written, live := object(t, web1), object(t, web2), object(t, web2)
	inv, err := Invert(Write{Before: before, Written: written}, live, undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	set("spec.template.spec.containers[name=app].image", "changed")(inv.Object.Object)
	sameObject(t, object(t, web1).Object, before.Object)
	sameObject(t, object(t, web2).Object, written.Object)
	sameObject(t, object(t, web2).Object, live.Object)
}
