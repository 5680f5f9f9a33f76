package record

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

func deployment(image string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "uid": "1"},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
			"containers": []any{map[string]any{"name": "app", "image": image}},
		}}},
	}}
}

func secret(value string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "login", "namespace": "shop"},
		"data": map[string]any{"token": base64.StdEncoding.EncodeToString([]byte(value))},
	}}
}

var at = time.Date(2026, 11, 26, 17, 55, 0, 0, time.UTC)

// example is a run with a bit of everything.
func example() Record {
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	login := manifest.Ref{Kind: "Secret", Namespace: "shop", Name: "login"}
	conf := manifest.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "conf"}
	return Record{
		Schema: schema, ID: "7QK2M5XWZA", Version: "v0.1.0", Namespace: "shop", Started: at, State: Running,
		Pipeline: Pipeline{System: "github", URL: "https://github.com/shop/web/actions/runs/1", Commit: "0123abc", Actor: "ann"},
		Stages: []Stage{{Name: "all", Judge: true, Writes: []patch.Write{
			{Ref: conf, Manager: "rolloutgate", Action: patch.Unchanged, At: at},
			{Ref: login, Manager: "rolloutgate", Action: patch.Configured, Before: secret("old"), Sent: secret("new"), After: secret("new"), At: at},
			{Ref: web, Manager: "rolloutgate", Action: patch.Configured, Source: manifest.Source{Path: "web.yaml", Line: 3},
				Before: deployment("web:v1"), Sent: deployment("web:v2"), After: deployment("web:v2"), At: at},
		}}},
		Criteria: []string{"errors"},
	}
}

