package patch

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
	"sigs.k8s.io/structured-merge-diff/v6/typed"
)

// Types knows the fields of kinds: what each list is merged by, what is a map and what is one value. Those of the
// kinds that Kubernetes brings are known here; what a CRD defines comes from OpenAPI. A nil Types is allowed.
type Types interface {
	ObjectToTyped(runtime.Object, ...typed.ValidationOptions) (*typed.TypedValue, error)
}

// OpenAPI makes Types of components.schemas of an OpenAPI v3 document, as /openapi/v3/apis/<group>/<version> serves
// it. Schemas that are not structural are an error.
func OpenAPI(schemas map[string]*spec.Schema) (Types, error) {
	types, err := managedfields.NewTypeConverter(schemas, false)
	if err != nil {
		return nil, fmt.Errorf("reading the schemas: %w", err)
	}
	return types, nil
}

// Knows tells whether types have the kind of an object.
func Knows(types Types, u *unstructured.Unstructured) bool {
	if types == nil {
		return false
	}
	_, err := types.ObjectToTyped(&unstructured.Unstructured{Object: map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind()}})
	return err == nil
}

// kind is the type of one field.
type kind struct {
	schema *schema.Schema
	ref    schema.TypeRef
}

// deduced is the type of everything that has no schema: maps by key, lists as one value, as the API server does it.
func deduced() kind {
	return kind{typed.DeducedParseableType.Schema, typed.DeducedParseableType.TypeRef}
}

// kindOf finds the type of an object. An answer always exists.
func kindOf(types Types, u *unstructured.Unstructured) kind {
	// Only the type is asked for, so that no object can be too odd to have one.
	bare := &unstructured.Unstructured{Object: map[string]any{"apiVersion": u.GetAPIVersion(), "kind": u.GetKind()}}
	for _, known := range []Types{types, applyconfigurations.NewTypeConverter(scheme.Scheme)} {
		if known == nil {
			continue
		}
		if object, err := known.ObjectToTyped(bare); err == nil {
			return kind{object.Schema(), object.TypeRef()}
		}
	}
	return deduced()
}

// name is that of the schema: io.k8s.api.core.v1.Container. It is empty where a type is written in place.
func (k kind) name() string {
	if k.ref.NamedType == nil {
		return ""
	}
	return *k.ref.NamedType
}

// absent stands for a field that is not there. It is neither null nor empty.
type absent struct{}

func isAbsent(v any) bool { _, ok := v.(absent); return ok }

// mapping returns the type as a map whose keys are compared one by one, if that is what the values are. Absent values
// fit everything.
func (k kind) mapping(values ...any) (*schema.Map, bool) {
	atom, ok := k.schema.Resolve(k.ref)
	if !ok || atom.Map == nil || atom.Map.ElementRelationship == schema.Atomic {
		return nil, false
	}
	for _, v := range values {
		if _, is := v.(map[string]any); !is && !isAbsent(v) {
			return nil, false
		}
	}
	return atom.Map, true
}

// listing returns the type as a list whose items are compared by their keys, or as a set.
func (k kind) listing(values ...any) (*schema.List, bool) {
	atom, ok := k.schema.Resolve(k.ref)
	if !ok || atom.List == nil || atom.List.ElementRelationship != schema.Associative {
		return nil, false
	}
	for _, v := range values {
		if _, is := v.([]any); !is && !isAbsent(v) {
			return nil, false
		}
	}
	return atom.List, true
}

// field is the type of one field or key of a map. What a newer API server has and the schema has not is deduced.
func (k kind) field(m *schema.Map, name string) kind {
	if f, ok := m.FindField(name); ok {
		return kind{k.schema, f.Type}
	}
	if e := m.ElementType; e.NamedType != nil || e.Inlined != (schema.Atom{}) {
		return kind{k.schema, e}
	}
	return deduced()
}

func (k kind) item(l *schema.List) kind { return kind{k.schema, l.ElementType} }
