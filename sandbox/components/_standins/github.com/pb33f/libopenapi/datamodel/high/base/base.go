// Package base has the parts of an OpenAPI document that Prometheus fills in. Nothing reads them.
package base

import (
	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

type Contact struct{ Name, URL string }

type Info struct {
	Title, Description, Version string
	Contact                     *Contact
}

type Tag struct{ Name, Summary, Description string }

type Example struct {
	Summary, Description string
	Value                *yaml.Node
}

// DynamicValue is A or B.
type DynamicValue[A, B any] struct {
	N int
	A A
	B B
}

type Schema struct {
	Type                 []string
	Format               string
	Title, Description   string
	Example              *yaml.Node
	Enum                 []*yaml.Node
	OneOf, AnyOf, AllOf  []*SchemaProxy
	Items                *DynamicValue[*SchemaProxy, bool]
	MinItems, MaxItems   *int64
	Required             []string
	Properties           *orderedmap.Map[string, *SchemaProxy]
	AdditionalProperties *DynamicValue[*SchemaProxy, bool]
	ContentMediaType     string
	ContentSchema        *SchemaProxy
}

type SchemaProxy struct{}

func CreateSchemaProxy(*Schema) *SchemaProxy { return &SchemaProxy{} }

func CreateSchemaProxyRef(string) *SchemaProxy { return &SchemaProxy{} }
