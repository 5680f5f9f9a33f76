package readiness

import (
	"slices"

	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
)

// function is a call, or has(object.field).
func (r *reader) function(id int64, called token, args []ast.Expr) ast.Expr {
	if called.text != operators.Has || len(args) != 1 {
		return r.NewCall(id, called.text, args...)
	}
	if args[0].Kind() != ast.SelectKind || args[0].AsSelect().IsTestOnly() {
		r.fail(called, "has wants a field, as in has(object.status.phase)")
	}
	field := args[0].AsSelect()
	return r.NewPresenceTest(id, field.Operand(), field.FieldName())
}

// method is a call on a value, or one of those that go through a list: all, exists, exists_one, filter and map.
func (r *reader) method(id int64, called token, on ast.Expr, args []ast.Expr) ast.Expr {
	each := r.through(called, args)
	if each == nil {
		return r.NewMemberCall(id, called.text, on, args...)
	}
	if args[0].Kind() != ast.IdentKind || slices.Contains([]string{accumulator, "__result__"}, args[0].AsIdent()) {
		r.fail(called, "%s wants a name first, as in %s(x, x > 1)", called.text, called.text)
	}
	return r.NewComprehension(id, on, args[0].AsIdent(), accumulator, each.begin, each.goOn, each.step, each.result)
}

// walk is how a list is gone through: what is known at its beginning, whether to go on, what follows from each value, and
// what comes of it all.
type walk struct{ begin, goOn, step, result ast.Expr }

// through is how a call goes through a list; nil when it does not.
func (r *reader) through(called token, args []ast.Expr) *walk {
	id := func() int64 { return r.new(called) }
	known := func() ast.Expr { return r.NewAccuIdent(id()) }
	truth := func(is bool) ast.Expr { return r.NewLiteral(id(), types.Bool(is)) }
	number := func(n int64) ast.Expr { return r.NewLiteral(id(), types.Int(n)) }
	call := func(function string, args ...ast.Expr) ast.Expr { return r.NewCall(id(), function, args...) }
	list := func(elements ...ast.Expr) ast.Expr { return r.NewList(id(), elements, nil) }
	is := func(name string, n int) bool { return called.text == name && len(args) == n }
	switch {
	case is(operators.All, 2):
		return &walk{truth(true), call(operators.NotStrictlyFalse, known()), call(operators.LogicalAnd, known(), args[1]), known()}
	case is(operators.Exists, 2):
		return &walk{truth(false), call(operators.NotStrictlyFalse, call(operators.LogicalNot, known())), call(operators.LogicalOr, known(), args[1]), known()}
	case is(operators.ExistsOne, 2), is("existsOne", 2):
		step := call(operators.Conditional, args[1], call(operators.Add, known(), number(1)), known())
		return &walk{number(0), truth(true), step, call(operators.Equals, known(), number(1))}
	case is(operators.Filter, 2):
		step := call(operators.Conditional, args[1], call(operators.Add, known(), list(args[0])), known())
		return &walk{list(), truth(true), step, known()}
	case is(operators.Map, 2):
		return &walk{list(), truth(true), call(operators.Add, known(), list(args[1])), known()}
	case is(operators.Map, 3):
		step := call(operators.Conditional, args[1], call(operators.Add, known(), list(args[2])), known())
		return &walk{list(), truth(true), step, known()}
	}
	return nil
}
