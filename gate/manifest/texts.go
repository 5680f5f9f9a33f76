package manifest

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// texts finds values that must be texts and that YAML made a number, a boolean or null. The API server refuses them, too
// late and without a line; what is a number only by accident (a build, a commit, a version) has often changed already.
func (d document) texts(o Object) *Error {
	for _, path := range textMaps(o) {
		value, found, _ := unstructured.NestedFieldNoCopy(o.Object, path...)
		if !found || value == nil {
			continue
		}
		at := strings.Join(path, ".")
		entries, ok := value.(map[string]any)
		if !ok {
			return d.at(o, at, "", "%s must be an object, not %s", at, describe(value))
		}
		var first *Error
		for key, value := range entries {
			if e := d.mustBeText(o, fmt.Sprintf("%s[%q]", at, key), at+"["+key+"]", value); e != nil && (first == nil || e.Line < first.Line) {
				first = e
			}
		}
		if first != nil {
			return first
		}
	}
	return d.containerTexts(o)
}

// mustBeText is nil when a value is a text.
func (d document) mustBeText(o Object, path, name string, value any) *Error {
	hint := quotesHint
	switch value.(type) {
	case string:
		return nil
	case nil:
		hint = `write "" for an empty text, or leave the key out`
	case map[string]any, []any:
		hint = ""
	}
	return d.at(o, path, hint, "%s must be a text, but YAML reads it as %s", name, describe(value))
}

// textMaps are the maps of an object that hold only texts.
func textMaps(o Object) [][]string {
	maps := [][]string{{"metadata", "labels"}, {"metadata", "annotations"}}
	switch o.Ref().GroupKind().String() {
	case "ConfigMap":
		maps = append(maps, []string{"data"}, []string{"binaryData"})
	case "Secret":
		maps = append(maps, []string{"data"}, []string{"stringData"})
	case "Service", "ReplicationController":
		maps = append(maps, []string{"spec", "selector"})
	case "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "Job.batch", "PodDisruptionBudget.policy":
		maps = append(maps, []string{"spec", "selector", "matchLabels"})
	}
	if spec := podSpecPath(o); spec != nil {
		maps = append(maps, with(spec, "nodeSelector"))
		if template := spec[:len(spec)-1]; len(template) > 0 {
			maps = append(maps, with(template, "metadata", "labels"), with(template, "metadata", "annotations"))
		}
	}
	return maps
}

// with is a path and more.
func with(path []string, more ...string) []string { return append(slices.Clone(path), more...) }

// containerTexts looks at the variables, commands and arguments of containers.
func (d document) containerTexts(o Object) *Error {
	base := podSpecPath(o)
	if base == nil {
		return nil
	}
	for _, list := range []string{"initContainers", "containers"} {
		value, _, _ := unstructured.NestedFieldNoCopy(o.Object, with(base, list)...)
		containers, _ := value.([]any)
		for i, c := range containers {
			container, _ := c.(map[string]any)
			at := fmt.Sprintf("%s.%s[%d]", strings.Join(base, "."), list, i)
			for _, field := range []string{"command", "args"} {
				words, _ := container[field].([]any)
				for j, word := range words {
					path := fmt.Sprintf("%s.%s[%d]", at, field, j)
					if e := d.mustBeText(o, path, path, word); e != nil {
						return e
					}
				}
			}
			variables, _ := container["env"].([]any)
			for j, v := range variables {
				variable, _ := v.(map[string]any)
				path := fmt.Sprintf("%s.env[%d].value", at, j)
				if value := variable["value"]; value != nil {
					if e := d.mustBeText(o, path, path, value); e != nil {
						return e
					}
				}
			}
		}
	}
	return nil
}
