package analysis

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// ParseSpec reads a Spec from a YAML mapping that has no other keys. What the
// mapping leaves out keeps the value of [DefaultTiming]. Unknown keys, keys
// that are there twice, wrong types, queries that are not PromQL and timings
// that do not fit are errors; the result joins one [*SpecError] per mistake,
// with the given file name and the line of the mistake.
func ParseSpec(file string, node *yaml.Node) (Spec, error) {
	return parseSpec(file, node, criterionKinds())
}

func parseSpec(file string, node *yaml.Node, kinds []criterionKind) (Spec, error) {
	spec := Spec{Timing: DefaultTiming()}
	d := decoder{file: file, kinds: kinds}
	d.mapping(node, "analysis", spec.keys())
	if len(d.errs) == 0 {
		d.lint(resolve(node), spec)
	}
	return spec, errors.Join(d.errs...)
}

// SpecKeys lists the keys that [ParseSpec] knows, for a file that has them
// beside keys of its own.
func SpecKeys() []string {
	var names []string
	for _, k := range new(Spec).keys() {
		names = append(names, k.name)
	}
	return names
}

// key is one key of a mapping and what to do with its value.
type key struct {
	name string
	read func(d *decoder, value *yaml.Node)
}

func (s *Spec) keys() []key {
	return []key{
		{"settle", autoKey("settle", &s.Timing.Settle)},
		{"window", durationKey("window", &s.Timing.Window)},
		{"interval", autoKey("interval", &s.Timing.Interval)},
		{"queryTimeout", durationKey("queryTimeout", &s.Timing.QueryTimeout)},
		{"maxOutage", durationKey("maxOutage", &s.Timing.MaxOutage)},
		{"earlyPass", boolKey("earlyPass", "true ends the window as soon as the events show that all is well", &s.EarlyPass)},
		{"on", func(d *decoder, value *yaml.Node) { d.mapping(value, "on", s.On.keys()) }},
		{"vars", func(d *decoder, value *yaml.Node) { s.Vars = d.texts("vars", value) }},
		{"env", listKey("env", &s.Env)},
		{"criteria", func(d *decoder, value *yaml.Node) { s.Criteria = d.criteria(value) }},
	}
}

func (s *CriterionSpec) keys(kinds []criterionKind) []key {
	keys := []key{
		{"name", textKey("name", &s.Name)},
		{"preset", textKey("preset", &s.Preset)},
	}
	for _, k := range kinds {
		keys = append(keys, key{k.name, func(d *decoder, value *yaml.Node) { s.Asks = append(s.Asks, Asked{k.name, k.read(d, value)}) }})
	}
	return append(keys,
		key{"max", limitKey("max", &s.Max)},
		key{"min", limitKey("min", &s.Min)},
		key{"equal", equalKey(&s.Equal)},
		key{"for", numberKey("for", "a number of samples from 1 up", "write how many breaches in a row fail the criterion, such as for: 3", &s.For)},
		key{"minEvents", numberKey("minEvents", "a number of events from 1 up", "write how many events a verdict takes, such as minEvents: 200", &s.MinEvents)},
		key{"noData", choiceKey("noData", &s.NoData, NoDataInconclusive, NoDataPass, NoDataFail, NoDataZero)},
		key{"enforce", func(d *decoder, value *yaml.Node) {
			s.Enforce = new(bool)
			boolKey("enforce", "false measures and reports the criterion without deciding by it", s.Enforce)(d, value)
		}},
		key{"each", listKey("each", &s.Each)},
		key{"reduce", choiceKey("reduce", &s.Reduce, "max", "min", "sum", "avg")},
		key{"scope", choiceKey("scope", &s.Scope, ScopeNew, ScopeOld, ScopeAll)},
		key{"dialect", choiceKey("dialect", &s.Dialect, DialectPromQL, DialectMetricsQL)},
		key{"baseline", choiceKey("baseline", &s.Baseline, BaselineBefore, BaselineConcurrent, BaselineHistory)},
		key{"maxRatio", ratioKey("maxRatio", &s.MaxRatio)},
		key{"minRatio", ratioKey("minRatio", &s.MinRatio)},
		key{"minIncrease", limitKey("minIncrease", &s.MinIncrease)},
	)
}

