package patch

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// FuzzInvert holds two laws against Deployments that three writers made up: what nobody else touched is exactly what
// it was before, owners too; and what somebody else wrote is never changed. Beside them: what is not reported as kept
// went back, the result is valid, and a second undo has nothing to do.
func FuzzInvert(f *testing.F) {
	random := rand.New(rand.NewPCG(1, 2)) // the same corpus in every run
	for range 60 {
		seed := make([]byte, 160)
		for i := range seed {
			seed[i] = byte(random.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		laws(t, &dice{data: data})
	})
}

func laws(t *testing.T, d *dice) {
	before := d.deployment(nil)
	written := d.deployment(before)
	live := d.deployment(written)
	untouched(t, before, written)

	w := Write{Manager: runManager, Before: deployment(before), Written: deployment(written)}
	inv, err := Invert(w, deployment(live), undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	k := inv.kind
	result := content(inv.Object)
	b, now := content(w.Before), content(deployment(live))

	moved := noPaths()
	k.compare(nil, now, result, moved)
	for at := range inv.foreign.whole.All() {
		if moved.reaches(at) {
			t.Errorf("%s was written by somebody else and has changed", Text(at))
		}
	}
	differs := noPaths()
	k.compare(nil, b, result, differs)
	for at := range inv.changed.whole.All() {
		if differs.reaches(at) && !inv.foreign.reaches(at) && !inv.stays.has(at) {
			t.Errorf("%s was written by nobody else and is not as before", Text(at))
		}
	}
	if why := invalid(result.(map[string]any)); why != "" {
		t.Errorf("the result is not valid: %s", why)
	}
	again, err := Invert(w, inv.Object, undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	if again.Changes {
		t.Errorf("a second undo would change %v", Changed(inv.Object, again.Object, nil))
	}
	if t.Failed() {
		t.Logf("before  %v\nwritten %v\nlive    %v\nresult  %v\nkept    %v", b, content(w.Written), now, result, inv.Kept)
	}
}

// untouched is the first law, with the API server's own owners.
func untouched(t *testing.T, before, written map[string]any) {
	s := newServer(t, deployment(before), nil)
	s.pause = 0 // fuzzing does not work with a clock of its own
	was := s.update(deployment(before), "maker")
	is := s.edit(runManager, func(o map[string]any) {
		next := deployment(written)
		next.SetManagedFields(was.GetManagedFields())
		clear(o)
		maps.Copy(o, next.Object)
	})
	inv, err := Invert(Write{Manager: runManager, Before: was, Written: is}, is, undoManager, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameObject(t, content(was), content(inv.Object))
	if len(inv.Kept) > 0 || inv.Extent != All {
		t.Errorf("nobody wrote, and %s of it goes back, without %s", inv.Extent, keptPaths(inv.Kept))
	}
	if _, owners := s.undo(inv); !SameOwners(was.GetManagedFields(), owners) {
		sameOwners(t, was.GetManagedFields(), owners)
	}
}

func deployment(fields map[string]any) *unstructured.Unstructured {
	u := (&unstructured.Unstructured{Object: fields}).DeepCopy()
	u.SetAPIVersion("apps/v1")
	u.SetKind("Deployment")
	u.SetName("web")
	u.SetUID("1")
	return u
}

// dice makes choices of the bytes of a fuzz test. When they are used up, all choices are the first.
type dice struct{ data []byte }

func (d *dice) roll(n int) int {
	if len(d.data) == 0 {
		return 0
	}
	first := int(d.data[0])
	d.data = d.data[1:]
	return first % n
}

// some takes over a field of the state before, or makes it anew, or leaves it out.
func (d *dice) some(out, from map[string]any, name string, make func(from any) any) {
	was, had := from[name]
	switch d.roll(5) {
	case 0, 1:
		if had {
			out[name] = was
		}
	case 2, 3:
		if v := make(was); v != nil {
			out[name] = v
		}
	}
}

func (d *dice) one(values ...any) func(any) any {
	return func(any) any { return values[d.roll(len(values))] }
}

func (d *dice) mapOf(names []string, values ...any) func(any) any {
	return func(from any) any {
		was, _ := from.(map[string]any)
		out := map[string]any{}
		for _, name := range names {
			d.some(out, was, name, d.one(values...))
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
}

// list makes items of those names in some order; now and then one twice.
func (d *dice) list(names []string, make func(name string, from map[string]any) map[string]any) func(any) any {
	return func(from any) any {
		was := map[string]map[string]any{}
		items, _ := from.([]any)
		for _, item := range items {
			fields := item.(map[string]any)
			was[fields["name"].(string)] = fields
		}
		out := []any{}
		for _, name := range names {
			if d.roll(3) > 0 {
				out = slices.Insert(out, d.roll(len(out)+1), any(make(name, was[name])))
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	}
}

func (d *dice) deployment(from map[string]any) map[string]any {
	spec, _ := from["spec"].(map[string]any)
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	metadata, _ := from["metadata"].(map[string]any)

	newMetadata := map[string]any{}
	d.some(newMetadata, metadata, "labels", d.mapOf([]string{"a", "b", "c"}, "x", "y", "z"))
	d.some(newMetadata, metadata, "annotations", d.mapOf([]string{"a", "b"}, "x", "y", "z"))
	d.some(newMetadata, metadata, "finalizers", d.one([]any{"a.org/a"}, []any{"a.org/b", "a.org/a"}, []any{"a.org/b"}))

	newSpec := map[string]any{}
	d.some(newSpec, spec, "replicas", d.one(int64(1), int64(2), int64(3)))
	d.some(newSpec, spec, "strategy", d.strategy)
	newPod := map[string]any{}
	d.some(newPod, pod, "nodeSelector", d.mapOf([]string{"a", "b"}, "x", "y", "z"))
	d.some(newPod, pod, "securityContext", d.mapOf([]string{"runAsUser", "fsGroup"}, int64(1), int64(2), int64(3)))
	d.some(newPod, pod, "volumes", d.list([]string{"v", "w"}, d.volume))
	volumes := namesIn(newPod["volumes"])
	containers := d.list([]string{"app", "log", "mesh"}, func(name string, was map[string]any) map[string]any { return d.container(name, was, volumes) })
	newPod["containers"] = pod["containers"]
	if v := containers(pod["containers"]); v != nil {
		newPod["containers"] = v
	} else {
		delete(newPod, "containers")
	}
	newSpec["template"] = map[string]any{"spec": newPod}
	return map[string]any{"metadata": newMetadata, "spec": newSpec}
}

func (d *dice) strategy(any) any {
	if d.roll(2) == 0 {
		return map[string]any{"type": "Recreate"}
	}
	numbers := []map[string]any{{"maxSurge": int64(1), "maxUnavailable": int64(0)}, {"maxSurge": int64(0), "maxUnavailable": int64(1)}, {"maxSurge": int64(1), "maxUnavailable": int64(1)}}
	return map[string]any{"type": "RollingUpdate", "rollingUpdate": numbers[d.roll(3)]}
}

func (d *dice) volume(name string, _ map[string]any) map[string]any {
	kind := []string{"emptyDir", "configMap", "secret"}[d.roll(3)]
	return map[string]any{"name": name, kind: map[string]any{}}
}

func (d *dice) container(name string, from map[string]any, volumes []string) map[string]any {
	out := map[string]any{"name": name, "image": []string{"1", "2", "3"}[d.roll(3)]}
	d.some(out, from, "args", d.one([]any{"a"}, []any{"b"}, []any{"a", "b"}))
	names := []string{"A", "B", "C"}
	if d.roll(6) == 0 {
		names = append(names, "A") // the API server tolerates it
	}
	d.some(out, from, "env", d.list(names, func(name string, _ map[string]any) map[string]any {
		if d.roll(3) == 0 {
			return map[string]any{"name": name, "valueFrom": map[string]any{"fieldRef": map[string]any{"fieldPath": "x"}}}
		}
		return map[string]any{"name": name, "value": []string{"x", "y"}[d.roll(2)]}
	}))
	mounts := []any{}
	for _, v := range volumes {
		if d.roll(2) == 0 {
			mounts = append(mounts, map[string]any{"mountPath": "/" + v, "name": v})
		}
	}
	if len(mounts) > 0 {
		out["volumeMounts"] = mounts
	}
	return out
}

// invalid says what the API server would refuse, of what the dice can throw.
func invalid(fields map[string]any) string {
	strategy := get(get(fields, "spec"), "strategy")
	numbers := get(strategy, "rollingUpdate")
	if !isAbsent(strategy) && (get(strategy, "type") == "RollingUpdate") == isAbsent(numbers) {
		return "strategy"
	}
	if !isAbsent(numbers) && equal(get(numbers, "maxSurge"), int64(0)) && equal(get(numbers, "maxUnavailable"), int64(0)) {
		return "both are zero"
	}
	pod := get(get(get(fields, "spec"), "template"), "spec")
	volumes, _ := get(pod, "volumes").([]any)
	for _, v := range volumes {
		if len(v.(map[string]any)) != 2 {
			return "volume"
		}
	}
	containers, _ := get(pod, "containers").([]any)
	for _, c := range containers {
		if isAbsent(get(c, "image")) {
			return "image"
		}
		mounts, _ := get(c, "volumeMounts").([]any)
		for _, m := range mounts {
			if !slices.Contains(namesIn(volumes), get(m, "name").(string)) {
				return "mount"
			}
		}
		env, _ := get(c, "env").([]any)
		for _, e := range env {
			if len(e.(map[string]any)) != 2 {
				return "env"
			}
		}
	}
	return ""
}
