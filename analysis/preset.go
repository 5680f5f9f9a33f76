package analysis

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// presetFiles are criteria for the usual metrics, written as anybody would write them: a file a source, a list of
// criteria with their names.
//
//go:embed presets/*.yaml
var presetFiles embed.FS

// Preset is one ready criterion.
type Preset struct {
	CriterionSpec
	File string // in the folder presets
}

// Presets returns all presets, in the order of their files. The error is a mistake in one of the files.
func Presets() ([]Preset, error) {
	files, err := fs.Glob(presetFiles, "presets/*.yaml")
	if err != nil {
		return nil, err
	}
	var out []Preset
	for _, file := range files {
		text, err := presetFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var node yaml.Node
		if err := yaml.Unmarshal(text, &node); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		d := decoder{file: path.Base(file), kinds: criterionKinds()}
		spec := Spec{}
		d.mapping(&node, "presets", spec.keys())
		if len(d.errs) > 0 {
			return nil, d.errs[0]
		}
		for _, c := range spec.Criteria {
			out = append(out, Preset{c, path.Base(file)})
		}
	}
	return out, nil
}

// withPreset fills what an entry leaves out from the preset that it names.
func (s CriterionSpec) withPreset() (CriterionSpec, error) {
	if s.Preset == "" {
		return s, nil
	}
	all, err := Presets()
	if err != nil {
		return s, err
	}
	i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == s.Preset })
	if i < 0 {
		var names []string
		for _, p := range all {
			names = append(names, p.Name)
		}
		hint := "there are " + strings.Join(names, ", ")
		if near := Closest(s.Preset, names); near != "" {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return s, &hinted{fmt.Sprintf("there is no preset %q", s.Preset), hint}
	}
	return all[i].CriterionSpec.with(s), nil
}

// with returns the preset with what the user's entry says instead. What decides how the question is asked comes as a
// whole: another ratio replaces the preset's.
func (s CriterionSpec) with(own CriterionSpec) CriterionSpec {
	s.Preset, s.File, s.Line = own.Preset, own.File, own.Line
	set(&s.Name, own.Name)
	if len(own.Asks) > 0 {
		s.Asks = own.Asks
	}
	if own.limits() > 0 || own.Baseline != "" {
		s.Max, s.Min, s.Equal, s.Baseline = own.Max, own.Min, own.Equal, own.Baseline
		s.MaxRatio, s.MinRatio, s.MinIncrease = own.MaxRatio, own.MinRatio, own.MinIncrease
	}
	set(&s.MaxRatio, own.MaxRatio)
	set(&s.MinRatio, own.MinRatio)
	set(&s.MinIncrease, own.MinIncrease)
	set(&s.For, own.For)
	set(&s.MinEvents, own.MinEvents)
	set(&s.NoData, own.NoData)
	set(&s.Reduce, own.Reduce)
	set(&s.Scope, own.Scope)
	set(&s.Dialect, own.Dialect)
	if own.Enforce != nil {
		s.Enforce = own.Enforce
	}
	if own.Each != nil {
		s.Each = own.Each
	}
	return s
}

func set[T comparable](into *T, value T) {
	var zero T
	if value != zero {
		*into = value
	}
}
