package drill

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

var by = Holder{Process: record.Process{Machine: "ci-7", ID: 4711, Started: "77"}, Ends: time.Date(2026, 11, 26, 16, 0, 0, 0, time.UTC)}

func read(t *testing.T, name string) *unstructured.Unstructured {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	json, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{}
	if err := u.UnmarshalJSON(json); err != nil { // numbers as the API server's
		t.Fatal(err)
	}
	return u
}

// TestCopies compares the copy of each workload in testdata, with its notes.
func TestCopies(t *testing.T) {
	for _, name := range []string{"deployment", "statefulset"} {
		live := read(t, name)
		before := live.DeepCopy()
		c, err := Of(live, by)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before.Object, live.Object); d != "" {
			t.Errorf("the original was changed:\n%s", d)
		}
		data, err := yaml.Marshal(c.Object.Object)
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		for _, n := range c.Notes {
			text += "# " + n + "\n"
		}
		golden(t, name+".copy.golden", text)
		if h, ok := HolderOf(c.Object); !ok || h != by {
			t.Errorf("the holder is %+v", h)
		}
		if _, err := Of(c.Object, by); err == nil {
			t.Error("a copy can be copied")
		}
	}
}

// TestFaults compares what each fault changes of a copy.
func TestFaults(t *testing.T) {
	c, err := Of(read(t, "deployment"), by)
	if err != nil {
		t.Fatal(err)
	}
	was, err := yaml.Marshal(c.Object.Object)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, f := range Faults() {
		variant, err := f.Break(c, Options{Timeout: 2 * time.Minute, ErrorsWith: "MODE=broken"})
		if err != nil {
			t.Fatal(err)
		}
		is, err := yaml.Marshal(variant.Object)
		if err != nil {
			t.Fatal(err)
		}
		text.WriteString("== " + f.Name + ": " + f.What + "\n" + changes(string(was), string(is)))
	}
	golden(t, "faults.golden", text.String())
}

// changes are the lines that only one of two texts has, in the order of the texts.
func changes(was, is string) string {
	var out strings.Builder
	count := map[string]int{}
	for line := range strings.Lines(is) {
		count[line]++
	}
	for line := range strings.Lines(was) {
		if count[line]--; count[line] < 0 {
			out.WriteString("-" + line)
		}
	}
	count = map[string]int{}
	for line := range strings.Lines(was) {
		count[line]++
	}
	for line := range strings.Lines(is) {
		if count[line]--; count[line] < 0 {
			out.WriteString("+" + line)
		}
	}
	return out.String()
}

func TestWhatCannotBeCopied(t *testing.T) {
	for name, want := range map[string]string{
		"DaemonSet": "would run on every node", "Job": "takes a Deployment or a StatefulSet", "Pod": "takes a Deployment or a StatefulSet",
		"CronJob": "takes a Deployment or a StatefulSet",
	} {
		u := read(t, "deployment")
		u.SetKind(name)
		if name == "Job" || name == "CronJob" {
			u.SetAPIVersion("batch/v1")
		}
		if name == "Pod" {
			u.SetAPIVersion("v1")
		}
		if _, err := Of(u, by); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	u := read(t, "deployment")
	if err := unstructured.SetNestedField(u.Object, true, "spec", "template", "spec", "hostNetwork"); err != nil {
		t.Fatal(err)
	}
	if _, err := Of(u, by); err == nil || !strings.Contains(err.Error(), "use the ports of their node") {
		t.Errorf("host network: error %v", err)
	}
}

func TestLongNames(t *testing.T) {
	u := read(t, "deployment")
	seen := map[string]bool{}
	for _, last := range []string{"a", "b"} {
		u.SetName(strings.Repeat("very-long-", 15) + last)
		c, err := Of(u, by)
		if err != nil {
			t.Fatal(err)
		}
		if name := c.Object.GetName(); len(name) > maxName || seen[name] {
			t.Errorf("name %q", name)
		}
		if label := c.Object.GetLabels()[Label]; len(label) > 63 || seen[label] {
			t.Errorf("label %q", label)
		}
		seen[c.Object.GetName()], seen[c.Object.GetLabels()[Label]] = true, true
	}
}

func TestDead(t *testing.T) {
	now := time.Now()
	here := record.Here{
		Self:    record.Process{Machine: "here", ID: 7, Started: "70"},
		Started: func(id int) (string, bool) { return map[int]string{7: "70", 8: "80"}[id], true },
	}
	for name, c := range map[string]struct {
		by   record.Process
		ends time.Time
		dead bool
	}{
		"elsewhere":                   {record.Process{Machine: "there", ID: 8, Started: "80"}, now.Add(time.Minute), false},
		"elsewhere, long ago":         {record.Process{Machine: "there", ID: 8, Started: "80"}, now.Add(-time.Minute), true},
		"nobody knows where":          {record.Process{}, now.Add(time.Minute), false},
		"here":                        {record.Process{Machine: "here", ID: 8, Started: "80"}, now.Add(time.Minute), false},
		"here, and gone":              {record.Process{Machine: "here", ID: 9, Started: "90"}, now.Add(time.Minute), true},
		"here, and another's number":  {record.Process{Machine: "here", ID: 8, Started: "10"}, now.Add(time.Minute), true},
		"an earlier one of this very": {here.Self, now.Add(time.Minute), true},
	} {
		if got := (Holder{Process: c.by, Ends: c.ends}).Dead(now, here); got != c.dead {
			t.Errorf("%s: dead %t", name, got)
		}
	}
}

func TestRepository(t *testing.T) {
	for image, want := range map[string]string{
		"web": "web", "web:v1": "web", "host:5000/web": "host:5000/web", "host:5000/web:v1": "host:5000/web",
		"host/web:v1@sha256:abc": "host/web", "host/web@sha256:abc": "host/web",
	} {
		if got := repository(image); got != want {
			t.Errorf("repository(%q) = %q, want %q", image, got, want)
		}
	}
}

func TestFind(t *testing.T) {
	found, err := Find([]string{"slow", "image"})
	if err != nil || len(found) != 2 || found[0].Name != "image" {
		t.Errorf("found %v, %v", found, err)
	}
	if _, err := Find([]string{"nope"}); err == nil || !strings.Contains(err.Error(), "image, crash, probe, slow, errors") {
		t.Errorf("error %v", err)
	}
	if _, err := Faults()[4].Break(Copy{Object: read(t, "deployment")}, Options{}); err == nil {
		t.Error("errors are made from nothing")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}
