package analysis

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// QuerySpec is PromQL for a value, with variables, or a comparison of one with a constant, as in [ParseCheck].
type QuerySpec struct{ Text string }

func readQuery(d *decoder, value *yaml.Node) Question {
	q := &QuerySpec{}
	textKey("query", &q.Text)(d, value)
	if strings.TrimSpace(q.Text) == "" && value.Kind == yaml.ScalarNode {
		d.fault(value, "reading query: it is empty", "write the PromQL for the value")
	}
	return q
}

// compile takes any PromQL for a value.
func (q *QuerySpec) compile(s CriterionSpec, c *Criterion, vars Vars) error {
	c.Query = strings.TrimSpace(q.Text)
	query, err := vars.Expand(c.Query)
	if err != nil {
		return err
	}
	if c.foreign() {
		return q.compileForeign(s, c)
	}
	if s.limits() == 0 && c.Baseline == nil {
		c.Query, c.Op, c.Limit, err = vars.split(c.Query)
		return noLimit(err)
	}
	s.bound(c)
	expr, err := parse(query)
	if err != nil {
		return err
	}
	if b, ok := unwrapComparison(expr); ok {
		return &hinted{fmt.Sprintf("the query compares with %s and there is a max, a min or a baseline as well", b),
			"keep one of them: the value alone in query with max or min, or the whole comparison in query"}
	}
	return valueQuery(expr)
}

// compileForeign takes a query that nobody here can read: its limit stands beside it, and nothing is added to its selectors.
func (q *QuerySpec) compileForeign(s CriterionSpec, c *Criterion) error {
	switch {
	case s.limits() == 0 && c.Baseline == nil:
		return &hinted{"it has no limit", "add max, min or equal: a comparison within " + string(c.Dialect) + " is not found"}
	case c.scope() != ScopeAll:
		return &hinted{"scope: " + string(c.Scope) + " has no meaning for " + string(c.Dialect) + ", whose selectors are not found", `write the pods into the query, as in {pod=~"${newPods}"}`}
	}
	s.bound(c)
	return nil
}
