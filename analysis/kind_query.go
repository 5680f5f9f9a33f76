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
