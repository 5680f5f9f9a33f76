package analysis

import (
	"errors"
	"math"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// parse parses PromQL. Prometheus wants the word bool between two scalars;
// here the top comparison is cut off before the query is sent, so the word
// makes no difference and is added.
func parse(text string) (parser.Expr, error) {
	expr, err := parser.ParseExpr(text)
	if err == nil {
		return expr, nil
	}
	// The tree of a text with any other mistake is only part of the text.
	var mistakes parser.ParseErrors
	if errors.As(err, &mistakes) && len(mistakes) == 1 && strings.Contains(mistakes[0].Err.Error(), "must use BOOL modifier") {
		if b, ok := unwrap(expr).(*parser.BinaryExpr); ok && b.Op.IsComparisonOperator() {
			b.ReturnBool = true
			// Parsed again, because the missing word may have been missing
			// further down.
			if _, err := parser.ParseExpr(expr.String()); err == nil {
				return expr, nil
			}
		}
	}
	return nil, &hinted{err.Error(), "the position is line:column in the query; try it in Prometheus' own query page"}
}

// unwrap removes parentheses.
func unwrap(expr parser.Expr) parser.Expr {
	for {
		paren, ok := expr.(*parser.ParenExpr)
		if !ok {
			return expr
		}
		expr = paren.Expr
	}
}

// valueQuery says why an expression cannot be the value of a criterion.
func valueQuery(expr parser.Expr) error {
	switch expr.Type() {
	case parser.ValueTypeVector, parser.ValueTypeScalar:
	case parser.ValueTypeMatrix:
		return &hinted{"the query returns ranges of samples, not one value",
			"wrap the range in a function such as rate(...) or max_over_time(...)"}
	default:
		return &hinted{"the query returns a " + string(expr.Type()) + ", not a number", splitHint}
	}
	// "0.1 <= q <= 0.5" parses as a comparison of a comparison. Its inner
	// part filters, so that the answer is empty exactly when it matters.
	if b, ok := unwrap(expr).(*parser.BinaryExpr); ok && b.Op.IsComparisonOperator() && !b.ReturnBool {
		return &hinted{"compares more than once: the inner comparison would hide its breaches as empty answers",
			"write one criterion for each limit"}
	}
	return nil
}

// source returns where in the text expr was parsed from, so that the query
// that is sent is the query that was written; false where the parser's
// positions do not bear that out.
func source(text string, expr parser.Expr) (from, to int, ok bool) {
	pos, printed := expr.PositionRange(), expr.String()
	from, to = int(pos.Start), int(pos.End)
	if from < 0 || to > len(text) || from > to {
		return 0, 0, false
	}
	// The positions of an aggregation end behind the space that follows it.
	written := strings.TrimSpace(text[from:to])
	from += strings.Index(text[from:to], written)
	again, err := parser.ParseExpr(written)
	return from, from + len(written), err == nil && again.String() == printed
}

// folded is a constant number, if ok.
type folded struct {
	value float64
	unit  Unit // Seconds if the number was written as a duration
	ok    bool
}

// constant computes expressions that consist of numbers only, such as
// 5 * 60, by the rules of PromQL.
func constant(expr parser.Expr) folded {
	switch e := unwrap(expr).(type) {
	case *parser.NumberLiteral:
		unit := None
		if e.Duration {
			unit = Seconds
		}
		return folded{e.Val, unit, true}
	case *parser.UnaryExpr:
		inner := constant(e.Expr)
		if e.Op == parser.SUB {
			inner.value = -inner.value
		}
		return inner
	case *parser.BinaryExpr:
		left, right := constant(e.LHS), constant(e.RHS)
		value, ok := arithmetic(e.Op, left.value, right.value)
		unit := left.unit
		if unit == None {
			unit = right.unit
		}
		return folded{value, unit, ok && left.ok && right.ok}
	}
	return folded{}
}

func arithmetic(op parser.ItemType, a, b float64) (float64, bool) {
	switch op {
	case parser.ADD:
		return a + b, true
	case parser.SUB:
		return a - b, true
	case parser.MUL:
		return a * b, true
	case parser.DIV:
		return a / b, true
	case parser.MOD:
		return math.Mod(a, b), true
	case parser.POW:
		return math.Pow(a, b), true
	}
	return 0, false
}

// unwrapComparison returns the operator of a comparison at the top.
func unwrapComparison(expr parser.Expr) (op parser.ItemType, ok bool) {
	b, ok := unwrap(expr).(*parser.BinaryExpr)
	if !ok || !b.Op.IsComparisonOperator() {
		return 0, false
	}
	return b.Op, true
}
