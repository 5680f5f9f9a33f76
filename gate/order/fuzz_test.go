package order

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// kinds and annotations are what objects of the fuzz test are made of.
var (
	kinds = [][2]string{
		{"batch/v1", "Job"}, {"v1", "Pod"}, {"apps/v1", "Deployment"}, {"v1", "ConfigMap"}, {"v1", "Namespace"},
		{"example.com/v1", "Thing"}, {"apiextensions.k8s.io/v1", "CustomResourceDefinition"}, {"networking.k8s.io/v1", "Ingress"},
	}
	annotations = [][2]string{
		{"helm.sh/hook", "pre-install"}, {"helm.sh/hook", "pre-upgrade,post-install"}, {"helm.sh/hook", "test"},
		{"helm.sh/hook", "post-install,post-upgrade,test"}, {"helm.sh/hook", "pre-delete"}, {"helm.sh/hook", "pre-install,pre-upgrade"},
		{"helm.sh/hook-weight", "-5"}, {"helm.sh/hook-weight", "3"}, {"helm.sh/hook-delete-policy", "hook-succeeded"},
		{"argocd.argoproj.io/hook", "PreSync"}, {"argocd.argoproj.io/hook", "Sync"}, {"argocd.argoproj.io/hook", "PostSync"},
		{"argocd.argoproj.io/hook", "Skip"}, {"argocd.argoproj.io/sync-wave", "-5"}, {"argocd.argoproj.io/sync-wave", "2"},
		{"kapp.k14s.io/change-group", "a"}, {"kapp.k14s.io/change-group.2", "b"}, {"kapp.k14s.io/change-rule", "upsert after upserting a"},
		{"kapp.k14s.io/change-rule.2", "upsert before upserting b"}, {"kapp.k14s.io/change-rule", "delete after deleting a"},
		{"rolloutgate.dev/stage", "-1"}, {"rolloutgate.dev/stage", "1"},
	}
)

// made makes an object of each four bytes: kind, namespace or name, two annotations. The value is a foreign one for the
// annotation that the last byte picks.
func made(data []byte, value string) []manifest.Object {
	var objects []manifest.Object
	for i := 0; i+3 < len(data) && i < 4*64; i += 4 {
		kind := kinds[int(data[i])%len(kinds)]
		name := fmt.Sprintf("o%d", i/4)
		metadata := map[string]any{"name": name, "annotations": map[string]any{}}
		if data[i+1]&1 != 0 {
			metadata["namespace"] = fmt.Sprintf("o%d", data[i+1]>>4)
		}
		if data[i+1]&6 == 6 {
			delete(metadata, "name")
			metadata["generateName"] = name
		}
		written := metadata["annotations"].(map[string]any)
		for _, b := range data[i+2 : i+4] {
			a := annotations[int(b)%len(annotations)]
			switch {
			case b == 255:
				written[annotations[len(value)%len(annotations)][0]] = value
			case b < 200:
				written[a[0]] = a[1]
			}
		}
		objects = append(objects, manifest.Object{
			Unstructured: &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": kind[0], "kind": kind[1], "metadata": metadata,
				"spec": map[string]any{"group": "example.com", "names": map[string]any{"kind": "Thing"}},
			}},
			Source: manifest.Source{Path: "a.yaml", Line: i/4 + 1},
		})
	}
	return objects
}

// FuzzSplit: no object is lost or doubled, no wave is written before a lower one, every rule is followed, and the same
// input has the same result.
func FuzzSplit(f *testing.F) {
	f.Add([]byte{0, 0, 5, 6, 3, 0, 5, 200, 2, 0, 200, 200, 1, 0, 2, 200}, "", true, true)
	f.Add([]byte{2, 0, 15, 14, 2, 0, 17, 13, 0, 6, 9, 8, 4, 0, 200, 200, 5, 1, 13, 200, 6, 0, 200, 200}, "x", false, false)
	f.Add([]byte{0, 0, 17, 15, 0, 0, 16, 17, 0, 0, 18, 255}, "upsert after upserting b", true, false)
	f.Add([]byte{0, 0, 0, 200, 0, 0, 1, 200, 7, 0, 20, 3, 2, 0, 21, 4}, "", false, true)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 400 {
		data := make([]byte, 4*(1+i%8))
		for j := range data {
			data[j] = byte(random.UintN(256))
		}
		f.Add(data, "upsert after upserting b", i&1 == 0, i&2 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, value string, upgrade, tests bool) {
		objects := made(data, value)
		o := Options{Upgrade: upgrade, Tests: tests}
		order, err := Split(objects, o)
		if again := describe(Split(objects, o)); again != describe(order, err) {
			t.Fatalf("twice the same input, and not the same result:\n%s\n%s", describe(order, err), again)
		}
		if err != nil {
			var e *manifest.Error
			if !errors.As(err, &e) || e.Line == 0 || e.Msg == "" {
				t.Fatalf("got %#v", err)
			}
			return
		}
		at := checkComplete(t, objects, order)
		checkWaves(t, objects, at)
		checkRules(t, objects, at)
	})
}

