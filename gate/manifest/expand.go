package manifest

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// expand turns a document into objects: a List into its items, anything else into itself.
func (d document) expand(content map[string]any, node *yaml.Node) ([]Object, error) {
	items, ok := listItems(content)
	if !ok && holdsObjects(content["items"]) {
		return nil, d.problem(child(node, "items"), "a List has apiVersion v1, kind List and no name", "there are objects in items, but this is no List")
	}
	if !ok {
		o, err := d.object(content, node)
		if err != nil {
			return nil, err
		}
		return []Object{o}, nil
	}
	var objects []Object
	itemsNode := resolveAlias(child(node, "items"))
	for i, item := range items {
		itemNode := node
		if itemsNode != nil && itemsNode.Kind == yaml.SequenceNode && i < len(itemsNode.Content) {
			itemNode = resolveAlias(itemsNode.Content[i])
		}
		inner, ok := item.(map[string]any)
		if !ok {
			return nil, d.problem(itemNode, "", "items[%d] is %s, not an object", i, describe(item))
		}
		inheritKind(inner, content)
		found, err := d.expand(inner, itemNode)
		if err != nil {
			return nil, err
		}
		objects = append(objects, found...)
	}
	return objects, nil
}

// listItems returns the items of a v1 List or of a typed list such as ConfigMapList. A custom kind whose name merely
// ends in "List" has a name of its own and is an object.
func listItems(content map[string]any) ([]any, bool) {
	if !strings.HasSuffix(text(content["kind"]), "List") {
		return nil, false
	}
	if metadata, _ := content["metadata"].(map[string]any); metadata["name"] != nil {
		return nil, false
	}
	value, found := content["items"]
	items, isList := value.([]any)
	return items, found && (isList || value == nil)
}

// holdsObjects says whether a list has an object with kind and apiVersion in it.
func holdsObjects(list any) bool {
	items, _ := list.([]any)
	return slices.ContainsFunc(items, func(item any) bool {
		object, _ := item.(map[string]any)
		return object["kind"] != nil && object["apiVersion"] != nil
	})
}

// inheritKind gives the item of a typed list the list's kind, as the API machinery does when it decodes one.
func inheritKind(item, list map[string]any) {
	kind := strings.TrimSuffix(text(list["kind"]), "List")
	if kind == "" || item["kind"] != nil || item["apiVersion"] != nil {
		return
	}
	item["kind"], item["apiVersion"] = kind, list["apiVersion"]
}

// object checks what must be there before anything can be done with a manifest.
func (d document) object(content map[string]any, node *yaml.Node) (Object, error) {
	o := Object{
		Unstructured: &unstructured.Unstructured{Object: content},
		Source:       Source{Path: d.path, Line: node.Line},
		node:         node,
	}
	for _, path := range []string{"apiVersion", "kind"} {
		if err := d.identity(content, node, path); err != nil {
			return Object{}, err
		}
	}
	o.wrong = d.check(o, content, node)
	if o.wrong != nil && !hooked(content) {
		return Object{}, o.wrong
	}
	o.dropServerFields()
	return o, nil
}

// check finds the first thing that is wrong with an object whose kind is known.
func (d document) check(o Object, content map[string]any, node *yaml.Node) *Error {
	if e := d.identity(content, node, "metadata.name"); e != nil {
		return e
	}
	for _, check := range []func(Object) *Error{d.namespace, d.strays, d.texts, d.images} {
		if e := check(o); e != nil {
			return e
		}
	}
	return nil
}

// namespace refuses a namespace that is not written as one: the object would end up in another.
func (d document) namespace(o Object) *Error {
	const path = "metadata.namespace"
	value, present, _ := unstructured.NestedFieldNoCopy(o.Object, "metadata", "namespace")
	name := text(value)
	switch hint := unrenderedHint(name); {
	case !present:
		return nil
	case hint != "":
		return d.at(o, path, hint, "%s is %q", path, name)
	case value == nil, value == "":
		return d.at(o, path, emptyHint+" Without the line, the object goes to the namespace of the flag or the context", "%s is empty", path)
	}
	return d.mustBeText(o, path, path, value)
}

