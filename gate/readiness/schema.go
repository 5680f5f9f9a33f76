package readiness

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/cel-go/common/types"

	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Check finds what does not fit the schema of a kind: fields that there are not, and comparisons that can never be. The
// schema is the openAPIV3Schema of a version in a CustomResourceDefinition. Expressions that do not compile are left to
// Compile.
func Check(e Expressions, schema map[string]any) []*Error {
	var wrong []*Error
	for _, x := range []struct{ key, expression string }{{"ready", e.Ready}, {"failed", e.Failed}, {"message", e.Message}} {
		if strings.TrimSpace(x.expression) == "" {
			continue
		}
		fields := &fields{Provider: types.NewEmptyRegistry(), of: map[string]map[string]*types.Type{}}
		object := fields.root(schema)
		_, faults := check(x.key, x.expression, object, fields)
		for _, f := range faults {
			if fields.doubt(f) {
				wrong = append(wrong, f)
			}
		}
	}
	return wrong
}

// fields are the types of a schema, by their path: an object with properties is a type of its own.
type fields struct {
	types.Provider
	of map[string]map[string]*types.Type
	// missed are the places in which a field was looked for that there is not.
	missed []missed
}

type missed struct{ at, field string }

// mark begins the name of every type, so that a complaint about one is recognised.
const mark = "the field "

// maxNested is how deep a schema is read. What lies deeper can be anything.
const maxNested = 30

// root is the type of an object with a schema. Metadata is the same for all, and its schema is not written down.
func (f *fields) root(schema map[string]any) *types.Type {
	object := f.typeOf(variable, schema, 0)
	if own := f.of[mark+variable]; own != nil {
		own["apiVersion"], own["kind"], own["metadata"] = types.StringType, types.StringType, types.DynType
	}
	return object
}

func (f *fields) typeOf(path string, schema map[string]any, depth int) *types.Type {
	open, _ := schema["x-kubernetes-preserve-unknown-fields"].(bool)
	either, _ := schema["x-kubernetes-int-or-string"].(bool)
	if open || either || depth > maxNested {
		return types.DynType
	}
	switch schema["type"] {
	case "string":
		return types.StringType
	case "boolean":
		return types.BoolType
	case "integer":
		return types.IntType
	case "array":
		items, _ := schema["items"].(map[string]any)
		return types.NewListType(f.typeOf(path+"[]", items, depth+1))
	case "object":
		if additional, is := schema["additionalProperties"].(map[string]any); is {
			return types.NewMapType(types.StringType, f.typeOf(path+"[…]", additional, depth+1))
		}
		properties, _ := schema["properties"].(map[string]any)
		if len(properties) == 0 {
			return types.DynType
		}
		own := map[string]*types.Type{}
		f.of[mark+path] = own
		for name, property := range properties {
			below, _ := property.(map[string]any)
			own[name] = f.typeOf(path+"."+name, below, depth+1)
		}
		return types.NewObjectType(mark + path)
	}
	return types.DynType // a number is read as whichever it is
}

// FindStructType finds one of the types.
func (f *fields) FindStructType(name string) (*types.Type, bool) {
	if _, own := f.of[name]; own {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return f.Provider.FindStructType(name)
}

// FindStructFieldNames lists the fields of a type.
func (f *fields) FindStructFieldNames(name string) ([]string, bool) {
	if own, has := f.of[name]; has {
		return slices.Sorted(maps.Keys(own)), true
	}
	return f.Provider.FindStructFieldNames(name)
}

// FindStructFieldType finds a field of a type, and remembers one that there is not.
func (f *fields) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	own, has := f.of[name]
	if !has {
		return f.Provider.FindStructFieldType(name, field)
	}
	if t, there := own[field]; there {
		return &types.FieldType{Type: t}, true
	}
	f.missed = append(f.missed, missed{name, field})
	return nil, false
}

// doubt tells whether a complaint is about the expression, and puts it into the words of the manifest. An object is a map
// when an expression is evaluated, so what only its type does not allow is in order.
func (f *fields) doubt(e *Error) bool {
	_, rest, is := strings.Cut(e.Text, "undefined field '")
	if field, _, _ := strings.Cut(rest, "'"); is {
		i := slices.IndexFunc(f.missed, func(m missed) bool { return m.field == field })
		if i < 0 {
			return false
		}
		at := f.missed[i].at
		f.missed = slices.Delete(f.missed, i, i+1)
		names, _ := f.FindStructFieldNames(at)
		e.Text = fmt.Sprintf("%s has no field %s in the schema of its kind", strings.TrimPrefix(at, mark), field)
		e.Hint = "it has " + strings.Join(names, ", ")
		if near := nearest(field, names); near != "" {
			e.Hint = fmt.Sprintf("did you mean %q?", near)
		}
		return true
	}
	return !strings.Contains(e.Text, mark)
}

// nearest is the name that was meant by another one, as far as one is near.
func nearest(word string, names []string) string {
	best, least := "", len(word)/2+1
	for _, name := range names {
		if far := wording.Distance(strings.ToLower(word), strings.ToLower(name)); far < least {
			best, least = name, far
		}
	}
	return best
}
