package analysis

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

func queryKind() criterionKind {
	return criterionKind{
		name: "query",
		decode: func(d *decoder, value *yaml.Node, into *CriterionSpec) {
			textKey("query", &into.Query)(d, value)
			if strings.TrimSpace(into.Query) == "" && value.Kind == yaml.ScalarNode {
				d.fault(value, "reading query: it is empty", "write the PromQL for the value")
			}
		},
		present: func(s CriterionSpec) bool { return strings.TrimSpace(s.Query) != "" },
		compile: compileQuery,
	}
}

// compileQuery takes any PromQL for a value.
func compileQuery(s CriterionSpec, c *Criterion, vars Vars) error {
	c.Query = strings.TrimSpace(s.Query)
	query, err := vars.Expand(c.Query)
	if err != nil {
		return err
	}
	if s.Max == nil && s.Min == nil && c.Baseline == nil {
		c.Query, c.Op, c.Limit, err = vars.split(c.Query)
		return noLimit(err)
	}
	switch {
	case s.Max != nil:
		c.Op, c.Limit = LessEqual, *s.Max
	case s.Min != nil:
		c.Op, c.Limit = GreaterEqual, *s.Min
	}
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
