package analysis

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// ParseCheck reads a whole criterion from one PromQL comparison such as
// 'sum(rate(errors[1m])) <= 0.01'. The comparison is split on the syntax
// tree, so that the value is known even where the comparison does not hold.
// The limit may stand on either side, in parentheses, as constant arithmetic
// (5 * 60), or on the right with one of the units of [ParseLimit]; a "bool"
// modifier makes no difference. The text itself becomes the criterion's name.
//
// Variables are checked here and filled in when the criterion is asked. The
// error names what is missing and ends with a hint.
func ParseCheck(text string, vars Vars) (Criterion, error) {
	name := strings.Join(strings.Fields(text), " ")
	expanded, err := vars.Expand(text)
	if err != nil {
		return Criterion{}, fmt.Errorf("reading check %q: %w", name, err)
	}
	_, op, limit, err := split(expanded)
	if err != nil {
		return Criterion{}, fmt.Errorf("reading check %q: %w", name, err)
	}
	return Criterion{Name: name, Type: "query", Query: text, compared: true, Op: op, Limit: limit}, nil
}

// splitHint is what to write instead of a text that has no limit.
const splitHint = "write 'PROMQL <= LIMIT' with one of < <= > >= == and a constant limit"

// split takes a comparison apart into the query for the value and the limit.
func split(text string) (query string, op Op, limit Limit, err error) {
	text, unit := plainLimit(strings.TrimSpace(text))
	expr, err := parse(text)
	if err != nil {
		return "", "", limit, err
	}
	binary, ok := unwrap(expr).(*parser.BinaryExpr)
	if !ok {
		return "", "", limit, &hinted{"no comparison with a limit at the top", splitHint}
	}
	if op, err = comparison(binary.Op); err != nil {
		return "", "", limit, err
	}
	value, left, right := binary.LHS, constant(binary.LHS), constant(binary.RHS)
	switch {
	case left.ok && right.ok:
		return "", "", limit, &hinted{"compares two constants", splitHint}
	case right.ok:
		limit = Limit{right.value, right.unit}
	case left.ok:
		value, op, limit = binary.RHS, op.flipped(), Limit{left.value, left.unit}
	default:
		return "", "", limit, &hinted{"compares two queries, so there is no limit to show",
			"compare with a constant: subtract or divide one query by the other, 'A / B <= 1' or 'A - B <= 0'"}
	}
	if math.IsNaN(limit.Value) || math.IsInf(limit.Value, 0) {
		return "", "", limit, &hinted{"the limit is not a finite number", splitHint}
	}
	if unit != None {
		// The suffix was cut from the text, so its plain number was parsed.
		limit.Unit = unit
	}
	if err := valueQuery(value); err != nil {
		return "", "", limit, err
	}
	return source(text, value), op, limit, nil
}

// plainLimit replaces a trailing limit with a unit that PromQL does not have
// (1%, 64Mi) by its plain number. Neither is ever valid at the end of PromQL,
// so no valid query changes its meaning.
func plainLimit(text string) (string, Unit) {
	m := regexp.MustCompile(`^(?s)(.*[<>=\s(])([0-9][0-9.]*(?:%|Ki|Mi|Gi|Ti))([\s)]*)$`).FindStringSubmatch(text)
	if m == nil {
		return text, None
	}
	limit, err := parseLimit(m[2])
	if err != nil {
		return text, None
	}
	return fmt.Sprintf("%s%v%s", m[1], limit.Value, m[3]), limit.Unit
}

// comparison maps the top operator of PromQL to ours, or says what to write
// instead of it.
func comparison(item parser.ItemType) (Op, error) {
	switch item {
	case parser.LSS:
		return Less, nil
	case parser.LTE:
		return LessEqual, nil
	case parser.GTR:
		return Greater, nil
	case parser.GTE:
		return GreaterEqual, nil
	case parser.EQLC:
		return Equal, nil
	case parser.NEQ:
		return "", &hinted{"the comparison != cannot be a criterion: nearly every value differs from a limit",
			"use == for the wanted value, or < and > for a range"}
	case parser.LAND, parser.LOR, parser.LUNLESS:
		return "", &hinted{fmt.Sprintf("joined by %q at the top, so there is no single limit", item),
			"write one criterion for each part; all of them have to pass"}
	}
	return "", &hinted{"no comparison with a limit at the top", splitHint}
}
