package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// fixture is one case of a file in testdata. The first document of a file is the base; each further one names a case
// and is merged over the base as in a JSON merge patch.
type fixture struct {
	Case             string
	Since, Now       time.Time
	Live             map[string]any
	Applied          map[string]any // merged over Live (or Last) without its status; absent: the same
	Gone             bool           // Live became Last
	Foreign          bool           // nothing was applied: a rollout that somebody else began
	Restored         bool           // the write took another one back
	AppliedStatus    bool           // the answer to the write had the status that Live has
	Previous         map[string]any // merged over Live: the object before the write; absent: nothing is known of it
	ReplicaSets      []*appsv1.ReplicaSet
	Revisions        []*appsv1.ControllerRevision
	Pods             []*corev1.Pod
	PodsKnown        bool
	Goal             int32
	NodesDown        []string
	Services         []Service
	ServicesKnown    bool
	WaitsForConsumer bool
}

func (f fixture) workload(t *testing.T) Workload {
	t.Helper()
	w := Workload{
		Live: object(t, f.Live), Since: f.Since, Now: f.Now, ReplicaSets: f.ReplicaSets, Revisions: f.Revisions,
		Pods: f.Pods, PodsKnown: f.PodsKnown, NodesDown: f.NodesDown, Services: f.Services, ServicesKnown: f.ServicesKnown,
		WaitsForConsumer: f.WaitsForConsumer, Restored: f.Restored, Goal: f.Goal,
	}
	w.Ref = manifest.Object{Unstructured: w.Live.(*unstructured.Unstructured)}.Ref()
	if !f.Foreign {
		applied := maps.Clone(f.Live)
		if !f.AppliedStatus {
			delete(applied, "status")
		}
		w.Applied = object(t, merge(applied, f.Applied))
	}
	if f.Previous != nil {
		w.Previous = object(t, merge(f.Live, f.Previous))
	}
	if f.Gone {
		w.Live, w.Last = nil, w.Live
	}
	return w
}

// object makes what a dynamic client would return.
func object(t *testing.T, content map[string]any) Object {
	t.Helper()
	data, err := json.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	var u unstructured.Unstructured
	if err := u.UnmarshalJSON(data); err != nil {
		t.Fatal(err)
	}
	return &u
}

func TestEvaluate(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var b strings.Builder
			for _, f := range readFixtures(t, path) {
				b.WriteString(render(f.Case, f.workload(t)))
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", b.String())
		})
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// render prints a status, and the pods that count, so that a reviewer can judge the answer without the types.
func render(name string, w Workload) string {
	s := Evaluate(w)
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  %s", name, s.Phase)
	if s.Reason != "" {
		fmt.Fprintf(&b, " %s", s.Reason)
	}
	if s.Message != "" {
		fmt.Fprintf(&b, ": %s", s.Message)
	}
	fmt.Fprintf(&b, "\n  desired %d, updated %d, ready %d, available %d, old %d", s.Desired, s.Updated, s.Ready, s.Available, s.Old)
	if s.Revision != "" || s.PreviousRevision != "" {
		fmt.Fprintf(&b, "; revision %q after %q", s.Revision, s.PreviousRevision)
	}
	if !s.Watched {
		b.WriteString("; not watched")
	}
	if s.ScaledToZero {
		b.WriteString("; scaled to zero since")
	}
	if s.BlockedBy != "" {
		b.WriteString("; blocked by revision " + s.BlockedBy)
	}
	if s.BrokenBefore {
		b.WriteString("; broken before")
	}
	b.WriteString("\n")
	if len(w.Pods) > 0 {
		fmt.Fprintf(&b, "  new pods: %s; old pods: %s\n", podList(NewPods(w)), podList(OldPods(w)))
	}
	return b.String()
}

func podList(pods []*corev1.Pod) string {
	if len(pods) == 0 {
		return "none"
	}
	var list []string
	for _, p := range pods {
		list = append(list, p.Name)
	}
	return strings.Join(list, " ")
}

func readFixtures(t *testing.T, path string) []fixture {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reader := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	var base map[string]any
	var fixtures []fixture
	for {
		var doc map[string]any
		err := reader.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return fixtures
		}
		if err != nil {
			t.Fatal(path, err)
		}
		if base == nil {
			base = doc
			continue
		}
		merged, err := json.Marshal(merge(base, doc))
		if err != nil {
			t.Fatal(err)
		}
		var f fixture
		if err := yaml.UnmarshalStrict(merged, &f); err != nil {
			t.Fatal(path, doc["case"], err)
		}
		fixtures = append(fixtures, f)
	}
}

// merge is a JSON merge patch (RFC 7396) that leaves its arguments alone.
func merge(base, patch map[string]any) map[string]any {
	result := maps.Clone(base)
	if result == nil {
		result = map[string]any{}
	}
	for key, value := range patch {
		inner, isMap := value.(map[string]any)
		under, _ := result[key].(map[string]any)
		switch {
		case value == nil:
			delete(result, key)
		case isMap:
			result[key] = merge(under, inner)
		default:
			result[key] = value
		}
	}
	return result
}
