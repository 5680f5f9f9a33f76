package analysis

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// asks is the one question of an entry.
func asks(kind string, q Question) []Asked { return []Asked{{kind, q}} }

// absence is a made-up kind: a metric that must not be there.
type absence struct{ metric string }

func readAbsence(d *decoder, value *yaml.Node) Question {
	a := &absence{}
	d.mapping(value, "absence", []key{{"of", textKey("of", &a.metric)}})
	return a
}

func (a *absence) compile(_ CriterionSpec, c *Criterion, vars Vars) error {
	if a.metric == "" {
		return &hinted{"its metric has no name", "write of: METRIC"}
	}
	c.Query, c.Op, c.NoData = "count("+a.metric+")", LessEqual, NoDataZero
	_, err := c.query(vars)
	return err
}

// TestOneMoreKind: a kind is its functions and one row. It is read, compiled, checked, judged, and named in what is said
// about keys that are not known, from which the tables of the documentation are made.
func TestOneMoreKind(t *testing.T) {
	kinds := append(criterionKinds(), criterionKind{"absence", readAbsence})
	read := func(text string) ([]Criterion, error) {
		var node yaml.Node
		if err := yaml.Unmarshal([]byte(text), &node); err != nil {
			t.Fatal(err)
		}
		spec, err := parseSpec("rolloutgate.yaml", &node, kinds)
		if err != nil {
			return nil, err
		}
		return spec.Compile(Vars{Namespace: "shop"})
	}
	criteria, err := read(`criteria: [{name: gone, absence: {of: 'debug{namespace="${namespace}"}'}}]`)
	if err != nil || len(criteria) != 1 || criteria[0].Type != "absence" || asked(t, criteria[0]) != `count(debug{namespace="shop"})` {
		t.Errorf("got %+v, %v", criteria, err)
	}
	if p := Measure(criteria[0], time.Unix(1e9, 0), vector(), nil); p.State != OK {
		t.Errorf("judged as %+v", p)
	}
	for text, want := range map[string]string{
		`criteria: [{name: gone, absence: {}}]`:                      `reading criterion "gone": its metric has no name`,
		`criteria: [{name: gone, absence: {off: x}}]`:                `unknown key "off"`,
		`criteria: [{name: gone, absence: {of: 'x{a="${b}"}'}}]`:     "unknown variable",
		`criteria: [{name: gone, absence: {of: x}, query: up == 1}]`: "it has both absence and query",
		`criteria: [{name: gone, zzzzzzzz: 1}]`:                      "alerts, http, absence, max",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

// A query in another language is taken as it stands.
func TestForeignQuery(t *testing.T) {
	const extended = "sum(rate(x{pod=~\"${newPods}\"})) keep_metric_names default 0"
	read := func(keys string) ([]Criterion, error) {
		return readCriteria(t, "- {name: c, query: '"+extended+"', "+keys+"}")
	}
	criteria, err := read("dialect: metricsql, max: 5")
	if err != nil {
		t.Fatal(err)
	}
	if query, err := criteria[0].query(Placeholders()); err != nil || query != `sum(rate(x{pod=~"workload-new-a"})) keep_metric_names default 0` {
		t.Errorf("it is sent as %s, %v", query, err)
	}
	if remarks := Lint(criteria, Placeholders()); len(remarks) != 1 || !strings.Contains(remarks[0].Error(), "is metricsql, which is not checked offline") {
		t.Errorf("remarks: %v", remarks)
	}
	q := querier(func(_ context.Context, query string) (Answer, error) {
		if query == "time()" {
			return vector(float64(time.Now().Unix())), nil
		}
		return vector(3), nil
	})
	facts, err := Session{Querier: q, Criteria: criteria, Vars: Placeholders}.Preflight(t.Context())
	if err != nil || facts.Criteria[0].State != OK {
		t.Errorf("facts: %+v, %v", facts, err)
	}
	for keys, want := range map[string]string{
		"max: 5":                                 "parse error",
		"dialect: metricsql":                     "it has no limit",
		"dialect: metricsql, max: 5, scope: new": "scope: new has no meaning for metricsql",
		"dialect: logql, max: 5":                 "is not one of promql, metricsql",
	} {
		if _, err := read(keys); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
	}
	if _, err := readCriteria(t, "- {name: c, ratio: {bad: a, total: b}, max: 1%, dialect: metricsql}"); err == nil || !strings.Contains(err.Error(), "dialect has no meaning for ratio") {
		t.Errorf("a ratio: %v", err)
	}
}
