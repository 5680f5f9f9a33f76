package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// linked is a module of which packages are in the binary of a platform; the standard library is one of them.
type linked struct {
	path, version string
	needs         []string          // paths of the modules that those packages import, sorted
	notices       map[string][]byte // licences and notices by their names within the module
}

// standard is the module path that tools know the standard library by.
const standard = "std"

type listed struct {
	ImportPath, Dir string
	Standard        bool
	Imports         []string
	ImportMap       map[string]string
	Module          *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// linkedModules asks the Go tool what the binary of a platform is made of. The product itself comes first, then the
// others by name.
func (r release) linkedModules(ctx context.Context, p platform) ([]linked, error) {
	out, err := r.goTool(ctx, p, "list", "-deps", "-json=ImportPath,Dir,Standard,Imports,ImportMap,Module", "./cmd/rolloutgate")
	if err != nil {
		return nil, err
	}
	var packages []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var found listed
		if err := decoder.Decode(&found); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		packages = append(packages, found)
	}
	goroot, err := r.goTool(ctx, p, "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	return r.modulesOf(packages, string(bytes.TrimSpace(goroot)))
}

func (r release) modulesOf(packages []listed, goroot string) ([]linked, error) {
	home := map[string]string{} // module of a package
	modules := map[string]*linked{}
	needs := map[string]map[string]bool{}
	main := ""
	for _, p := range packages {
		m, dir := &linked{path: standard, version: strings.TrimPrefix(r.toolchain, "go")}, goroot
		switch { // what the standard library has copied from other modules is its own
		case p.Standard:
		case p.Module != nil && p.Module.Main:
			main, dir, m = p.Module.Path, p.Module.Dir, &linked{path: p.Module.Path, version: r.version}
		case p.Module != nil:
			m, dir = &linked{path: p.Module.Path, version: p.Module.Version}, p.Module.Dir
		default:
			return nil, fmt.Errorf("the package %s belongs to no module", p.ImportPath)
		}
		home[p.ImportPath] = m.path
		if known := modules[m.path]; known != nil {
			m = known
		} else {
			m.notices, modules[m.path], needs[m.path] = map[string][]byte{}, m, map[string]bool{}
		}
		if p.Standard { // the licence below crypto/internal/boring is of code that is linked only when asked for
			p.Dir = goroot
		}
		if err := addNotices(m.notices, dir, p.Dir); err != nil {
			return nil, err
		}
	}
	for _, p := range packages {
		for _, imported := range p.Imports {
			if mapped, ok := p.ImportMap[imported]; ok {
				imported = mapped
			}
			if other := home[imported]; other != "" && other != home[p.ImportPath] {
				needs[home[p.ImportPath]][other] = true
			}
		}
	}
	others := []linked{}
	for _, path := range slices.Sorted(maps.Keys(modules)) {
		m := modules[path]
		m.needs = slices.Sorted(maps.Keys(needs[path]))
		if path != main {
			others = append(others, *m)
		}
	}
	if main == "" {
		return nil, errors.New("the product's own module is not among what is linked")
	}
	return append([]linked{*modules[main]}, others...), nil
}

var noticeName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)([._-].*)?$`)

// addNotices reads the licences and notices that hold for a package: those of its folder and of all above it, up to the
// module's own.
func addNotices(notices map[string][]byte, module, dir string) error {
	for {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !noticeName.MatchString(e.Name()) || !e.Type().IsRegular() || filepath.Ext(e.Name()) == ".go" {
				continue
			}
			path := filepath.Join(dir, e.Name())
			name, err := filepath.Rel(module, path)
			if err != nil {
				return err
			}
			if name = filepath.ToSlash(name); notices[name] != nil {
				continue
			}
			if notices[name], err = os.ReadFile(path); err != nil {
				return err
			}
		}
		if dir == module {
			return nil
		}
		if len(dir) <= len(module) {
			return fmt.Errorf("%s: %w below %s", dir, fs.ErrNotExist, module)
		}
		dir = filepath.Dir(dir)
	}
}
