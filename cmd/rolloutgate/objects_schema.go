package main

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/readiness"
)

// checkSchemas compares expressions with the schemas of the CRDs among the manifests.
func checkSchemas(rows []objectRow, objects []manifest.Object) error {
	var errs []error
	for _, o := range objects {
		if o.GroupVersionKind().GroupKind().String() != "CustomResourceDefinition.apiextensions.k8s.io" {
			continue
		}
		defined := manifest.Ref{}
		defined.Group, _, _ = unstructured.NestedString(o.Object, "spec", "group")
		defined.Kind, _, _ = unstructured.NestedString(o.Object, "spec", "names", "kind")
		for _, row := range rows {
			if !strings.EqualFold(row.Kind, defined.Kind) || row.Group != nil && *row.Group != defined.Group {
				continue
			}
			for _, wrong := range readiness.Check(row.Readiness, schemaOf(o, "")) {
				errs = append(errs, row.wrong(wrong))
			}
		}
		for _, c := range objects {
			if c.GroupVersionKind().GroupKind() == defined.GroupKind() {
				errs = append(errs, gate.CheckExpressions(c, schemaOf(o, c.GroupVersionKind().Version)))
			}
		}
	}
	return errors.Join(errs...)
}

// schemaOf is the schema of a version that a CRD defines; without a version that of the one in which objects are stored.
func schemaOf(crd manifest.Object, version string) map[string]any {
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		fields, _ := v.(map[string]any)
		if stored, _ := fields["storage"].(bool); fmt.Sprint(fields["name"]) == version || version == "" && stored {
			schema, _, _ := unstructured.NestedMap(fields, "schema", "openAPIV3Schema")
			return schema
		}
	}
	return nil
}
