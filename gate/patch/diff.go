package patch

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/rogpeppe/go-internal/diff"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// serverFields are the metadata that the API server keeps; they change with every write and mean nothing to a user.
var serverFields = []string{"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink",
	"deletionTimestamp", "deletionGracePeriodSeconds"}

// serverAnnotations are annotations that the control plane keeps.
var serverAnnotations = []string{
	"deployment.kubernetes.io/revision",        // the Deployment controller's
	"deprecated.daemonset.template.generation", // the API server's
}

// LastApplied is where `kubectl apply` keeps what it applied. It can hold the data of a Secret.
const LastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// WithoutServerFields returns a copy without the metadata that only the API server sets. An object that was exported
// from a cluster still has it, and sent with an apply it would be a condition that can never be met.
func WithoutServerFields(u *unstructured.Unstructured) *unstructured.Unstructured {
	out := u.DeepCopy()
	for _, f := range serverFields {
		unstructured.RemoveNestedField(out.Object, "metadata", f)
	}
	return out
}

// Authored returns the part of an object that a user can have written: no status, no bookkeeping of the server's.
// The answer shares nothing with the argument.
func Authored(u *unstructured.Unstructured) map[string]any {
	if u == nil {
		return map[string]any{}
	}
	out := u.DeepCopy().Object
	delete(out, "status")
	metadata, _ := out["metadata"].(map[string]any)
	for _, f := range serverFields {
		delete(metadata, f)
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, LastApplied)
	for _, a := range serverAnnotations {
		delete(annotations, a)
	}
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	return out
}

// SameAuthored compares what users write; the number of replicas is left out because autoscalers write it as well.
func SameAuthored(a, b *unstructured.Unstructured) bool {
	x, y := Authored(a), Authored(b)
	unstructured.RemoveNestedField(x, "spec", "replicas")
	unstructured.RemoveNestedField(y, "spec", "replicas")
	return equality.Semantic.DeepEqual(x, y)
}

// Diff is a unified diff of the object before and after, as `kubectl diff` prints it: Secret values masked, the
// server's own fields left out. It is empty when nothing changes.
func (w Write) Diff() string {
	after := w.After
	if after == nil {
		after = w.Sent
	}
	if w.Action == Pruned {
		after = nil
	} else if w.Action == Unchanged || after == nil {
		return ""
	}
	before, now := Authored(w.Before), Authored(after)
	if after != nil && isSecret(after) || w.Action == Pruned && isSecret(w.Before) {
		maskSecret(before, now)
	}
	name := fmt.Sprintf("%s %s", w.Ref.Namespace, w.Ref)
	return string(diff.Diff("live "+name, encode(before), "applied "+name, encode(now)))
}

func encode(object map[string]any) []byte {
	if len(object) == 0 {
		return nil
	}
	out, err := yaml.Marshal(object)
	if err != nil { // what came as JSON can be written as YAML
		return []byte(err.Error())
	}
	return out
}

func isSecret(u *unstructured.Unstructured) bool {
	gvk := u.GroupVersionKind()
	return gvk.Group == "" && gvk.Kind == "Secret"
}

// maskSecret replaces the values of both sides, keeping which ones differ visible.
func maskSecret(before, now map[string]any) {
	for _, field := range []string{"data", "stringData"} {
		old, _ := before[field].(map[string]any)
		new, _ := now[field].(map[string]any)
		keys := slices.Concat(slices.Collect(maps.Keys(old)), slices.Collect(maps.Keys(new)))
		for _, key := range keys {
			was, had := old[key]
			is, has := new[key]
			switch {
			case had && has && was != is:
				old[key], new[key] = "*** (before)", "*** (after)"
			case had && has:
				old[key], new[key] = "***", "***"
			case had:
				old[key] = "***"
			default:
				new[key] = "***"
			}
		}
	}
}

// SecretValues lists every value of every Secret that the plan touches, before and after, so that a caller can keep
// them out of its output.
func (p Plan) SecretValues() []string {
	var values []string
	for _, w := range slices.Concat(p.Writes, p.Prunes) {
		for _, u := range []*unstructured.Unstructured{w.Object.Unstructured, w.Sent, w.Before} {
			if u != nil && isSecret(u) {
				values = append(values, secretValues(u)...)
			}
		}
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func secretValues(u *unstructured.Unstructured) []string {
	var values []string
	data, _, _ := unstructured.NestedMap(u.Object, "data")
	for _, v := range data {
		encoded, _ := v.(string)
		values = append(values, encoded)
		if plain, err := base64.StdEncoding.DecodeString(encoded); err == nil {
			values = append(values, string(plain))
		}
	}
	plain, _, _ := unstructured.NestedMap(u.Object, "stringData")
	for _, v := range plain {
		text, _ := v.(string)
		values = append(values, text, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	return values
}
