package manifest

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// hookTool is a tool that runs objects with an annotation at moments of its own.
type hookTool struct {
	name, a, annotation string // a is its article
	// deploy are the phases that are part of a deploy: leaving such a hook out would leave a part of the deploy out.
	deploy []string
	// ordinary are the phases in which the object is applied together with all others.
	ordinary []string
	hint     string
}

// hookTools are the tools whose output is applied by others too. Sources: helm.sh/docs/topics/charts_hooks, and
// argo-cd.readthedocs.io/en/stable/user-guide/resource_hooks.
var hookTools = []hookTool{
	{
		name: "Helm", a: "a", annotation: "helm.sh/hook",
		deploy: []string{"pre-install", "post-install", "pre-upgrade", "post-upgrade"},
		hint:   "run it in a step of its own, and leave hooks out here: helm template --no-hooks RELEASE CHART | rolloutgate run -f -",
	},
	{
		name: "Argo CD", a: "an", annotation: "argocd.argoproj.io/hook",
		deploy: []string{"PreSync", "PostSync"}, ordinary: []string{"Sync"},
		hint: "run it in a step of its own, from a file that is not given here",
	},
}

// hook recognises an object that a tool runs at moments of its own: a test, a clean-up before the release is deleted. It
// must never run as a part of the deploy, so it gets a Hook. One that the tool would run with the deploy, such as a
// migration, is an error: a deploy without it is not what was meant, and running it beside the rest is not either.
func (d document) hook(o *Object) (bool, error) {
	for _, tool := range hookTools {
		value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "metadata", "annotations", tool.annotation)
		phases, isText := value.(string)
		if !found || !isText {
			continue // what is no text is refused as every annotation
		}
		if slices.ContainsFunc(strings.Split(phases, ","), func(phase string) bool {
			return slices.Contains(tool.deploy, strings.TrimSpace(phase))
		}) {
			return false, d.at(*o, "metadata.annotations["+tool.annotation+"]", tool.hint,
				"%s is %s %s hook (%s: %s), which %s would run with this deploy; it cannot be applied as an ordinary object",
				named(*o), tool.a, tool.name, tool.annotation, phases, tool.name)
		}
		if slices.Contains(tool.ordinary, strings.TrimSpace(phases)) {
			continue
		}
		o.Hook = fmt.Sprintf("%s %s hook (%s)", tool.a, tool.name, phases)
		o.Notes = append(o.Notes, "left out, it is "+o.Hook)
		return true, nil
	}
	return false, nil
}

// named is the name of an object that may have none yet.
func named(o Object) string {
	if o.GetName() == "" {
		return strings.ToLower(o.GetKind()) + "/" + o.GetGenerateName()
	}
	return o.Ref().String()
}
