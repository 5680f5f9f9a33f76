// Package v3 has the parts of an OpenAPI document that Prometheus fills in. Nothing reads them.
package v3

import (
	"github.com/pb33f/libopenapi/datamodel/high/base"
	"github.com/pb33f/libopenapi/orderedmap"
	"go.yaml.in/yaml/v4"
)

type Document struct {
	Version    string
	Info       *base.Info
	Servers    []*Server
	Tags       []*base.Tag
	Paths      *Paths
	Components *Components
}

// Render returns a document that says why it is empty.
func (d *Document) Render() ([]byte, error) {
	return []byte("# The sandbox builds Prometheus without the description of its API.\nopenapi: " + d.Version + "\n"), nil
}

type Server struct{ URL, Description string }

type Paths struct {
	PathItems *orderedmap.Map[string, *PathItem]
}

type Components struct {
	Schemas *orderedmap.Map[string, *base.SchemaProxy]
}

type PathItem struct {
	Get, Put, Post, Delete, Options, Head, Patch *Operation
}

type Operation struct {
	OperationId          string
	Summary, Description string
	Tags                 []string
	Parameters           []*Parameter
	RequestBody          *RequestBody
	Responses            *Responses
}

type Parameter struct {
	Name, In, Description string
	Required, Explode     *bool
	Schema                *base.SchemaProxy
	Example               *yaml.Node
	Examples              *orderedmap.Map[string, *base.Example]
}

type RequestBody struct {
	Description string
	Required    *bool
	Content     *orderedmap.Map[string, *MediaType]
}

type Responses struct {
	Codes *orderedmap.Map[string, *Response]
}

type Response struct {
	Description string
	Content     *orderedmap.Map[string, *MediaType]
}

type MediaType struct {
	Schema, ItemSchema *base.SchemaProxy
	Example            *yaml.Node
	Examples           *orderedmap.Map[string, *base.Example]
}
