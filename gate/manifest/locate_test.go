package manifest

import (
	"os"
	"strings"
	"testing"
)

const located = `# line 1
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    app.kubernetes.io/name: web
    tier: front
  finalizers:
  - example.com/one
  - example.com/two
spec:
  template:
    spec:
      containers:
      - name: proxy
        image: registry.example/proxy:1
      - image: registry.example/web:1
        name: app
        ports:
        - containerPort: 80
          name: http
        - containerPort: 81
          protocol: UDP
        env:
        - &first
          name: X
          value: "1"
        - name: "a]b"
          valueFrom:
            configMapKeyRef:
              name: settings
              key: x
        - <<: *first
          name: Z
data:
  app.conf: |
    a
    b
  app:
    other: c
  "0": zero
  "it's": quoted
`

func TestLocate(t *testing.T) {
	objects, err := decode("web.yaml", []byte(located))
	if err != nil {
		t.Fatal(err)
	}
	o := objects[0]
	const app = "spec.template.spec.containers[name=app]"
	tests := []struct {
		path  string
		line  int
		exact bool
	}{
		{"", 2, true},
		{"kind", 3, true},
		{"metadata.name", 5, true},
		{".metadata.name", 5, true},
		{"spec.template.spec.containers", 15, true},
		{"spec.template.spec.containers[0]", 16, true},
		{"spec.template.spec.containers[0].image", 17, true},
		{"spec.template.spec.containers[1].image", 18, true},
		{"spec.template.spec.containers[7].image", 15, false},
		{app, 18, true},
		{app + ".image", 18, true},
		{"spec.template.spec.containers[app].image", 18, true},
		{`.spec.template.spec.containers[name="app"].image`, 18, true},
		{`.spec.template.spec.containers[name="app"].imagee`, 18, false},
		{app + ".resources.limits.cpu", 18, false},
		{app + ".env", 25, true},
		{app + ".env[name=X].value", 28, true},
		{app + ".env[name=Z].value", 28, true}, // merged from the anchor
		{app + ".env[name=Z].name", 35, true},
		{app + ".env[name=X].valueFrom.configMapKeyRef.key", 26, false},
		{app + `.env[name="a]b"].valueFrom.configMapKeyRef.key`, 33, true},
		{app + ".env[name=none].value", 25, false},
		{app + ".ports[containerPort=80,protocol=\"TCP\"].name", 22, true}, // the protocol is a default
		{app + ".ports[containerPort=81,protocol=\"UDP\"]", 23, true},
		{app + ".ports[containerPort=81,protocol=\"TCP\"]", 20, false},
		{"spec.template.spec.containers[name=sidecar].image", 15, false},
		{"metadata.labels[app.kubernetes.io/name]", 7, true},
		{`metadata.labels["app.kubernetes.io/name"]`, 7, true},
		{"metadata.labels.app.kubernetes.io/name", 7, true},
		{`metadata.labels.app\.kubernetes\.io/name`, 7, true},
		{"metadata.labels.tier", 8, true},
		{`metadata.finalizers[="example.com/two"]`, 11, true},
		{`metadata.finalizers[="example.com/three"]`, 9, false},
		{`data.app\.conf`, 37, true},
		{"data[app.conf]", 37, true},
		{"data.app.conf", 40, false}, // app is a key of its own, and the shorter key wins
		{"data.app.other", 41, true},
		{"data[0]", 42, true},
		{`data["it's"]`, 43, true},
		{"spec.replicas", 12, false},
		{"status.phase", 2, false},
		{"spec.template[", 13, false},
		{"spec..template", 12, false},
		{"spec[=", 12, false},
		{"spec[]", 12, false},
		{"spec[-1]", 12, false},
		{"kind.of.what", 3, false},
	}
	for _, test := range tests {
		if line, exact := o.Locate(test.path); line != test.line || exact != test.exact {
			t.Errorf("%s: got %d, %v, want %d, %v", test.path, line, exact, test.line, test.exact)
		}
	}
	if line, exact := (Object{Source: Source{Line: 4}}).Locate("spec"); line != 4 || exact {
		t.Errorf("without a node: got %d, %v", line, exact)
	}
}

func FuzzLocate(f *testing.F) {
	f.Add(located, "spec.template.spec.containers[name=app].env[name=\"a]b\"].value")
	f.Add("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nx: &a {<<: *a}\n", "x.y.z")
	f.Add("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}{}", "metadata[='a']")
	f.Add("- &a [*a]\n---\n? [a]\n: b\n", `a\.b[0][c="d",e]`)
	f.Fuzz(func(t *testing.T, data, path string) {
		steps, _ := parsePath(path)
		if len(steps) > len(path) {
			t.Errorf("%d steps from %d bytes", len(steps), len(path))
		}
		objects, err := decode("fuzz.yaml", []byte(data))
		if err != nil {
			return
		}
		lines := 1 + strings.Count(data, "\n") + strings.Count(data, "\r")
		for _, o := range objects {
			if o.Source.Line < 1 || o.Source.Line > lines {
				t.Errorf("object at line %d of %d", o.Source.Line, lines)
			}
			for _, p := range []string{path, "metadata.name"} {
				if line, _ := o.Locate(p); line < 1 || line > lines {
					t.Errorf("%q at line %d of %d", p, line, lines)
				}
			}
		}
	})
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"documents.yaml", "list.yaml", "anchors.yaml", "concatenated.json"} {
		data, err := os.ReadFile("testdata/ok/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data))
	}
	f.Fuzz(func(t *testing.T, data string) {
		read, err := Read(Options{Filenames: []string{"-"}, Stdin: strings.NewReader(data)})
		if err != nil && err.Error() == "" {
			t.Error("an error without a text")
		}
		for _, o := range read.Objects {
			if o.GetName() == "" || o.GetKind() == "" || o.GetAPIVersion() == "" {
				t.Errorf("an object without an identity: %v", o.Object)
			}
		}
		Order(read.Objects)
	})
}
