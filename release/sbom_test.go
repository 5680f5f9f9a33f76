//go:build dist

package main

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestBillsOfMaterials: each is valid by the schema of CycloneDX, and names what the binary says it is made of, no more
// and no less.
func TestBillsOfMaterials(t *testing.T) {
	r := made(t)
	schema := cycloneSchema(t)
	for _, p := range r.platforms {
		data, err := os.ReadFile(r.path(p.os + "_" + p.arch + ".cdx.json"))
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(document); err != nil {
			t.Errorf("%s: %v", p, err)
		}
		var bom cyclonedx.BOM
		if err := cyclonedx.NewBOMDecoder(bytes.NewReader(data), cyclonedx.BOMFileFormatJSON).Decode(&bom); err != nil {
			t.Fatal(err)
		}
		named := map[string]bool{}
		for _, c := range *bom.Components {
			named[c.Name+" "+c.Version] = true
			if c.Licenses == nil || len(*c.Licenses) == 0 {
				t.Errorf("%s: %s has no licence", p, c.Name)
			}
		}
		binary := binaryOf(t, r, p)
		info, err := buildinfo.Read(bytes.NewReader(binary))
		if err != nil {
			t.Fatal(err)
		}
		linked := map[string]bool{standard + " " + strings.TrimPrefix(info.GoVersion, "go"): true}
		for _, m := range info.Deps {
			linked[m.Path+" "+m.Version] = true
		}
		for name := range linked {
			if !named[name] {
				t.Errorf("%s: %s is linked and not named", p, name)
			}
		}
		for name := range named {
			if !linked[name] {
				t.Errorf("%s: %s is named and not linked", p, name)
			}
		}
		refs := map[string]bool{bom.Metadata.Component.BOMRef: true}
		for _, c := range *bom.Components {
			refs[c.BOMRef] = true
		}
		for _, d := range *bom.Dependencies {
			needs := []string{d.Ref}
			if d.Dependencies != nil { // nothing is written as nothing at all
				needs = append(needs, *d.Dependencies...)
			}
			for _, ref := range needs {
				if !refs[ref] {
					t.Errorf("%s: a dependency leads to %s, which is not there", p, ref)
				}
			}
		}
	}
}

// binaryOf takes the binary out of the archive of a platform.
func binaryOf(t *testing.T, r release, p platform) []byte {
	t.Helper()
	for _, e := range readTarGz(t, filepath.Join(r.out, r.archive(p))) {
		if e.name == p.program() {
			return e.content
		}
	}
	t.Fatalf("%s has no binary", r.archive(p))
	return nil
}

// cycloneSchema is that of CycloneDX 1.6, which comes with the library.
func cycloneSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	for _, name := range []string{"spdx.schema.json", "jsf-0.82.schema.json", "bom-1.6.schema.json"} {
		path := filepath.Join(strings.TrimSpace(string(dir)), "schema", name)
		if name == "jsf-0.82.schema.json" {
			path = strings.Replace(path, "schema.json", "schemax.json", 1)
		}
		text, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		document, err := jsonschema.UnmarshalJSON(text)
		text.Close()
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("http://cyclonedx.org/schema/"+name, document); err != nil {
			t.Fatal(err)
		}
	}
	schema, err := compiler.Compile("http://cyclonedx.org/schema/bom-1.6.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
