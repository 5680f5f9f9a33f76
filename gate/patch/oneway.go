package patch

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// OneWay says, in words, why an undo of the write cannot bring back what was there before: the API server lets the object go
// there, and not back. It is empty where nothing is known to be in the way. Nothing leads out of a deletion, so an object
// that the write creates has no such reason.
func OneWay(w Write) string {
	before, after := w.Origin(), w.After
	if before == nil || after == nil {
		return ""
	}
	rule, known := oneWay[schema.GroupKind{Group: w.Ref.Group, Kind: w.Ref.Kind}]
	if !known {
		return ""
	}
	return rule(before, after)
}

// oneWay has what the validation of the API server allows in one direction only.
var oneWay = map[schema.GroupKind]func(before, after *unstructured.Unstructured) string{
	{Kind: "ConfigMap"}:             immutable,
	{Kind: "Secret"}:                immutable,
	{Kind: "PersistentVolumeClaim"}: grows,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: storesNewVersion,
}

// immutable: ValidateConfigMapUpdate and ValidateSecretUpdate of the API server, "field is immutable when `immutable` is
// set".
func immutable(before, after *unstructured.Unstructured) string {
	was, _, _ := unstructured.NestedBool(before.Object, "immutable")
	is, _, _ := unstructured.NestedBool(after.Object, "immutable")
	if was || !is {
		return ""
	}
	return "it becomes immutable, so it can be deleted but not put back"
}

// grows: ValidatePersistentVolumeClaimUpdate, "field can not be less than status.capacity".
func grows(before, after *unstructured.Unstructured) string {
	at := []string{"spec", "resources", "requests", "storage"}
	from, _, _ := unstructured.NestedString(before.Object, at...)
	to, _, _ := unstructured.NestedString(after.Object, at...)
	small, err := resource.ParseQuantity(from)
	large, err2 := resource.ParseQuantity(to)
	if err != nil || err2 != nil || large.Cmp(small) <= 0 {
		return ""
	}
	return fmt.Sprintf("a volume that has grown from %s to %s does not shrink", from, to)
}

// storesNewVersion: ValidateCustomResourceDefinitionUpdate, every one of status.storedVersions "must appear in
// spec.versions"; the version that is stored is added to them at once.
func storesNewVersion(before, after *unstructured.Unstructured) string {
	known, _ := versionsOf(before)
	_, stored := versionsOf(after)
	if stored == "" || slices.Contains(known, stored) {
		return ""
	}
	return fmt.Sprintf("it stores objects as %s, which the definition of before does not know", stored)
}

// versionsOf are the versions of a custom resource definition, and the one that is stored.
func versionsOf(u *unstructured.Unstructured) (all []string, stored string) {
	versions, _, _ := unstructured.NestedSlice(u.Object, "spec", "versions")
	for _, v := range versions {
		fields, _ := v.(map[string]any)
		name, _ := fields["name"].(string)
		all = append(all, name)
		if is, _ := fields["storage"].(bool); is {
			stored = name
		}
	}
	return all, stored
}