func boolKey(name, hint string, into *bool) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		parsed, err := strconv.ParseBool(value.Value)
		if err != nil {
			d.fault(value, fmt.Sprintf("reading %s: %q is not true or false", name, value.Value), hint)
		}
		*into = parsed
	}
}

func numberKey(name, what, hint string, into *int) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		n, err := strconv.Atoi(value.Value)
		if err != nil || n < 1 {
			d.fault(value, fmt.Sprintf("reading %s: not %s", name, what), hint)
		}
		*into = n
	}
}

func ratioKey(name string, into *float64) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		limit, err := parseLimit(value.Value)
		if err != nil || limit.Unit != None && limit.Unit != Percent || limit.Value <= 0 {
			d.fault(value, fmt.Sprintf("reading %s: %q is not a factor", name, value.Value), "write how many times the baseline's value is allowed, such as 1.25 or 125%")
		}
		*into = limit.Value
	}
}

func choiceKey[T ~string](name string, into *T, choices ...T) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		words := make([]string, len(choices))
		for i, c := range choices {
			if words[i] = string(c); value.Kind == yaml.ScalarNode && value.Value == words[i] {
				*into = c
				return
			}
		}
		d.fault(value, fmt.Sprintf("reading %s: %q is not one of %s", name, value.Value, strings.Join(words, ", ")), hintFor(value.Value, words))
	}
}

func hintFor(word string, known []string) string {
	if near := Closest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return ""
}

// listKey reads a list of texts, or one text.
func listKey(name string, into *[]string) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		if value.Kind == yaml.ScalarNode {
			if d.scalar(name, value) {
				*into = []string{value.Value}
			}
			return
		}
		if value.Kind != yaml.SequenceNode {
			d.fault(value, fmt.Sprintf("reading %s: not a list", name), "write it as [a, b]")
			return
		}
		for _, item := range value.Content {
			if item = resolve(item); d.scalar(name, item) {
				*into = append(*into, item.Value)
			}
		}
	}
}

// texts reads a mapping of names to texts.
func (d *decoder) texts(name string, value *yaml.Node) map[string]string {
	if value.Kind != yaml.MappingNode {
		d.fault(value, fmt.Sprintf("reading %s: not a mapping", name), "write it as lines of 'name: value'")
		return nil
	}
	out := map[string]string{}
	for i := 0; i+1 < len(value.Content); i += 2 {
		if item := resolve(value.Content[i+1]); d.scalar(name+"."+value.Content[i].Value, item) {
			out[value.Content[i].Value] = item.Value
		}
	}
	return out
}

// autoKey reads a duration or the word auto.
func autoKey(name string, into *time.Duration) func(*decoder, *yaml.Node) {
	read := durationKey(name, into)
	return func(d *decoder, value *yaml.Node) {
		if value.Kind == yaml.ScalarNode && value.Value == "auto" {
			*into = Auto
			return
		}
		read(d, value)
	}
}

func textKey(name string, into *string) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		if d.scalar(name, value) {
			*into = value.Value
		}
	}
}

func durationKey(name string, into *time.Duration) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		if !d.scalar(name, value) {
			return
		}
		parsed, err := parseDuration(value.Value)
		if err != nil {
			d.wrapped(value, "reading "+name, err)
		}
		*into = parsed
	}
}

func limitKey(name string, into **Limit) func(*decoder, *yaml.Node) {
	return func(d *decoder, value *yaml.Node) {
		if !d.scalar(name, value) {
			return
		}
		limit, err := parseLimit(value.Value)
		if err != nil {
			d.wrapped(value, "reading "+name, err)
		}
		*into = &limit
	}
}