// strays finds lines of a program's output that ended up in an object as fields.
func (d document) strays(o Object) *Error {
	for _, key := range []string{"NOTES", "HOOKS", "MANIFEST", "WARNING", "Warning", "Error"} {
		if _, found := o.Object[key]; found {
			return d.at(o, key, messageHint(key+":"), "%s is no field of an object", key)
		}
	}
	return nil
}

// identity checks one of the fields that name an object: present, a text, and no leftover of a template.
func (d document) identity(content map[string]any, node *yaml.Node, path string) *Error {
	o := Object{Source: Source{Line: node.Line}, node: node}
	parent, key := content, path
	if before, after, nested := strings.Cut(path, "."); nested {
		inner, ok := content[before].(map[string]any)
		if !ok && content[before] != nil {
			return d.at(o, before, "", "%s is %s, not an object", before, describe(content[before]))
		}
		parent, key = inner, after
	}
	value, present := parent[key]
	hint := fileHint(d.path, content)
	switch value := value.(type) {
	case nil:
		if generated := key == "name" && hint == "" && parent["generateName"] != nil; generated && (d.hooks || hooked(content)) {
			return d.identity(content, node, "metadata.generateName")
		} else if generated {
			return d.at(o, "metadata.generateName", "write a fixed metadata.name; a gate must be able to find and undo "+
				"exactly what it applied; only hooks may have a generated one", "metadata.generateName is not supported")
		}
		if present && hint == "" {
			hint = emptyHint
		}
		return d.at(o, path, hint, "%s is missing", path)
	case string:
		if value == "" {
			return d.at(o, path, emptyHint, "%s is empty", path)
		}
		if unrendered := unrenderedHint(value); unrendered != "" {
			return d.at(o, path, unrendered, "%s is %q", path, value)
		}
		return nil
	default:
		return d.at(o, path, quotesHint, "%s must be a text, but YAML reads it as %s", path, describe(value))
	}
}

// images finds image names that cannot be pulled because a script did not fill them in. It is the most common slip of
// a deploy pipeline, and without this check it costs a rollout to find it.
func (d document) images(o Object) *Error {
	base := podSpecPath(o)
	if base == nil {
		return nil
	}
	for _, list := range []string{"initContainers", "containers"} {
		containers, _, _ := unstructured.NestedSlice(o.Object, append(slices.Clone(base), list)...)
		for i, c := range containers {
			container, _ := c.(map[string]any)
			image := text(container["image"])
			path := fmt.Sprintf("%s.%s[%d].image", strings.Join(base, "."), list, i)
			if hint := unrenderedHint(image); hint != "" {
				return d.at(o, path, hint, "the image is %q", image)
			}
			if strings.HasSuffix(image, ":") || strings.HasPrefix(image, ":") || strings.HasSuffix(image, "@") {
				return d.at(o, path, emptyHint, "the image is %q: a part of it is missing", image)
			}
		}
	}
	return nil
}

// podSpecPath is where the kinds that make pods keep the pod's spec; nil for other kinds.
func podSpecPath(o Object) []string {
	switch ref := o.Ref(); ref.GroupKind().String() {
	case "Pod":
		return []string{"spec"}
	case "Deployment.apps", "StatefulSet.apps", "DaemonSet.apps", "ReplicaSet.apps", "Job.batch", "ReplicationController":
		return []string{"spec", "template", "spec"}
	case "CronJob.batch":
		return []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	return nil
}

// at is an error at a field, or at the nearest thing around it.
func (d document) at(o Object, fieldPath, hint, format string, args ...any) *Error {
	line, _ := o.Locate(fieldPath)
	return &Error{Path: d.path, Line: line, Msg: fmt.Sprintf(format, args...), Hint: hint}
}