// checkComplete returns the group of each object that has one.
func checkComplete(t *testing.T, objects []manifest.Object, order Order) map[*unstructured.Unstructured]int {
	t.Helper()
	at := map[*unstructured.Unstructured]int{}
	count := map[*unstructured.Unstructured]int{}
	names := map[string]bool{}
	for i, g := range order.Groups {
		if len(g.Objects) == 0 || names[g.Name] || i > 0 && order.Groups[i-1].Test && !g.Test {
			t.Errorf("group %d (%q) is empty, has the name of another, or follows a test", i, g.Name)
		}
		names[g.Name] = true
		for _, object := range g.Objects {
			count[object.Unstructured]++
			at[object.Unstructured] = i
			if object.Until < i || object.Until >= len(order.Groups) {
				t.Errorf("%s of group %d is needed until group %d", named(object.Object), i, object.Until)
			}
			if object.GetName() == "" && (!object.Hook || object.Replace) {
				t.Errorf("%s has no name", named(object.Object))
			}
		}
	}
	for _, left := range order.LeftOut {
		count[left.Object.Unstructured]++
		if left.Why == "" {
			t.Errorf("%s is left out without a reason", named(left.Object))
		}
	}
	for _, object := range objects {
		if n := count[object.Unstructured]; n != 1 {
			t.Errorf("%s is there %d times", named(object), n)
		}
		delete(count, object.Unstructured)
	}
	if len(count) > 0 {
		t.Errorf("%d objects come from nowhere", len(count))
	}
	return at
}

// checkWaves compares all objects that have no annotation but a wave, perhaps. What others need to be written may come
// earlier.
func checkWaves(t *testing.T, objects []manifest.Object, at map[*unstructured.Unstructured]int) {
	t.Helper()
	waves := map[int][]int{} // groups by wave
	for _, object := range objects {
		written := object.GetAnnotations()
		_, waved := written["argocd.argoproj.io/sync-wave"]
		if wave, _, err := number(object, "argocd.argoproj.io/sync-wave"); err == nil && (len(written) == 0 || waved && len(written) == 1) &&
			!slices.Contains([]string{"Namespace", "CustomResourceDefinition"}, object.GetKind()) {
			waves[wave] = append(waves[wave], at[object.Unstructured])
		}
	}
	for low, groups := range waves {
		for high, others := range waves {
			if low < high && slices.Max(groups) >= slices.Min(others) {
				t.Errorf("something of wave %d is in group %d, and something of wave %d in group %d", low, slices.Max(groups), high, slices.Min(others))
			}
		}
	}
}

func checkRules(t *testing.T, objects []manifest.Object, at map[*unstructured.Unstructured]int) {
	t.Helper()
	for _, object := range objects {
		own, written := at[object.Unstructured]
		if _, staged := object.GetAnnotations()[StageAnnotation]; !written || staged {
			continue
		}
		rules, err := rulesOf(object)
		if err != nil {
			t.Error(err)
		}
		for _, r := range rules {
			for _, other := range objects {
				groups, err := groupsOf(other)
				theirs, written := at[other.Unstructured]
				if !written || !slices.Contains(groups, r.group) {
					continue
				}
				if err != nil || r.after && own <= theirs || !r.after && own >= theirs {
					t.Errorf("%s of group %d has the rule %q, and %s is in group %d (%v)", named(object), own, r.text, named(other), theirs, err)
				}
			}
		}
	}
}
