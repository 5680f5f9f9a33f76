package manifest

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"
)

// originAnnotation is where kustomize notes the file that a resource came from.
const originAnnotation = "config.kubernetes.io/origin"

// build runs a kustomization with the options of "kubectl apply -k": no plugins, no files from outside the folder.
// Remote bases are refused: fetching them means running git, and nothing would pin what they hold.
func build(root string) ([]Object, error) {
	if _, err := os.Stat(root); err != nil && (isURL(root) || isRemote(root)) {
		return nil, remoteError(root, root, 0)
	}
	root = relative(filepath.Clean(root))
	file, err := kustomizationFile(root)
	if err != nil {
		return nil, err
	}
	if err := refuseRemote(root, map[string]bool{}); err != nil {
		return nil, err
	}
	tracked := &originFS{FileSystem: filesys.MakeFsOnDisk(), root: file}
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(tracked, root)
	if err != nil {
		return nil, &Error{Path: file, Msg: "building the kustomization: " + err.Error()}
	}
	files := map[string][]Object{}
	var objects []Object
	for _, r := range resources.Resources() {
		o, err := built(r, root, file, tracked.asked, files)
		if err != nil {
			return nil, err
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// built turns one resource into an object whose place is the file it came from: the resource file, or for a generated
// one the kustomization that generates it.
func built(r *resource.Resource, root, file string, keepOrigin bool, files map[string][]Object) (Object, error) {
	source := Source{Path: file}
	origin, err := r.GetOrigin()
	if err == nil && origin != nil && origin.Repo == "" {
		if origin.Path != "" {
			source.Path = filepath.Join(root, origin.Path)
		} else if origin.ConfiguredIn != "" {
			source.Path = filepath.Join(root, origin.ConfiguredIn)
		}
	}
	quoteDates(r.YNode())
	data, err := r.AsYAML()
	if err != nil {
		return Object{}, &Error{Path: source.Path, Msg: "reading what kustomize built: " + err.Error()}
	}
	decoded, err := decode(source.Path, data)
	if err != nil {
		return Object{}, asWritten(source.Path, err)
	}
	if len(decoded) != 1 {
		return Object{}, &Error{Path: source.Path, Msg: "kustomize built something that is not one object"}
	}
	o := decoded[0]
	o.Source, o.node = source, nil
	if !keepOrigin {
		dropAnnotation(o, originAnnotation)
	}
	if origin != nil && origin.Path != "" {
		if written, ok := original(o, source.Path, files); ok {
			o.Source.Line, o.node = written.Source.Line, written.node
		}
	}
	return o, nil
}

// quoteDates keeps kustomize from making timestamps of dates when it prints: 2025-08-05 is a text to kubectl.
func quoteDates(n *kyaml.Node) {
	if n.Kind == kyaml.ScalarNode && n.Style == 0 && n.ShortTag() == "!!timestamp" {
		n.Tag, n.Style = "!!str", kyaml.DoubleQuotedStyle
	}
	for _, child := range n.Content {
		quoteDates(child)
	}
}

// asWritten gives an error in what kustomize built its place in the resource file, if the file has the same error.
func asWritten(path string, err error) error {
	if data, readErr := os.ReadFile(path); readErr == nil {
		if _, same := decode(path, data); same != nil {
			return same
		}
	}
	var e *Error
	if errors.As(err, &e) {
		e.Line = 0 // a line of the output, which nobody wrote
	}
	return err
}

// original finds the object as it stands in the resource file. kustomize may have renamed it, and tells nobody: a
// prefix, a suffix or a hash leaves the old name inside the new one, and of several such names the longest is meant. A
// file that cannot be read on its own has no lines to offer, and that is all.
func original(o Object, path string, files map[string][]Object) (Object, bool) {
	objects, known := files[path]
	if !known {
		if data, err := os.ReadFile(path); err == nil {
			objects, _ = decode(path, data)
		}
		files[path] = objects
	}
	var best Object
	for _, candidate := range objects {
		if candidate.Ref().GroupKind() == o.Ref().GroupKind() && strings.Contains(o.GetName(), candidate.GetName()) &&
			(best.Unstructured == nil || len(candidate.GetName()) > len(best.GetName())) {
			best = candidate
		}
	}
	return best, best.Unstructured != nil
}

func dropAnnotation(o Object, key string) {
	annotations := o.GetAnnotations()
	if _, found := annotations[key]; !found {
		return
	}
	delete(annotations, key)
	if len(annotations) > 0 {
		o.SetAnnotations(annotations)
		return
	}
	unstructured.RemoveNestedField(o.Object, "metadata", "annotations")
}

// originFS is the disk, except that the root kustomization asks for origin annotations. kustomize offers no option
// for them besides this field of the file.
type originFS struct {
	filesys.FileSystem
	root  string
	asked bool // the user asked for them too, so they are part of the output
}

// ReadFile reads a file and completes the root kustomization.
func (f *originFS) ReadFile(path string) ([]byte, error) {
	data, err := f.FileSystem.ReadFile(path)
	if err != nil || !sameFile(path, f.root) && !sameResolved(path, f.root) {
		return data, err
	}
	data, f.asked = askForOrigins(data)
	return data, nil
}

// askForOrigins adds the option to the text of a kustomization, every other byte of which stays as it is. Where there is
// no place for it in the text, the objects have no lines, and that is all; asked says that the option is there already.
func askForOrigins(data []byte) (with []byte, asked bool) {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return data, false // kustomize words the error
	}
	root := doc.Content[0]
	options := child(root, "buildMetadata")
	if options == nil {
		const option = "buildMetadata: [" + types.OriginAnnotations + "]"
		if root.Style&yaml.FlowStyle != 0 {
			return insert(data, root, "{", option+", "), false
		}
		return insert(data, root.Content[0], "", option+"\n"), false
	}
	for _, option := range options.Content {
		if option.Value == types.OriginAnnotations {
			return data, true
		}
	}
	switch {
	case options.Kind != yaml.SequenceNode || options.Anchor != "":
		return data, false
	case options.Style&yaml.FlowStyle != 0:
		return insert(data, options, "[", types.OriginAnnotations+", "), false
	}
	return insert(data, options, "", "- "+types.OriginAnnotations+"\n"), false
}

// insert puts text before a node, on a line of its own with the node's indentation, or behind the bracket that opens it.
func insert(data []byte, n *yaml.Node, bracket, text string) []byte {
	at := 0
	for line := 1; line < n.Line; line++ {
		at += bytes.IndexByte(data[at:], '\n') + 1
	}
	if n.Line == 1 && bytes.HasPrefix(data, []byte(byteOrderMark)) {
		at = len(byteOrderMark)
	}
	begin := at + n.Column - 1
	if n.Line < 1 || begin > len(data) || !bytes.HasPrefix(data[begin:], []byte(bracket)) {
		return data
	}
	indent := data[at:begin]
	if bracket == "" {
		if len(bytes.Trim(indent, " ")) > 0 {
			return data
		}
		return slices.Concat(data[:at], indent, []byte(text), data[at:])
	}
	begin += len(bracket)
	return slices.Concat(data[:begin], []byte(text), data[begin:])
}

// sameResolved compares paths behind symbolic links, since kustomize resolves the root before it reads.
func sameResolved(a, b string) bool {
	realA, errA := filepath.EvalSymlinks(a)
	realB, errB := filepath.EvalSymlinks(b)
	return errA == nil && errB == nil && sameFile(realA, realB)
}

// kustomizationFile finds the kustomization of a folder.
func kustomizationFile(root string) (string, error) {
	info, err := os.Stat(root)
	if err != nil {
		return "", fileError(root, err)
	}
	if !info.IsDir() {
		return "", &Error{Path: root, Msg: "-k takes the folder of a kustomization, not a file"}
	}
	names := konfig.RecognizedKustomizationFileNames()
	for _, name := range names {
		path := filepath.Join(root, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", &Error{
		Path: root, Msg: "no " + strings.Join(names, ", ") + " in this folder",
		Hint: "folders of plain manifests are read with -f",
	}
}

// refuseRemote walks the kustomizations below root, without building, and refuses those that would fetch something.
func refuseRemote(root string, seen map[string]bool) error {
	file, err := kustomizationFile(root)
	if err != nil || seen[file] {
		return nil // a folder without one, or a circle: kustomize words the error
	}
	seen[file] = true
	data, err := os.ReadFile(file)
	if err != nil {
		return fileError(file, err)
	}
	var node yaml.Node
	if yaml.Unmarshal(data, &node) != nil || len(node.Content) == 0 {
		return nil
	}
	for _, list := range []string{"resources", "bases", "components", "crds", "generators", "transformers", "validators"} {
		items := resolveAlias(child(node.Content[0], list))
		if items == nil {
			continue
		}
		for _, item := range items.Content {
			local := filepath.Join(root, item.Value)
			if info, err := os.Stat(local); err == nil {
				if info.IsDir() {
					if err := refuseRemote(local, seen); err != nil {
						return err
					}
				}
				continue
			}
			if isURL(item.Value) || isRemote(item.Value) {
				return remoteError(item.Value, file, item.Line)
			}
		}
	}
	if n := remoteFile(node.Content[0], ""); n != nil {
		return remoteError(n.Value, file, n.Line)
	}
	return nil
}

// remoteFile finds a file that kustomize would download: it takes a URL wherever it takes the path of a file.
func remoteFile(n *yaml.Node, key string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if found := remoteFile(n.Content[i+1], n.Content[i].Value); found != nil {
				return found
			}
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if found := remoteFile(item, key); found != nil {
				return found
			}
		}
	case yaml.ScalarNode:
		value := n.Value
		if _, file, named := strings.Cut(value, "="); named && !isURL(value) {
			value = file
		}
		if isURL(value) && slices.Contains([]string{"path", "files", "env", "envs", "configurations", "patchesStrategicMerge"}, key) {
			return n
		}
	}
	return nil
}

// isRemote recognises the spellings of repositories that kustomize would clone.
func isRemote(name string) bool {
	return strings.Contains(name, "://") || strings.HasPrefix(name, "git@") || strings.HasPrefix(name, "git::") ||
		strings.HasPrefix(name, "github.com/") || strings.HasPrefix(name, "github.com:") || strings.Contains(name, "?ref=")
}

func remoteError(name, path string, line int) error {
	msg := name + " is remote; kustomizations are built without the network"
	if name == path {
		msg = "kustomizations are not fetched from the network"
	}
	return &Error{
		Path: path, Line: line, Msg: msg,
		Hint: "build it in a step before, or copy the base into this repository: kustomize build FOLDER | rolloutgate run -f -",
	}
}
