package manifest

import (
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
)

// originAnnotation is where kustomize notes the file that a resource came from.
const originAnnotation = "config.kubernetes.io/origin"

// build runs a kustomization with the options of "kubectl apply -k": no plugins, no files from outside the folder.
// Remote bases are refused: fetching them means running git, and nothing would pin what they hold.
func build(root string) ([]Object, error) {
	if _, err := os.Stat(root); err != nil && (isURL(root) || isRemote(root)) {
		return nil, remoteError(root, root, 0)
	}
	root = filepath.Clean(root)
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
	data, err := r.AsYAML()
	if err != nil {
		return Object{}, &Error{Path: source.Path, Msg: "reading what kustomize built: " + err.Error()}
	}
	decoded, err := decode(source.Path, data)
	if err != nil {
		if e, ok := err.(*Error); ok {
			e.Line = 0 // a line of the output, which nobody wrote
		}
		return Object{}, err
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
	var k map[string]any
	if yaml.Unmarshal(data, &k) != nil || k == nil {
		return data, nil // kustomize words the error
	}
	options, _ := k["buildMetadata"].([]any)
	if slices.Contains(options, any(types.OriginAnnotations)) {
		f.asked = true
		return data, nil
	}
	k["buildMetadata"] = append(options, types.OriginAnnotations)
	return yaml.Marshal(k)
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
