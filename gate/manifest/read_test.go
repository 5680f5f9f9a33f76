package manifest

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares text with a file, which -update rewrites.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// listing prints one line an object: where it is, what it is, and what it holds.
func listing(t *testing.T, read Manifests) string {
	t.Helper()
	var b strings.Builder
	for _, o := range read.Objects {
		content, err := o.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%s:%d %s %s\n  %s", filepath.ToSlash(o.Source.Path), o.Source.Line, o.Ref(), o.Ref().GroupKind(), content)
	}
	for _, note := range read.Notes() {
		b.WriteString("note: " + filepath.ToSlash(note) + "\n")
	}
	return b.String()
}

func TestReadOK(t *testing.T) {
	entries, err := os.ReadDir("testdata/ok")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path := filepath.Join("testdata/ok", entry.Name())
		if !isManifest(path) {
			continue
		}
		t.Run(entry.Name(), func(t *testing.T) {
			read, err := Read(Options{Filenames: []string{path}})
			if err != nil {
				t.Fatal(err)
			}
			golden(t, path+".golden", listing(t, read))
		})
	}
}

func TestReadErr(t *testing.T) {
	paths, err := filepath.Glob("testdata/err/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no fixtures", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			_, err := Read(Options{Filenames: []string{path}})
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".golden", e.Error()+"\n")
		})
	}
}

func TestReadKustomize(t *testing.T) {
	for _, name := range []string{"overlay", "annotated", "plain", "number", "chart", "remote", "download", "broken", "missing", "base/web.yaml"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata/kustomize", name)
			read, err := Read(Options{Kustomize: path})
			got := listing(t, read)
			if err != nil {
				wd, _ := os.Getwd()
				got = strings.ReplaceAll(err.Error(), wd, "WD") + "\n"
			}
			golden(t, filepath.Join("testdata/kustomize", strings.ReplaceAll(name, "/", "-")+".golden"), got)
		})
	}
}

func TestLocateKustomize(t *testing.T) {
	read, err := Read(Options{Kustomize: "testdata/kustomize/overlay"})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range read.Objects {
		if o.GetKind() != "Deployment" {
			continue
		}
		if line, exact := o.Locate("spec.template.spec.containers[name=app].image"); line != 20 || !exact {
			t.Errorf("image: got line %d, %v", line, exact)
		}
		if line, exact := o.Locate("spec.replicas"); line != 11 || exact { // added by a patch
			t.Errorf("replicas: got line %d, %v", line, exact)
		}
	}
}

func TestReadFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name, object string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		content := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + object + "}\n"
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("b.yaml", "b")
	write("a.yml", "a")
	write("c.json", "c")
	write("c.txt", "txt")
	write("sub/d.yaml", "d")
	config := write("rolloutgate.yaml", "config")
	if err := os.WriteFile(filepath.Join(dir, "empty.yaml"), []byte("# empty\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name    string
		options Options
		want    string
	}{
		{"flat", Options{Filenames: []string{dir}, Skip: []string{config}}, "a b c"},
		{"recursive", Options{Filenames: []string{dir}, Recursive: true}, "a b c config d"},
		{"once", Options{Filenames: []string{dir + "/b.yaml", dir + "/./b.yaml", dir + "/sub"}}, "b d"},
		{"pattern", Options{Filenames: []string{dir + "/*.y*ml"}, Skip: []string{config}}, "a b config"},
		{"any extension when named", Options{Filenames: []string{dir + "/c.txt"}}, "txt"},
		{"config when named", Options{Filenames: []string{config}, Skip: []string{config}}, "config"},
		{"stdin", Options{Filenames: []string{"-"}, Stdin: strings.NewReader("{apiVersion: v1, kind: Pod, metadata: {name: p}}")}, "p"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			read, err := Read(test.options)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, o := range read.Objects {
				names = append(names, o.GetName())
			}
			if got := strings.Join(names, " "); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestReadNothing(t *testing.T) {
	dir := t.TempDir()
	tests := []struct {
		options Options
		want    string
	}{
		{Options{}, "manifests: no objects found\n  hint: name them with -f FILE or -k FOLDER"},
		{Options{Filenames: []string{"-"}, Stdin: strings.NewReader("")}, "<stdin>: no objects found\n  hint: did the command before the pipe fail, or print nothing?"},
		{Options{Filenames: []string{"-"}}, "<stdin>: there is no standard input to read"},
		{Options{Filenames: []string{"-", "-"}}, "<stdin>: standard input is given twice, but can be read only once"},
		{Options{Filenames: []string{dir}}, dir + ": no objects found\n  hint: only .yaml, .yml and .json files count in a folder, and its folders are read only with -R"},
		{Options{Filenames: []string{"nowhere.yaml"}}, "nowhere.yaml: no such file or folder"},
		{Options{Filenames: []string{"no*where.yaml"}}, "no*where.yaml: no file matches the pattern"},
		{Options{Filenames: []string{""}}, "\"\": the file name is empty\n  hint: was a variable empty when the file was made?"},
		{Options{Filenames: []string{"https://example.com/a.yaml"}}, "https://example.com/a.yaml: manifests are not fetched from the network\n  hint: download it first, so that the pipeline applies what was reviewed: curl -fsSL URL | rolloutgate run -f -"},
		{Options{Kustomize: "https://example.com/a"}, "https://example.com/a: kustomizations are not fetched from the network\n  hint: build it in a step before, or copy the base into this repository: kustomize build FOLDER | rolloutgate run -f -"},
	}
	for _, test := range tests {
		_, err := Read(test.options)
		if err == nil || err.Error() != test.want {
			t.Errorf("%+v: got\n%v\nwant\n%s", test.options, err, test.want)
		}
	}
}

// TestCases reads every file of the archives in testdata/cases. The golden file beside an archive says what became of each.
func TestCases(t *testing.T) {
	here, _ := os.Getwd()
	paths, err := filepath.Glob(filepath.Join(here, "testdata/cases/*.txtar"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no cases", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			t.Chdir(dir)
			var b strings.Builder
			for _, file := range archive.Files {
				if err := os.WriteFile(file.Name, file.Data, 0o600); err != nil {
					t.Fatal(err)
				}
				read, err := Read(Options{Filenames: []string{file.Name}})
				fmt.Fprintf(&b, "== %s\n", file.Name)
				if err != nil {
					fmt.Fprintf(&b, "%v\n", err)
				} else {
					b.WriteString(listing(t, read))
				}
				sameAsKubectl(t, file.Data)
			}
			golden(t, strings.TrimSuffix(path, ".txtar")+".golden", b.String())
		})
	}
}
