package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
)

// kubectlReads reads a file by kubectl's own way, as kubectl create --dry-run=client does, and returns the objects as
// JSON in no particular order.
func kubectlReads(t *testing.T, data []byte) ([]string, error) {
	t.Helper()
	infos, err := resource.NewLocalBuilder().Unstructured().Stream(bytes.NewReader(data), "file").Flatten().Do().Infos()
	if err != nil {
		return nil, err
	}
	var objects []string
	for _, info := range infos {
		o := info.Object.(*unstructured.Unstructured)
		if o.GetAPIVersion() == "" || o.GetKind() == "" || o.GetName() == "" {
			return nil, errors.New("nothing that could be applied")
		}
		objects = append(objects, contentOf(t, o))
	}
	slices.Sort(objects)
	return objects, nil
}

func weRead(t *testing.T, data []byte) ([]string, error) {
	t.Helper()
	read, err := decode("file", data)
	if err != nil {
		return nil, err
	}
	var objects []string
	for _, o := range read {
		objects = append(objects, contentOf(t, o.Unstructured))
	}
	slices.Sort(objects)
	return objects, nil
}

// contentOf is an object without what only the cluster sets.
func contentOf(t *testing.T, u *unstructured.Unstructured) string {
	t.Helper()
	o := Object{Unstructured: u.DeepCopy()}
	o.dropServerFields()
	content, err := json.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// sameAsKubectl holds our reader against kubectl's: what both read is the same, and nothing that kubectl reads is missing.
// We may refuse more, and we may read what kubectl refuses or silently leaves out, such as a document after "...".
func sameAsKubectl(t *testing.T, data []byte) {
	t.Helper()
	ours, err := weRead(t, data)
	if err != nil {
		if err.Error() == "" {
			t.Error("an error without a text")
		}
		return
	}
	theirs, err := kubectlReads(t, data)
	if err != nil || bytes.Contains(data, []byte(byteOrderMark)) { // to kubectl the mark is a part of the first key
		return
	}
	rest := slices.Clone(ours)
	for _, object := range theirs {
		i := slices.Index(rest, object)
		if i < 0 {
			t.Fatalf("%q\nkubectl reads an object that we do not:\n%s\nwe read:\n%s", data, object, strings.Join(ours, "\n"))
		}
		rest = slices.Delete(rest, i, i+1)
	}
}

// seeds are the files of testdata.
func seeds(f *testing.F) [][]byte {
	var all [][]byte
	for _, pattern := range []string{"testdata/ok/*.*", "testdata/err/*.yaml"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, path := range paths {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if !strings.HasSuffix(path, ".golden") {
				all = append(all, data)
			}
		}
	}
	return all
}

func FuzzSameAsKubectl(f *testing.F) {
	for _, data := range seeds(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1 && (data[0] == 0 || data[1] == 0 || data[0] >= 0xfe) {
			return // UTF-16, which kubectl decodes before the place where we ask it
		}
		sameAsKubectl(t, data)
	})
}

