package manifest

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stdin is the file name that stands for standard input.
const stdin = "-"

// Options say what to read. The fields are kubectl's flags of the same names.
type Options struct {
	// Filenames are files, folders, patterns such as "deploy/*.yaml", or "-" for Stdin.
	Filenames []string
	// Recursive descends into the folders of folders.
	Recursive bool
	// Kustomize is the folder of a kustomization; empty for none. Its objects come after those of Filenames.
	Kustomize string
	Stdin     io.Reader
	// Skip are files that are passed over when they are found in a folder, such as rolloutgate's own configuration.
	Skip []string
	// Hooks says that all objects are hooks, whatever their annotations say: they may have generated names.
	Hooks bool
}

// Manifests is what was read.
type Manifests struct {
	// Objects are in the order in which they are written: files as given, folders in lexical order, documents and list
	// items from top to bottom.
	Objects []Object
	// Files are those that were read, but for those of the kustomization.
	Files []string
}

// Notes say what of the manifests is not used, an object a line.
func (m Manifests) Notes() []string {
	var notes []string
	for _, o := range m.Objects {
		for _, note := range o.Notes {
			notes = append(notes, o.Note(note))
		}
	}
	return notes
}

// Read reads every object of the files. It ends at the first thing that it does not understand; the error is then an
// *Error with file and line. Finding no object at all is an error too.
func Read(o Options) (Manifests, error) {
	var read Manifests
	paths, err := files(o)
	if err != nil {
		return read, err
	}
	read.Files = paths
	for _, path := range paths {
		data, err := content(path, o.Stdin)
		if err != nil {
			return read, err
		}
		found, err := decodeAs(path, data, o.Hooks)
		if err != nil {
			return read, err
		}
		read.Objects = append(read.Objects, found...)
	}
	if o.Kustomize != "" {
		built, err := build(o.Kustomize)
		if err != nil {
			return read, err
		}
		read.Objects = append(read.Objects, built...)
	}
	if len(read.Objects) == 0 {
		return read, nothing(o)
	}
	// Of hooks a run writes only some: two of them, for different moments, may have one name.
	return read, Unique(slices.DeleteFunc(slices.Clone(read.Objects), func(o Object) bool { return hooked(o.Object) || o.GetName() == "" }))
}

// Unique says whether an object is among objects twice, naming both places. Read has done so for all but hooks, with the
// namespaces as written; it must be asked again once default namespaces are filled in.
func Unique(objects []Object) error {
	seen := make(map[Ref]Source, len(objects))
	for _, o := range objects {
		ref := o.Ref()
		first, again := seen[ref]
		if again {
			return &Error{
				Path: o.Source.Path, Line: o.Source.Line,
				Msg:  ref.String() + " is already defined at " + place(first.Path, first.Line),
				Hint: "keep one of them, or give them different names or namespaces",
			}
		}
		seen[ref] = o.Source
	}
	return nil
}

// files resolves the names to the files to read, each once.
func files(o Options) ([]string, error) {
	var paths []string
	seen := map[string]bool{}
	for _, name := range o.Filenames {
		found, err := resolve(name, o)
		if err != nil {
			return nil, err
		}
		for _, path := range found {
			if path == stdin && seen[stdin] {
				return nil, &Error{Path: stdin, Msg: "standard input is given twice, but can be read only once"}
			}
			if !seen[path] {
				seen[path] = true
				paths = append(paths, path)
			}
		}
	}
	return paths, nil
}

// resolve turns one name into files.
func resolve(name string, o Options) ([]string, error) {
	switch {
	case name == stdin:
		return []string{stdin}, nil
	case name == "":
		return nil, &Error{Path: `""`, Msg: "the file name is empty", Hint: emptyHint}
	case isURL(name):
		return nil, &Error{
			Path: name, Msg: "manifests are not fetched from the network",
			Hint: "download it first, so that the pipeline applies what was reviewed: curl -fsSL URL | rolloutgate run -f -",
		}
	}
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(name, "*?[") {
		matches, badPattern := filepath.Glob(name)
		if badPattern != nil || len(matches) == 0 {
			return nil, &Error{Path: name, Msg: "no file matches the pattern"}
		}
		var paths []string
		for _, match := range matches {
			found, err := resolve(match, o)
			if err != nil {
				return nil, err
			}
			paths = append(paths, found...)
		}
		return paths, nil
	}
	if err != nil {
		return nil, fileError(name, err)
	}
	if !info.IsDir() {
		return []string{relative(filepath.Clean(name))}, nil
	}
	return folder(relative(filepath.Clean(name)), o)
}

// relative is a path as seen from the working directory if it lies below it: CI systems link such paths to the source.
func relative(path string) string {
	wd, err := os.Getwd()
	if !filepath.IsAbs(path) || err != nil {
		return path
	}
	real, err := filepath.EvalSymlinks(wd)
	for _, base := range []string{wd, real} {
		if below, relErr := filepath.Rel(base, path); relErr == nil && filepath.IsLocal(below) && (base != real || err == nil) {
			return below
		}
	}
	return path
}

// folder lists the manifests in a folder in lexical order, as kubectl does.
func folder(root string, o Options) ([]string, error) {
	var paths []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fileError(path, err)
		case entry.IsDir() && path != root && !o.Recursive:
			return filepath.SkipDir
		case entry.IsDir(), !isManifest(path), skipped(path, o.Skip):
			return nil
		}
		// A link to a folder is not followed, as in kubectl; a mounted ConfigMap holds links to files, which count.
		if info, err := os.Stat(path); err != nil {
			return fileError(path, err)
		} else if info.IsDir() {
			return nil
		}
		paths = append(paths, path)
		return nil
	})
	return paths, err
}

// isManifest says whether a file found in a folder is meant. A file that is named outright may have any name.
func isManifest(path string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(path))
}

func skipped(path string, skip []string) bool {
	return slices.ContainsFunc(skip, func(s string) bool {
		return s != "" && sameFile(s, path)
	})
}

func sameFile(a, b string) bool {
	absA, errA := filepath.Abs(a)
	absB, errB := filepath.Abs(b)
	return errA == nil && errB == nil && absA == absB
}

// content reads one file.
func content(path string, in io.Reader) ([]byte, error) {
	var data []byte
	var err error
	switch {
	case path != stdin:
		data, err = os.ReadFile(path)
	case in == nil:
		return nil, &Error{Path: stdin, Msg: "there is no standard input to read"}
	default:
		data, err = io.ReadAll(in)
	}
	if err != nil {
		return nil, fileError(path, err)
	}
	return data, nil
}

// fileError drops the path that the operating system's error repeats.
func fileError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &Error{Path: path, Msg: "no such file or folder"}
	}
	var inner *fs.PathError
	if errors.As(err, &inner) {
		err = inner.Err
	}
	return &Error{Path: path, Msg: "reading it: " + err.Error()}
}

// nothing is the error for input without a single object: applying nothing is never what was meant.
func nothing(o Options) error {
	names := slices.Clone(o.Filenames)
	if o.Kustomize != "" {
		names = append(names, o.Kustomize)
	}
	e := &Error{Path: strings.Join(names, ", "), Msg: "no objects found"}
	switch {
	case len(names) == 0:
		e.Path, e.Hint = "manifests", "name them with -f FILE or -k FOLDER"
	case slices.Contains(names, stdin):
		e.Hint = "did the command before the pipe fail, or print nothing?"
	case !o.Recursive && slices.ContainsFunc(names, isFolder):
		e.Hint = "only .yaml, .yml and .json files count in a folder, and its folders are read only with -R"
	}
	return e
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isURL(name string) bool {
	return strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://")
}
