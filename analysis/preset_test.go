package analysis

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// TestPresets: each preset is a criterion that compiles, has a name of its own and says what it asks.
func TestPresets(t *testing.T) {
	all := presets(t)
	seen := map[string]string{}
	for _, p := range all {
		if !regexp.MustCompile(`^[a-z][a-z0-9-]+$`).MatchString(p.Name) {
			t.Errorf("%s: the name %q is not made of small letters, digits and dashes", p.File, p.Name)
		}
		if other, taken := seen[p.Name]; taken {
			t.Errorf("%s: the name %s is taken in %s", p.File, p.Name, other)
		}
		seen[p.Name] = p.File
		c, err := compilePreset(CriterionSpec{Preset: p.Name})
		if err != nil {
			t.Errorf("%s: %v", p.File, err)
			continue
		}
		if c.Name != p.Name || c.Type == "" {
			t.Errorf("%s: %s became %q of the type %q", p.File, p.Name, c.Name, c.Type)
		}
		if c.Type == "query" && c.scope() == ScopeAll && !strings.Contains(c.Query, "${namespace}") {
			t.Errorf("%s: the query of %s is about all namespaces", p.File, p.Name)
		}
		if c.Counts != nil && c.scope() == ScopeAll && !strings.Contains(c.Counts.Total+c.Counts.Histogram, "${namespace}") {
			t.Errorf("%s: the counters of %s are those of all namespaces", p.File, p.Name)
		}
	}
	if len(all) == 0 {
		t.Error("there are no presets")
	}
}

// TestPresetFiles: each file begins with a comment that says whose metrics these are.
func TestPresetFiles(t *testing.T) {
	files, err := fs.Glob(presetFiles, "presets/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := presetFiles.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(text), "# ") || !strings.Contains(string(text), "\ncriteria:\n") {
			t.Errorf("%s begins without a comment, or has no criteria: %v", file, err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if strings.HasPrefix(strings.TrimSpace(line), "#") && utf8.RuneCountInString(line) > 120 || strings.HasSuffix(line, " ") {
				t.Errorf("%s:%d: too long, or a blank at its end", file, i+1)
			}
		}
	}
}

// TestPresetOwnWords: what the entry says comes before what the preset says.
func TestPresetOwnWords(t *testing.T) {
	no, half := false, Limit{0.5, None}
	for _, p := range presets(t) {
		two := Limit{0.02, Percent}
		c, err := compilePreset(CriterionSpec{Preset: p.Name, Name: "mine", Max: &two, Enforce: &no})
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		if c.Name != "mine" || c.Limit != two || c.Op != LessEqual || !c.Report {
			t.Errorf("%s: got %+v", p.Name, c)
		}
	}
	ratio := &RatioSpec{Good: "up_good_total", Total: "up_all_total"}
	c, err := compilePreset(CriterionSpec{Preset: "http-errors", Asks: asks("ratio", ratio), MinEvents: 7, Scope: ScopeOld, Each: []string{"path"}})
	if err != nil || c.Name != "http-errors" || c.Counts.Bad != "" || c.Counts.Good != ratio.Good || c.Counts.Total != ratio.Total {
		t.Errorf("another ratio: %+v, %v", c.Counts, err)
	}
	if c.MinEvents != 7 || c.Scope != ScopeOld || len(c.Each) != 1 || c.Limit != (Limit{0.01, Percent}) {
		t.Errorf("another ratio: got %+v", c)
	}
	c, err = compilePreset(CriterionSpec{Preset: "http-errors", Asks: asks("query", &QuerySpec{"up"}), Min: &half, For: 3, NoData: NoDataFail, Reduce: "min"})
	if err != nil || c.Counts != nil || c.Op != GreaterEqual || c.Limit != half || c.For != 3 || c.NoData != NoDataFail || c.Reduce != "min" {
		t.Errorf("a query instead: got %+v, %v", c, err)
	}
	c, err = compilePreset(CriterionSpec{Preset: "http-slow", Baseline: BaselineBefore, MaxRatio: 2})
	if err != nil || c.Baseline == nil || c.Baseline.MaxRatio != 2 {
		t.Errorf("a baseline instead of the limit: got %+v, %v", c, err)
	}
}

func TestPresetRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`criteria: [{preset: http-error}]`:                       `gate.yaml:1: reading criterion: there is no preset "http-error"` + "\n" + `  hint: did you mean "http-errors"?`,
		`criteria: [{preset: istio_errors}]`:                     `did you mean "istio-errors"?`,
		`criteria: [{name: a, preset: zzz}]`:                     `reading criterion "a": there is no preset "zzz"` + "\n  hint: there are " + presets(t)[0].Name + ", ",
		`criteria: [{preset: http-slow}, {preset: http-slow}]`:   `the name is taken by an earlier criterion`,
		`criteria: [{preset: http-slow, max: 1, min: 1}]`:        `both max and min`,
		`criteria: [{preset: http-slow, query: up, slow: {}}]`:   `has both slow and query`,
		`criteria: [{preset: http-errors, min: 99%}]`:            `min has no meaning for bad events`,
		`criteria: [{preset: container-memory, minEvents: 100}]`: `minEvents has no meaning for a value`,
	} {
		if _, err := parseText(t, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", text, err, want)
		}
	}
}

func presets(t *testing.T) []Preset {
	t.Helper()
	all, err := Presets()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func compilePreset(entry CriterionSpec) (Criterion, error) {
	criteria, err := Spec{Timing: DefaultTiming(), Criteria: []CriterionSpec{entry}}.Compile(Vars{Namespace: "shop"})
	if err != nil {
		return Criterion{}, err
	}
	return criteria[0], nil
}
