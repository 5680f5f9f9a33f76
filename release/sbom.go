package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// billOfMaterials is the CycloneDX document of one binary. It has no serial number: the same binary has the same bill.
func (r release) billOfMaterials(l *licences, p platform, binary string, data []byte, modules []linked) ([]byte, error) {
	sums, err := moduleSums(binary)
	if err != nil {
		return nil, err
	}
	own := sha256.Sum256(data)
	self := r.component(modules[0], p)
	self.Type, self.Name, self.Description = cyclonedx.ComponentTypeApplication, program, about
	self.Licenses = &cyclonedx.Licenses{{License: &cyclonedx.License{ID: licence}}}
	self.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: hex.EncodeToString(own[:])}}
	self.ExternalReferences = &[]cyclonedx.ExternalReference{{Type: cyclonedx.ERTypeVCS, URL: project}}

	refs := map[string]string{}
	for _, m := range modules {
		refs[m.path] = r.component(m, p).BOMRef
	}
	components, dependencies := []cyclonedx.Component{}, []cyclonedx.Dependency{}
	for i, m := range modules {
		needs := []string{}
		for _, path := range m.needs {
			needs = append(needs, refs[path])
		}
		dependencies = append(dependencies, cyclonedx.Dependency{Ref: refs[m.path], Dependencies: &needs})
		if i == 0 {
			continue
		}
		c := r.component(m, p)
		names, err := l.of(m)
		if err != nil {
			return nil, err
		}
		all := cyclonedx.Licenses{}
		for _, name := range names {
			all = append(all, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: name}})
		}
		c.Licenses = &all
		if sum := sums[m.path+"@"+m.version]; sum != "" {
			c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: sum}}
		} else if m.path != standard {
			return nil, fmt.Errorf("the binary for %s does not name %s %s", p, m.path, m.version)
		}
		delete(sums, m.path+"@"+m.version)
		components = append(components, c)
	}
	for missing := range sums {
		return nil, fmt.Errorf("the binary for %s names %s, of which it seems to have no package", p, missing)
	}

	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{
		Timestamp: r.date.Format(time.RFC3339), Component: &self, Supplier: &cyclonedx.OrganizationalEntity{Name: authors},
		Tools: &cyclonedx.ToolsChoice{Components: &[]cyclonedx.Component{{Type: cyclonedx.ComponentTypeApplication, Name: program + "-release", Version: r.version}}},
	}
	bom.Components, bom.Dependencies = &components, &dependencies
	var out bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func (r release) component(m linked, p platform) cyclonedx.Component {
	url := "pkg:golang/" + m.path + "@" + m.version
	return cyclonedx.Component{
		BOMRef: url, Type: cyclonedx.ComponentTypeLibrary, Name: m.path, Version: m.version,
		PackageURL: fmt.Sprintf("%s?type=module&goos=%s&goarch=%s", url, p.os, p.arch),
	}
}

// moduleSums are the checksums of the modules that a binary itself says it is made of, by PATH@VERSION, as go.sum has
// them but in hexadecimal.
func moduleSums(binary string) (map[string]string, error) {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for _, m := range info.Deps {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:"))
		if err != nil || len(raw) != sha256.Size {
			return nil, fmt.Errorf("%s says of %s the checksum %q", binary, m.Path, m.Sum)
		}
		sums[m.Path+"@"+m.Version] = hex.EncodeToString(raw)
	}
	return sums, nil
}