// pieces are what FuzzPieces puts files together from.
var pieces = []string{
	"---\n", "--- # comment\n", "--- ", "---", "...\n", "...", "%YAML 1.1\n", "%TAG ! tag:a,2026:\n", "# comment\n", "#", "\n", "\r\n", "\r", "\t", " ", "  ", "    ",
	"apiVersion: v1\n", "kind: ConfigMap\n", "kind: List\n", "kind: ConfigMapList\n", "metadata:\n", "  name: a\n", "metadata: {name: b}\n", "items:\n", "items: null\n",
	"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n",
	"- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: i}\n", "- kind: List\n  apiVersion: v1\n  items: []\n", "- metadata: {name: i}\n", "- {}\n", "- null\n",
	"data:\n", "  k: v\n", "  y: v\n", "  'y': v\n", "  yes: \"1\"\n", "  1: a\n", "  0x1: a\n", "  1.0: a\n", "  01: a\n", "  ~: a\n", "  null: a\n", "  true: a\n", "  [a]: b\n", "  ? k\n  : v\n",
	"spec:\n", "  a: 1\n", "  a: 1.0\n", "  a: 0644\n", "  a: 0o644\n", "  a: 1_000\n", "  a: 1:30\n", "  a: 2025-08-05\n", "  a: .inf\n", "  a: 9007199254740993\n", "  a: 123456789012345678901\n", "  a: 1e3\n", "  a: on\n", "  a: ~\n", "  a:\n",
	"  a: !!binary aGk=\n", "  a: !!str 1\n", "  a: !!int '3'\n", "  a: !x 1\n", "  a: &x {k: 1, l: 2}\n", "  b: *x\n", "  <<: *x\n", "  k: 2\n", "  '<<': 3\n", "x: &x\n  k: 1\n", "<<: *x\n",
	"  t: |\n    a\n    ---\n", "  t: |-\n", "  t: >+\n    a\n\n", "  q: \"a\n", "    b\"\n", "  q: 'a\n", "    b'\n", "  q: \"\\u2028\\x41\\/\"\n", "  q: it's\n",
	`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"}}`, `{"apiVersion":"v1","kind":"List","items":[`, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"},"data":{"a":"1","a":"2"}}`,
	`,"x":1.0`, `,"x":-0`, `,"x":1e400`, `,"x":"\ud83d\ude00"`, `"`, "{", "}", "[", "]", ",", ":", "//c\n", "/* c */", "{apiVersion: v1, kind: ConfigMap, metadata: {name: f}}\n", "null\n", "~", "{}", "[]", "a", "é", "\u00a0", "\u0085", "\u2028", "\u2029", "\ufeff", "\x00", "\x7f", "\xe9",
	"NOTES:\n", "WARNING: a\n", "status: {}\n", "  resourceVersion: '1'\n", "  annotations: {helm.sh/hook: test}\n", "  namespace: 4711\n", "  namespace: x\n", "  labels: {a: b}\n", "  labels: {a: 1}\n",
}

// FuzzPieces puts files together from what belongs into manifests and what goes wrong in them; bytes alone seldom do.
func FuzzPieces(f *testing.F) {
	index := func(parts ...string) (numbers []byte) {
		for _, part := range parts {
			i := slices.Index(pieces, part)
			if i < 0 {
				f.Fatalf("%q is no piece", part)
			}
			numbers = append(numbers, byte(i))
		}
		return numbers
	}
	const object = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n"
	f.Add(index(object, "data:\n", "  k: v\n", "  y: v\n", "---\n", object, "...\n", "{apiVersion: v1, kind: ConfigMap, metadata: {name: f}}\n"))
	f.Add(index("apiVersion: v1\n", "kind: List\n", "items:\n", "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: i}\n", "- kind: List\n  apiVersion: v1\n  items: []\n"))
	f.Add(index(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"}}`, "\n", `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"j"},"data":{"a":"1","a":"2"}}`))
	f.Add(index(object, "spec:\n", "  a: &x {k: 1, l: 2}\n", "  <<: *x\n", "  k: 2\n", "x: &x\n  k: 1\n", "<<: *x\n"))
	f.Add(index("# comment\n", "%YAML 1.1\n", "--- # comment\n", object, "data:\n", "  t: |\n    a\n    ---\n", "  q: \"a\n", "    b\"\n", "\r\n", "\ufeff", "---\n"))
	f.Fuzz(func(t *testing.T, numbers []byte) {
		if len(numbers) > 40 {
			return
		}
		var data []byte
		for _, n := range numbers {
			data = append(data, pieces[int(n)%len(pieces)]...)
		}
		if len(data) > 1 && (data[0] == 0 || data[1] == 0 || data[0] >= 0xfe) {
			return
		}
		sameAsKubectl(t, data)
	})
}
