package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestModulesOf: a module has the licences of the packages that are linked, and of the folders above them.
func TestModulesOf(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"go/LICENSE", "own/LICENSE", "lib/LICENSE", "lib/NOTICE.txt", "lib/license_test.go", "lib/used/third_party/COPYING", "lib/unused/LICENSE"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "go/src/fmt"), 0o755); err != nil {
		t.Fatal(err)
	}
	type module = struct {
		Path, Version, Dir string
		Main               bool
	}
	own, lib := &module{Path: "own", Dir: filepath.Join(dir, "own"), Main: true}, &module{Path: "lib", Version: "v1.0.0", Dir: filepath.Join(dir, "lib")}
	got, err := release{version: "v2.0.0", toolchain: "go1.26.8"}.modulesOf([]listed{
		{ImportPath: "fmt", Dir: filepath.Join(dir, "go/src/fmt"), Standard: true},
		{ImportPath: "lib/used/third_party", Dir: filepath.Join(dir, "lib/used/third_party"), Module: lib},
		{ImportPath: "own/cmd", Dir: filepath.Join(dir, "own"), Module: own, Imports: []string{"fmt", "lib/used/third_party"}},
	}, filepath.Join(dir, "go"))
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	for _, m := range got {
		told = append(told, m.path+" "+m.version+" needs "+strings.Join(m.needs, ","))
		for name := range m.notices {
			told = append(told, m.path+": "+name)
		}
	}
	slices.Sort(told)
	want := []string{"lib v1.0.0 needs ", "lib: LICENSE", "lib: NOTICE.txt", "lib: used/third_party/COPYING",
		"own v2.0.0 needs lib,std", "own: LICENSE", "std 1.26.8 needs ", "std: LICENSE"}
	if !slices.Equal(told, want) {
		t.Errorf("got  %q\nwant %q", told, want)
	}
	if got[0].path != "own" {
		t.Errorf("%s comes first", got[0].path)
	}
}

func TestLicences(t *testing.T) {
	texts, err := newLicences()
	if err != nil {
		t.Fatal(err)
	}
	apache, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	mit := []byte("MIT License\n\nPermission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to the following conditions:\n\nThe above copyright notice and this permission notice shall be included in all copies or substantial portions of the Software.\n\nTHE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.\n")
	names, err := texts.of(linked{notices: map[string][]byte{"LICENSE": apache, "x/LICENSE": mit}})
	if err != nil || !slices.Equal(names, []string{"Apache-2.0", "MIT"}) {
		t.Errorf("%v, %v", names, err)
	}
	page, err := texts.thirdParty([]linked{{path: "a", version: "v1", notices: map[string][]byte{"LICENSE": mit}}, {path: "b", version: "v2", notices: map[string][]byte{"LICENSE": mit}}})
	if err != nil || strings.Count(string(page.data), "Permission is hereby granted") != 1 || !strings.Contains(string(page.data), "\na LICENSE\nb LICENSE\n") {
		t.Errorf("%v\n%s", err, page.data)
	}
	gpl := []byte("This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later version.\n\nThis program is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details.\n\nYou should have received a copy of the GNU General Public License along with this program. If not, see <https://www.gnu.org/licenses/>.\n")
	for name, notices := range map[string]map[string][]byte{
		"none": {}, "one that nobody knows": {"LICENSE": []byte("do as you like")}, "one that nobody accepted": {"LICENSE": mit, "COPYING": gpl},
	} {
		if names, err := texts.of(linked{path: "m", notices: notices}); err == nil {
			t.Errorf("%s: taken for %v", name, names)
		}
	}
}
