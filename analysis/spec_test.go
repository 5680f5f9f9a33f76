package analysis

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func parseText(t *testing.T, text string) (Spec, error) {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	return ParseSpec("gate.yaml", &node)
}

func TestParseSpec(t *testing.T) {
	spec, err := parseText(t, `
settle: 1m
window: 2m30s
criteria:
- name: errors
  query: sum(rate(errors_total{namespace="${namespace}"}[${window}]))
  max: &limit 1%
- {name: latency, query: 'histogram_quantile(0.99, sum by (le) (rate(b[1m]))) < 500ms', for: 3}
- name: throughput
  query: |
    sum(rate(x[1m]))
  min: 10
- {name: more, query: y, max: *limit}
`)
	if err != nil {
		t.Fatal(err)
	}
	want := Timing{Settle: time.Minute, Window: 150 * time.Second, Interval: Auto, QueryTimeout: 10 * time.Second, MaxOutage: 2 * time.Minute}
	if spec.Timing != want {
		t.Errorf("timing %+v, want %+v", spec.Timing, want)
	}
	got, err := spec.Compile(Vars{Namespace: "shop", Window: spec.Timing.Window})
	if err != nil {
		t.Fatal(err)
	}
	criteria := []Criterion{
		{Name: "errors", Type: "query", Query: `sum(rate(errors_total{namespace="${namespace}"}[${window}]))`, Op: LessEqual, Limit: Limit{0.01, Percent}},
		{Name: "latency", Type: "query", Query: `histogram_quantile(0.99, sum by (le) (rate(b[1m])))`, Op: Less, Limit: Limit{0.5, Seconds}, For: 3},
		{Name: "throughput", Type: "query", Query: `sum(rate(x[1m]))`, Op: GreaterEqual, Limit: Limit{10, None}},
		{Name: "more", Type: "query", Query: `y`, Op: LessEqual, Limit: Limit{0.01, Percent}},
	}
	if !reflect.DeepEqual(got, criteria) {
		t.Errorf("got  %+v\nwant %+v", got, criteria)
	}
	if text := got[1].Text(); text != "latency: histogram_quantile(0.99, sum by (le) (rate(b[1m]))) < 500ms" {
		t.Errorf("text %q", text)
	}
	query, err := got[0].query(Vars{Namespace: "shop", Window: spec.Timing.Window})
	if want := `sum(rate(errors_total{namespace="shop"}[2m30s]))`; err != nil || query != want {
		t.Errorf("asks %s, %v, want %s", query, err, want)
	}
	query, err = got[1].query(Vars{})
	if want := `histogram_quantile(0.99, sum by (le) (rate(b[1m])))`; err != nil || query != want {
		t.Errorf("asks %s, %v, want %s", query, err, want)
	}
	for _, text := range []string{"{}", "criteria:", "criteria: []"} {
		if spec, err := parseText(t, text); err != nil || spec.Timing != DefaultTiming() || len(spec.Criteria) != 0 {
			t.Errorf("%s: got %+v, %v", text, spec, err)
		}
	}
}

func TestParseSpecRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`[]`:                               `gate.yaml:1:1: reading analysis: not a mapping`,
		`widow: 5m`:                        "gate.yaml:1:1: reading analysis: unknown key \"widow\"\n  hint: did you mean \"window\"?",
		`colour: red`:                      "hint: known keys are settle, window, interval, queryTimeout, maxOutage, earlyPass, on, vars, env, criteria",
		`settle: soon`:                     "gate.yaml:1:9: reading settle: \"soon\" is not a duration\n  hint: ",
		`settle: 5`:                        `"5" is not a duration`,
		`settle: -5s`:                      `"-5s" is not a duration`,
		`settle:`:                          `reading settle: not a single value`,
		`settle: [1s]`:                     `reading settle: not a single value`,
		"settle: 1s\nsettle: 2s":           `gate.yaml:2:1: reading analysis: the key "settle" is there twice`,
		`interval: 10ms`:                   `reading interval: 10ms is less than a second`,
		`criteria: {}`:                     `reading criteria: not a list`,
		`criteria: [x]`:                    `reading criterion 1: not a mapping`,
		`criteria: [{}]`:                   `it has no name`,
		`criteria: [{name: a}]`:            `reading criterion "a": it asks nothing`,
		`criteria: [{nmae: a}]`:            `did you mean "name"?`,
		`criteria: [{name: [a]}]`:          `reading name: not a single value`,
		`criteria: [{max: lots}]`:          `gate.yaml:1:18: reading max: "lots" is not a number`,
		`criteria: [{for: 0}]`:             `reading for: not a number of samples from 1 up`,
		`criteria: [{for: many}]`:          `reading for: not a number`,
		`criteria: [{query: up}]`:          `it has no name`,
		"a: 1\nb: 2":                       `gate.yaml:2:1: reading analysis: unknown key "b"`,
		`criteria: [{name: a, query: up}]`: "it has no limit: no max, no min, and no comparison with a limit at the top\n  hint: add max or min",
		`criteria: [{name: a, query: up, max: 1, min: 0}]`:                          `both max and min`,
		`criteria: [{name: a, query: up > 1, max: 1}]`:                              `the query compares with > and there is a max, a min or a baseline as well`,
		`criteria: [{name: a, query: (up > bool 1), max: 1}]`:                       `the query compares with >`,
		`criteria: [{name: a, query: 'up[5m]', max: 1}]`:                            "ranges of samples, not one value\n  hint: wrap",
		`criteria: [{name: a, query: '"x"', max: 1}]`:                               `returns a string`,
		`criteria: [{name: a, query: 'sum(', max: 1}]`:                              `1:5: parse error`,
		`criteria: [{name: a, query: 'up{x="${env}"}', max: 1}]`:                    `unknown variable ${env}`,
		`criteria: [{name: a, query: up, max: 1, for: 99}]`:                         `needs 99 breaches in a row, and the window has 21 samples`,
		"criteria:\n- {name: a, query: up, max: 1}\n- {name: a, query: up, max: 1}": `gate.yaml:3: reading criterion "a": the name is taken`,
	} {
		_, err := parseText(t, text)
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %q does not mention %q", text, err, want)
		}
		all, ok := err.(interface{ Unwrap() []error })
		if !ok {
			t.Fatalf("%s: %T is not a list of errors", text, err)
		}
		for _, one := range all.Unwrap() {
			var e *SpecError
			if !errors.As(one, &e) || e.File != "gate.yaml" || e.Line == 0 || strings.Contains(e.Text, "\n") {
				t.Errorf("%s: %#v has no place", text, one)
			}
		}
	}
}

func TestSpecKeys(t *testing.T) {
	if got := strings.Join(SpecKeys(), " "); got != "settle window interval queryTimeout maxOutage earlyPass on vars env criteria" {
		t.Errorf("got %s", got)
	}
}
