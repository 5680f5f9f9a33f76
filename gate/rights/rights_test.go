package rights

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var update = flag.Bool("update", false, "rewrite the files in testdata")

// TestYAML compares the Roles of each folder of manifests in testdata.
func TestYAML(t *testing.T) {
	for name, c := range map[string]struct {
		use     Use
		account Account
	}{
		"deployment":  {},
		"never-undo":  {use: Use{NeverUndo: true}},
		"statefulset": {account: Account{"ci", "deployer"}},
		"stuck-stays": {use: Use{KeepStuckPods: true}},
		"canary":      {use: Use{Canaries: true}},
		"prometheus":  {use: Use{Prometheus: Service{Namespace: "monitoring", Name: "prometheus"}}},
		"no-proxy":    {use: Use{Prometheus: Service{Namespace: "monitoring", Name: "prometheus", NoProxy: true}}},
		"definition":  {},
		"namespaces":  {},
		"config":      {},
		"blue-green":  {use: Use{Pins: true}},
		"events":      {use: Use{Events: true}},
		"traffic":     {use: Use{Pins: true, Shares: true}},
	} {
		t.Run(name, func(t *testing.T) {
			var err error
			if c.use.Objects, err = Find(objects(t, name), "shop", nobody); err != nil {
				t.Fatal(err)
			}
			c.use.Home, c.use.Record = "shop", name != "never-undo"
			got := YAML(Needed(c.use), c.account, "shop")
			golden(t, filepath.Join("testdata", name+".golden"), got)
			parses(t, got)
		})
	}
}

// parses: kubectl takes it, and every rule grants something.
func parses(t *testing.T, text string) {
	t.Helper()
	for document := range strings.SplitSeq(text, "---\n") {
		if !strings.Contains(document, "\nkind: Role\n") && !strings.Contains(document, "\nkind: ClusterRole\n") {
			continue
		}
		var role rbacv1.Role
		if err := yaml.UnmarshalStrict([]byte(document), &role); err != nil {
			t.Fatal(err)
		}
		for _, r := range role.Rules {
			if len(r.Verbs) == 0 || len(r.Resources) == 0 || len(r.APIGroups) != 1 {
				t.Errorf("the rule %+v grants nothing", r)
			}
		}
	}
}

// TestTable: no two rows are for the same, and every row is a sentence of the documentation.
func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, row := range Table() {
		if seen[row.Purpose] || row.Purpose == "" || strings.HasSuffix(row.Purpose, ".") || strings.HasSuffix(row.Without, ".") || len(row.Verbs) == 0 {
			t.Errorf("row %+v", row)
		}
		seen[row.Purpose] = true
	}
}

func TestFindAsks(t *testing.T) {
	unknown := objects(t, "unknown")
	_, err := Find(unknown, "shop", nobody)
	var e *UnknownKindError
	if !errors.As(err, &e) || !strings.Contains(err.Error(), "unknown.yaml:1: what the API calls the kind Widget.example.com is not known offline") {
		t.Errorf("error %v", err)
	}
	asked := 0
	found, err := Find(append(unknown, unknown...), "shop", func(schema.GroupVersionKind) (manifest.Resource, error) {
		asked++
		return manifest.Resource{Group: "example.com", Resource: "widgets", Namespaced: true}, nil
	})
	if err != nil || asked != 1 || len(found) != 2 || found[0].GetNamespace() != "shop" {
		t.Errorf("found %v, asked %d times, %v", found, asked, err)
	}
	if unknown[0].GetNamespace() != "" {
		t.Error("the object of the manifest was changed")
	}
}

func TestRequired(t *testing.T) {
	all := Needed(Use{Objects: mustFind(t, "deployment")})
	required := Required(all)
	if len(required) == 0 || len(required) == len(all) || slices.ContainsFunc(required, Right.optional) {
		t.Errorf("%d of %d are required", len(required), len(all))
	}
}

func (r Right) optional() bool { return r.Optional() }

func TestNotes(t *testing.T) {
	notes := strings.Join(Notes(Use{Objects: mustFind(t, "namespaces")}), "\n")
	for _, want := range []string{"namespace/made is among the manifests", "role/reader grants rights"} {
		if !strings.Contains(notes, want) {
			t.Errorf("notes %q do not say %q", notes, want)
		}
	}
}

func TestNamesThatYAMLWouldReadOtherwise(t *testing.T) {
	text := YAML([]Right{{Row: Row{Purpose: "x", Verbs: []string{"get"}}, Resources: []string{"pods"}, Namespace: "123"}}, Account{"on", "1e3"}, "123")
	for _, want := range []string{`namespace: "123"`, `name: "1e3"`, `namespace: "on"`} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %s in\n%s", want, text)
		}
	}
}

func nobody(schema.GroupVersionKind) (manifest.Resource, error) {
	return manifest.Resource{}, errors.New("nobody to ask")
}

func mustFind(t *testing.T, name string) []Object {
	t.Helper()
	found, err := Find(objects(t, name), "shop", nobody)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// objects are those of a file in testdata. Cases that differ only in their flags share those of a Deployment or StatefulSet.
func objects(t *testing.T, name string) []manifest.Object {
	t.Helper()
	switch name {
	case "never-undo", "prometheus", "no-proxy", "blue-green", "traffic":
		name = "deployment"
	case "stuck-stays":
		name = "statefulset"
	}
	read, err := manifest.Read(manifest.Options{Filenames: []string{filepath.Join("testdata", name+".yaml")}})
	if err != nil {
		t.Fatal(err)
	}
	return read.Objects
}

func golden(t *testing.T, path, got string) {
	t.Helper()
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
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}