func TestEncode(t *testing.T) {
	want := example()
	parts, err := want.Encode(PartSize)
	if err != nil || len(parts) != 1 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	got, err := Decode(parts)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(text(t, want), text(t, got)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func text(t *testing.T, r Record) string {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestParts: what does not fit into one Secret is cut, and put together again.
func TestParts(t *testing.T) {
	r := example()
	noise := make([]byte, 1_500_000) // does not compress
	rand.Read(noise)
	r.Stages[0].Writes[1].Sent = secret(string(noise))
	parts, err := r.Encode(PartSize)
	if err != nil || len(parts) < 2 {
		t.Fatalf("%d parts, %v", len(parts), err)
	}
	for _, p := range parts {
		if len(p) > PartSize {
			t.Errorf("a part of %d bytes", len(p))
		}
	}
	got, err := Decode(parts)
	if err != nil || text(t, got) != text(t, r) {
		t.Errorf("it is not what it was: %v", err)
	}
	if _, err := Decode(parts[:len(parts)-1]); err == nil {
		t.Error("a record without its end can be read")
	}
}

// TestVersions: what older versions have written stays readable, and what is newer is refused. A form that changes adds
// a file to testdata and leaves those that are there.
func TestVersions(t *testing.T) {
	files, err := filepath.Glob("testdata/v*.json")
	if err != nil || len(files) != schema {
		t.Fatalf("%d files for %d versions, %v", len(files), schema, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := decodeJSON(data)
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if r.ID != example().ID || len(r.Writes()) != 3 || r.Writes()[2].Before.GetName() != "web" {
			t.Errorf("%s: %+v", file, r)
		}
	}
	newest, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.TrimSpace(string(newest)), text(t, example())); d != "" {
		t.Errorf("the form has changed: fields may be added to the newest file, anything else needs a new version (-file +now):\n%s", d)
	}
}

func TestRefused(t *testing.T) {
	change := func(f func(r *Record)) []byte {
		r := example()
		f(&r)
		data, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for want, data := range map[string][]byte{
		"newer rolloutgate":        change(func(r *Record) { r.Schema = schema + 1 }),
		"no schemaVersion":         []byte(`{}`),
		"of which run":             change(func(r *Record) { r.ID = "" }),
		"how far":                  change(func(r *Record) { r.State = "" }),
		"to which object":          change(func(r *Record) { r.Stages[0].Writes[0].Ref.Name = "" }),
		"by which field manager":   change(func(r *Record) { r.Stages[0].Writes[0].Manager = "" }),
		"which means nothing":      change(func(r *Record) { r.Stages[0].Writes[0].Action = "burnt" }),
		"how it was before":        change(func(r *Record) { r.Stages[0].Writes[2].Before = nil }),
		"Object 'Kind' is missing": []byte(`{"schemaVersion":1,"id":"a","state":"running","stages":[{"writes":[{"before":{}}]}]}`),
	} {
		_, err := decodeJSON(data)
		var format *FormatError
		if !errors.As(err, &format) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

// TestWithout: nothing of a Secret is left, and the rest is.
func TestWithout(t *testing.T) {
	r := example().Without()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"old", "new"} {
		if bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString([]byte(value)))) {
			t.Errorf("%s", data)
		}
	}
	back, err := decodeJSON(data)
	if err != nil || !back.WithoutSecrets || len(back.Writes()) != 3 {
		t.Errorf("%+v, %v", back, err)
	}
	if example().Stages[0].Writes[1].Before == nil {
		t.Error("the original was changed")
	}
}

func TestSummary(t *testing.T) {
	s := example().Summary()
	if got := s.Images; len(got) != 1 || got[0].From != "web:v1" || got[0].To != "web:v2" || got[0].Container != "app" {
		t.Errorf("images %+v", got)
	}
	if len(s.Objects) != 2 || s.Objects[0].Name != "login" {
		t.Errorf("objects %+v", s.Objects)
	}
	later := s
	later.Started = s.Started.Add(time.Hour)
	for name, c := range map[string]struct {
		change func(*Summary)
		want   bool
	}{
		"the same objects": {func(*Summary) {}, true},
		"undone":           {func(l *Summary) { l.State = Undone }, false},
		"earlier":          {func(l *Summary) { l.Started = s.Started.Add(-time.Hour) }, false},
		"other objects":    {func(l *Summary) { l.Objects = nil }, false},
	} {
		l := later
		c.change(&l)
		if got := s.Precedes(l); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// FuzzDecode: whatever bytes there are, they are a record that can be trusted, or a clear error.
func FuzzDecode(f *testing.F) {
	parts, err := example().Encode(PartSize)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(parts[0], true)
	plain, err := json.Marshal(example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(plain, false)
	f.Add([]byte(`{"schemaVersion":1,"id":"a","state":"running","stages":[{"writes":[{"ref":{"kind":"A","name":"b"},"manager":"m","action":"created"}]}]}`), false)
	f.Fuzz(func(t *testing.T, data []byte, packed bool) {
		decode := decodeJSON
		if packed {
			decode = func(data []byte) (Record, error) { return Decode([][]byte{data}) }
		}
		r, err := decode(data)
		var format *FormatError
		switch {
		case err != nil && !errors.As(err, &format):
			t.Fatalf("%T: %v", err, err)
		case err != nil:
			return
		}
		for _, w := range r.Writes() {
			if w.Ref.Name == "" || w.Manager == "" || w.Action == patch.Configured && w.Before == nil && !r.WithoutSecrets {
				t.Fatalf("%+v", w)
			}
		}
		_ = r.Summary()
		again, err := r.Encode(PartSize)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Fatal(err)
		}
	})
}

// TestHasSecrets: a record of a Secret is one, whether the run changes the Secret, finds it as it is, or carries it.
func TestHasSecrets(t *testing.T) {
	with := func(change func(*Record)) Record {
		r := example()
		change(&r)
		return r
	}
	writes := example().Stages[0].Writes
	for name, c := range map[string]struct {
		r    Record
		want bool
	}{
		"changed":      {example(), true},
		"unchanged":    {with(func(r *Record) { r.Stages[0].Writes[1].Action = patch.Unchanged }), true},
		"carried":      {with(func(r *Record) { r.Carried, r.Stages = writes[1:2], nil }), true},
		"left out":     {example().Without(), false},
		"none":         {with(func(r *Record) { r.Stages[0].Writes = writes[2:] }), false},
		"another kind": {with(func(r *Record) { r.Stages[0].Writes[1].Ref.Group = "example.com" }), false},
	} {
		if got := c.r.HasSecrets(); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestSummaryOfMany: the objects of a large run are all in its summary, which fits into an annotation; of a still larger one it
// says that they are not.
func TestSummaryOfMany(t *testing.T) {
	many := func(n int) Summary {
		r := Record{ID: "RUN", Stages: []Stage{{}}}
		for i := range n {
			w := example().Writes()[1]
			w.Ref = manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: fmt.Sprintf("web-%d", i)}
			r.Stages[0].Writes = append(r.Stages[0].Writes, w)
		}
		return r.Summary()
	}
	last := func(n int) manifest.Ref {
		return manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: fmt.Sprintf("web-%d", n-1)}
	}
	for _, n := range []int{1, 500, 1000, 5000} {
		s := many(n)
		text, err := json.Marshal(s)
		if err != nil || len(text) > 240<<10 {
			t.Errorf("%d objects: the summary has %d bytes, %v", n, len(text), err)
		}
		if len(s.Objects)+s.MoreObjects != n {
			t.Errorf("%d objects: %d listed and %d more", n, len(s.Objects), s.MoreObjects)
		}
		wrote, known := s.Wrote(last(n))
		if all := n <= 1000; wrote != all || known != all {
			t.Errorf("%d objects: the last one is written: %v, known: %v", n, wrote, known)
		}
	}
	earlier, later := many(5000), Summary{Objects: []manifest.Ref{last(5000)}, Started: time.Now()}
	if !earlier.Precedes(later) {
		t.Error("a run whose objects are not all known was taken for one of other objects")
	}
}
