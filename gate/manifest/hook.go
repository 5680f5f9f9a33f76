package manifest

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hookAnnotations mark objects that a tool runs at moments of its own. What they mean is a matter of gate/order; here
// they only say that an object may have a generated name, or the name of another one.
var hookAnnotations = []string{"helm.sh/hook", "argocd.argoproj.io/hook"}

// hooked tells whether an object has the annotation of a hook.
func hooked(content map[string]any) bool {
	return slices.ContainsFunc(hookAnnotations, func(annotation string) bool {
		_, found, _ := unstructured.NestedFieldNoCopy(content, "metadata", "annotations", annotation)
		return found
	})
}

// named is the name of an object that may have none yet.
func named(o Object) string {
	if o.GetName() == "" {
		return strings.ToLower(o.GetKind()) + "/" + o.GetGenerateName()
	}
	return o.Ref().String()
}
