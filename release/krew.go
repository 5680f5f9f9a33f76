package main

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// The plugin's name as kubectl says it; a hyphen in a command is an underscore in the name of its binary.
const (
	plugin       = "rollout-gate"
	pluginBinary = "kubectl-rollout_gate"
)

type krewPlugin struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec krewSpec `yaml:"spec"`
}

type krewSpec struct {
	Version          string         `yaml:"version"`
	Homepage         string         `yaml:"homepage"`
	ShortDescription string         `yaml:"shortDescription"`
	Description      string         `yaml:"description"`
	Platforms        []krewPlatform `yaml:"platforms"`
}

type krewPlatform struct {
	Selector struct {
		MatchLabels map[string]string `yaml:"matchLabels"`
	} `yaml:"selector"`
	URI    string     `yaml:"uri"`
	SHA256 string     `yaml:"sha256"`
	Bin    string     `yaml:"bin"`
	Files  []krewMove `yaml:"files"`
}

type krewMove struct {
	From string `yaml:"from"`
	To   string `yaml:"to"`
}

// krewManifest tells krew where the archives are. sums are by artifact.
func (r release) krewManifest(description string, sums map[string]string) ([]byte, error) {
	k := krewPlugin{APIVersion: "krew.googlecontainertools.github.com/v1alpha2", Kind: "Plugin"}
	k.Metadata.Name = plugin
	k.Spec = krewSpec{Version: r.version, Homepage: project, ShortDescription: about, Description: description}
	for _, p := range r.platforms {
		archive := r.archive(p)
		binary := strings.Replace(p.program(), program, pluginBinary, 1)
		to := krewPlatform{
			URI: project + "/releases/download/" + r.version + "/" + archive, SHA256: sums[archive], Bin: binary,
			Files: []krewMove{{p.program(), binary}, {"LICENSE", "."}, {thirdPartyFile, "."}},
		}
		to.Selector.MatchLabels = map[string]string{"os": p.os, "arch": p.arch}
		k.Spec.Platforms = append(k.Spec.Platforms, to)
	}
	return yaml.Marshal(k)
}