// equalKey reads what a value has to be: a limit, or true or false, which a value from elsewhere may be.
func equalKey(into **Limit) func(*decoder, *yaml.Node) {
	read := limitKey("equal", into)
	return func(d *decoder, value *yaml.Node) {
		if yes, err := strconv.ParseBool(value.Value); err == nil && value.Tag == "!!bool" {
			*into = &Limit{}
			if yes {
				(*into).Value = 1
			}
			return
		}
		read(d, value)
	}
}

// decoder collects mistakes, so that one run of a linter shows all of them.
type decoder struct {
	file  string
	kinds []criterionKind
	errs  []error
}

func (d *decoder) fault(at *yaml.Node, text, hint string) {
	d.errs = append(d.errs, &SpecError{File: d.file, Line: at.Line, Column: at.Column, Text: text, Hint: hint})
}

func (d *decoder) wrapped(at *yaml.Node, subject string, err error) {
	text, hint := parts(err)
	d.fault(at, subject+": "+text, hint)
}

// mapping hands each value of a mapping to the reader of its key.
func (d *decoder) mapping(node *yaml.Node, subject string, keys []key) {
	node = resolve(node)
	if node.Kind != yaml.MappingNode {
		d.fault(node, fmt.Sprintf("reading %s: not a mapping", subject), "write it as lines of 'key: value'")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], resolve(node.Content[i+1])
		read := find(keys, name.Value)
		switch {
		case read == nil:
			d.unknown(name, subject, keys)
		case seen[name.Value]:
			d.fault(name, fmt.Sprintf("reading %s: the key %q is there twice", subject, name.Value), "remove one of them")
		default:
			read(d, value)
		}
		seen[name.Value] = true
	}
}

func find(keys []key, name string) func(*decoder, *yaml.Node) {
	for _, k := range keys {
		if k.name == name {
			return k.read
		}
	}
	return nil
}

func (d *decoder) unknown(name *yaml.Node, subject string, keys []key) {
	var names []string
	for _, k := range keys {
		names = append(names, k.name)
	}
	hint := "known keys are " + strings.Join(names, ", ")
	if near := Closest(name.Value, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.fault(name, fmt.Sprintf("reading %s: unknown key %q", subject, name.Value), hint)
}

// scalar reports a value that is not a plain, present value.
func (d *decoder) scalar(name string, value *yaml.Node) bool {
	if value.Kind == yaml.ScalarNode && value.Tag != "!!null" {
		return true
	}
	d.fault(value, fmt.Sprintf("reading %s: not a single value", name), "")
	return false
}

func (d *decoder) criteria(node *yaml.Node) []CriterionSpec {
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return nil
	}
	if node.Kind != yaml.SequenceNode {
		d.fault(node, "reading criteria: not a list", "begin each criterion with '- name: ...'")
		return nil
	}
	specs := make([]CriterionSpec, len(node.Content))
	for i, item := range node.Content {
		specs[i] = CriterionSpec{File: d.file, Line: item.Line}
		d.mapping(item, fmt.Sprintf("criterion %d", i+1), specs[i].keys(d.kinds))
	}
	return specs
}

// lint compiles with placeholders what decoded without a mistake.
func (d *decoder) lint(node *yaml.Node, spec Spec) {
	vars := spec.Known(Vars{Env: map[string]string{}})
	for _, name := range spec.Env {
		vars.Env[name] = "value"
	}
	criteria, errs := spec.compile(vars)
	d.errs = append(d.errs, errs...)
	for _, err := range spec.Timing.faults(criteria) {
		text, hint := parts(err)
		d.fault(node, text, hint)
	}
}

// resolve follows a document to its content and an alias to its anchor.
func resolve(node *yaml.Node) *yaml.Node {
	for {
		switch {
		case node.Kind == yaml.DocumentNode && len(node.Content) == 1:
			node = node.Content[0]
		case node.Kind == yaml.AliasNode && node.Alias != nil:
			node = node.Alias
		default:
			return node
		}
	}
}
