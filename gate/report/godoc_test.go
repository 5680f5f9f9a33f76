package report

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// goSource is what the source says of types and what reflection does not: comments, and the values of constants.
type goSource struct {
	types, fields map[string]string   // by TYPE and TYPE.FIELD, behind the path of the package
	values        map[string][]string // of the string constants of a type
	methods       map[string][]string // the types that have a method
}

const ownModule = "github.com/rolloutgate/rolloutgate/"

// readSource reads packages of the module.
func readSource(t *testing.T, packages ...string) goSource {
	t.Helper()
	s := goSource{map[string]string{}, map[string]string{}, map[string][]string{}, map[string][]string{}}
	for _, path := range packages {
		dir := filepath.Join("../..", path)
		err := fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && name != ".":
				return fs.SkipDir
			case filepath.Ext(name) != ".go", strings.HasSuffix(name, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, name), nil, parser.ParseComments)
			if err == nil {
				s.read(ownModule+path+".", file)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s goSource) read(prefix string, file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv != nil {
				if receiver, ok := d.Recv.List[0].Type.(*ast.Ident); ok {
					s.methods[prefix+d.Name.Name] = append(s.methods[prefix+d.Name.Name], receiver.Name)
				}
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.ValueSpec:
					s.constant(prefix, spec)
				case *ast.TypeSpec:
					doc := spec.Doc
					if doc == nil && len(d.Specs) == 1 {
						doc = d.Doc
					}
					s.types[prefix+spec.Name.Name] = comment(doc)
					if of, ok := spec.Type.(*ast.StructType); ok {
						s.structFields(prefix+spec.Name.Name+".", of)
					}
				}
			}
		}
	}
}

func (s goSource) constant(prefix string, spec *ast.ValueSpec) {
	of, ok := spec.Type.(*ast.Ident)
	if !ok || len(spec.Values) != 1 {
		return
	}
	if value, ok := spec.Values[0].(*ast.BasicLit); ok && value.Kind == token.STRING {
		if text, err := strconv.Unquote(value.Value); err == nil {
			s.values[prefix+of.Name] = append(s.values[prefix+of.Name], text)
		}
	}
}

func (s goSource) structFields(prefix string, of *ast.StructType) {
	for _, f := range of.Fields.List {
		for _, name := range f.Names {
			doc := f.Doc
			if doc == nil {
				doc = f.Comment
			}
			s.fields[prefix+name.Name] = comment(doc)
		}
	}
}

// comment is a comment as one line.
func comment(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }

func keyOf(t reflect.Type) string { return t.PkgPath() + "." + t.Name() }
