package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// side is where a release is: not there at all, or there as a whole.
type side string

// The sides. either is for what is not asked.
const (
	before side = "before"
	after  side = "after"
	again  side = "again" // as after, but by an undo of a later release
	either side = ""
)

// form is an object without what only the server sets, ready to be compared.
type form map[string]any

// What only the server or a controller sets.
var (
	serverFields      = []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "selfLink", "namespace", "uid"}
	serverAnnotations = []string{"deployment.kubernetes.io/revision", "deprecated.daemonset.template.generation"}
)

// formOf takes an object to what is compared of it, its field owners included. An exact form can be compared with another
// one of the same object only: it has the time at which owners wrote, and the object's identity.
func formOf(o *unstructured.Unstructured, exact bool) form {
	f := form(o.DeepCopy().Object)
	delete(f, "status")
	metadata, _ := f["metadata"].(map[string]any)
	for _, field := range serverFields {
		delete(metadata, field)
	}
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		for _, a := range serverAnnotations {
			delete(annotations, a)
		}
		if len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	f["owners"] = ownersOf(o, exact)
	if exact {
		metadata["uid"] = string(o.GetUID())
		return f
	}
	if spec, ok := f["spec"].(map[string]any); ok && o.GetKind() == "Service" { // each has addresses of its own
		delete(spec, "clusterIP")
		delete(spec, "clusterIPs")
	}
	return f.neutral(o)
}

// ownersOf are the field owners, without those of a status.
func ownersOf(o *unstructured.Unstructured, exact bool) map[string]any {
	owners := map[string]any{}
	for _, m := range o.GetManagedFields() {
		if m.Subresource == "status" {
			continue
		}
		var fields any
		if m.FieldsV1 != nil {
			_ = json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields)
		}
		entry := map[string]any{"fields": fields}
		if exact && m.Time != nil {
			entry["time"] = m.Time.UTC().Format(time.RFC3339)
		}
		owners[fmt.Sprintf("%s %s %s", m.Manager, m.Operation, m.APIVersion)] = entry
	}
	return owners
}

// neutral takes the names of its namespace and its own identity out of a form.
func (f form) neutral(o *unstructured.Unstructured) form {
	text, err := json.Marshal(f)
	if err != nil {
		return f
	}
	replaced := strings.NewReplacer(o.GetNamespace(), "NAMESPACE", string(o.GetUID()), "UID").Replace(string(text))
	var out form
	if err := json.Unmarshal([]byte(replaced), &out); err != nil {
		return f
	}
	return out
}

// forms are those of the objects that people write, by their names.
func (w world) forms(exact bool) map[string]form {
	all := map[string]form{}
	for _, name := range w.written() {
		all[name] = formOf(w[name], exact)
	}
	return all
}

// differences lists in what objects differ from how they have to be: OBJECT FIELD: is this and not that.
func differences(want, got map[string]form) []string {
	var out []string
	names := map[string]bool{}
	for _, all := range []map[string]form{want, got} {
		for name := range all {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		wanted, ok := want[name]
		is, there := got[name]
		switch {
		case !there:
			out = append(out, name+" is not there")
		case !ok:
			out = append(out, name+" is there")
		default:
			for _, d := range differ("", map[string]any(wanted), map[string]any(is)) {
				out = append(out, name+" "+d)
			}
		}
	}
	return out
}

// differ compares two values of JSON.
func differ(path string, want, got any) []string {
	a, isMap := want.(map[string]any)
	b, areMaps := got.(map[string]any)
	if !isMap || !areMaps {
		if encoded(want) == encoded(got) || reflect.DeepEqual(want, got) {
			return nil
		}
		return []string{fmt.Sprintf("%s: is %s and not %s", strings.TrimPrefix(path, "."), short(got), short(want))}
	}
	var out []string
	keys := map[string]bool{}
	for _, m := range []map[string]any{a, b} {
		for key := range m {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		out = append(out, differ(path+"."+key, a[key], b[key])...)
	}
	return out
}

// encoded is a value as JSON has it: there is one kind of number in it.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}

// maxShown is how many characters of a value are shown.
const maxShown = 120

func short(v any) string {
	text := encoded(v)
	if len(text) > maxShown {
		return text[:maxShown] + "…"
	}
	return text
}

// leftovers lists what controllers have made that no written object needs, and what runs have kept that they should not.
// It may take a moment until nothing is left.
func leftovers(now world) []string {
	var out []string
	uids := now.byUID()
	running := map[string][]string{} // by the owner of ReplicaSets that have pods
	for _, name := range now.names("replicaset", "controllerrevision", "pod", "job") {
		o := now[name]
		for _, owner := range o.GetOwnerReferences() {
			of := uids[owner.UID]
			if of == nil {
				out = append(out, fmt.Sprintf("%s is left of %s %s", name, strings.ToLower(owner.Kind), owner.Name))
				continue
			}
			if why := obsolete(o, of); why != "" {
				out = append(out, name+" "+why)
			}
			if replicas, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); o.GetKind() == "ReplicaSet" && replicas > 0 {
				running[owner.Name] = append(running[owner.Name], o.GetName())
			}
		}
	}
	for _, owner := range slices.Sorted(maps.Keys(running)) {
		if sets := running[owner]; len(sets) > 1 {
			out = append(out, fmt.Sprintf("%s of deployment %s all have pods", strings.Join(sets, " and "), owner))
		}
	}
	for _, name := range now.written() {
		if now[name].GetDeletionTimestamp() != nil {
			out = append(out, name+" is still being deleted")
		}
	}
	return out
}

// obsolete says why an owned object should be gone; empty when it should not.
func obsolete(o, owner *unstructured.Unstructured) string {
	if o.GetKind() != "Pod" {
		return ""
	}
	if o.GetDeletionTimestamp() != nil {
		return "is still being deleted"
	}
	switch owner.GetKind() {
	case "ReplicaSet":
		if replicas, _, _ := unstructured.NestedInt64(owner.Object, "spec", "replicas"); replicas == 0 {
			return "is of a version that nobody wants"
		}
	case "StatefulSet":
		wanted, _, _ := unstructured.NestedString(owner.Object, "status", "updateRevision")
		if is := o.GetLabels()["controller-revision-hash"]; is != wanted {
			return fmt.Sprintf("is of revision %s and not %s", is, wanted)
		}
	}
	return ""
}

// kept lists what runs have left of themselves: leases, pins, records of runs that are not over, and more records than are
// asked for.
func kept(now world, most int) []string {
	var out []string
	for _, name := range now.leases() {
		out = append(out, name+" is left")
	}
	out = append(out, pins(now)...)
	all, err := now.records()
	if err != nil {
		return append(out, err.Error())
	}
	for _, s := range all {
		if s.State == running {
			out = append(out, fmt.Sprintf("the record of run %s says that it is still running", s.ID))
		}
	}
	if len(all) > most {
		out = append(out, fmt.Sprintf("there are %d records of runs", len(all)))
	}
	return out
}

// leaks lists where the data of Secrets is that should be in them only.
func leaks(now world) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if now[name].GetKind() == "Secret" && (name == "secret/password" || isRecord(now[name])) {
			continue
		}
		if hasPayload(encoded(now[name].Object)) {
			out = append(out, name+" has the data of a Secret")
		}
	}
	return out
}

func hasPayload(text string) bool {
	return slices.ContainsFunc(payloads(), func(p string) bool { return strings.Contains(text, p) })
}
