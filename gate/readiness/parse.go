package readiness

import (
	"fmt"
	"slices"

	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
)

// accumulator is the variable of what goes through a list; no expression can name it.
const accumulator = "@result"

// reader reads an expression into the tree that package checker takes. The one of cel-go has a whole library for grammars
// behind it, which makes the program a megabyte larger; a test holds this one to it. Left out are what objects of
// Kubernetes never need: bytes, messages, and optional fields.
type reader struct {
	ast.ExprFactory
	tokens []token
	info   *ast.SourceInfo
	id     int64
	depth  int
}

// parse reads a whole expression. The error is a *parseError.
func parse(text string, source common.Source) (tree *ast.AST, err error) {
	r := &reader{ExprFactory: ast.NewExprFactoryWithAccumulator(accumulator), info: ast.NewSourceInfo(source)}
	if r.tokens, err = lex(text); err != nil {
		return nil, err
	}
	defer func() {
		switch failed := recover().(type) {
		case nil:
		case *parseError:
			tree, err = nil, failed
		default:
			panic(failed)
		}
	}()
	e := r.expression()
	if r.tokens[0].kind != end {
		r.unexpected("an operator")
	}
	return ast.NewAST(e, r.info), nil
}

func (r *reader) fail(t token, format string, args ...any) {
	panic(&parseError{t.at, fmt.Sprintf(format, args...)})
}

func (r *reader) unexpected(wanted string) {
	r.fail(r.tokens[0], "%s stands where %s is expected", r.tokens[0].text, wanted)
}

// next takes the next token.
func (r *reader) next() token {
	t := r.tokens[0]
	if t.kind != end {
		r.tokens = r.tokens[1:]
	}
	return t
}

// sees tells whether one of these signs is next.
func (r *reader) sees(texts ...string) bool {
	return r.tokens[0].kind == sign && slices.Contains(texts, r.tokens[0].text)
}

// takes takes a sign if it is next.
func (r *reader) takes(text string) (token, bool) {
	if !r.sees(text) {
		return token{}, false
	}
	return r.next(), true
}

func (r *reader) expect(text string) {
	if _, there := r.takes(text); !there {
		r.unexpected(text)
	}
}

// new is the number of a part of the tree that begins with a token.
func (r *reader) new(t token) int64 {
	r.id++
	r.info.SetOffsetRange(r.id, ast.OffsetRange{Start: int32(t.at), Stop: int32(t.at + len(t.text))})
	return r.id
}

func (r *reader) expression() ast.Expr {
	if r.depth++; r.depth > maxDepth {
		r.fail(r.tokens[0], "it is nested more than %d deep", maxDepth)
	}
	defer func() { r.depth-- }()
	e := r.logic("||", operators.LogicalOr, func() ast.Expr { return r.logic("&&", operators.LogicalAnd, r.relation) })
	question, is := r.takes("?")
	if !is {
		return e
	}
	id := r.new(question)
	yes := r.logic("||", operators.LogicalOr, func() ast.Expr { return r.logic("&&", operators.LogicalAnd, r.relation) })
	r.expect(":")
	return r.NewCall(id, operators.Conditional, e, yes, r.expression())
}

// logic reads what is joined by && or ||. The tree is kept flat, whatever the number of its parts.
func (r *reader) logic(text, function string, part func() ast.Expr) ast.Expr {
	parts := []ast.Expr{part()}
	var ids []int64
	for {
		t, is := r.takes(text)
		if !is {
			return r.balanced(function, parts, ids)
		}
		ids = append(ids, r.new(t))
		parts = append(parts, part())
	}
}

func (r *reader) balanced(function string, parts []ast.Expr, ids []int64) ast.Expr {
	if len(parts) == 1 {
		return parts[0]
	}
	middle := len(ids) / 2
	return r.NewCall(ids[middle], function, r.balanced(function, parts[:middle+1], ids[:middle]), r.balanced(function, parts[middle+1:], ids[middle+1:]))
}

// binary are the functions of operators between two values, by how close they bind.
var binary = []map[string]string{
	{"<": operators.Less, "<=": operators.LessEquals, ">": operators.Greater, ">=": operators.GreaterEquals, "==": operators.Equals, "!=": operators.NotEquals, "in": operators.In},
	{"+": operators.Add, "-": operators.Subtract},
	{"*": operators.Multiply, "/": operators.Divide, "%": operators.Modulo},
}

func (r *reader) relation() ast.Expr { return r.operation(0) }

// operation reads operators that are taken from left to right.
func (r *reader) operation(level int) ast.Expr {
	if level == len(binary) {
		return r.unary()
	}
	e := r.operation(level + 1)
	for r.tokens[0].kind == sign && binary[level][r.tokens[0].text] != "" {
		t := r.next()
		id := r.new(t)
		e = r.NewCall(id, binary[level][t.text], e, r.operation(level+1))
	}
	return e
}

// unary reads a row of one sign before a value: two of them are none.
func (r *reader) unary() ast.Expr {
	for text, function := range map[string]string{"!": operators.LogicalNot, "-": operators.Negate} {
		if !r.sees(text) {
			continue
		}
		first, n := r.tokens[0], 0
		number := text == "-" && len(r.tokens) > 1 && r.tokens[1].kind == literal && (r.tokens[1].value == nil || r.tokens[1].value.Type() == types.DoubleType)
		if number {
			return r.member()
		}
		for r.sees(text) {
			r.next()
			n++
		}
		if n%2 == 0 {
			return r.member()
		}
		id := r.new(first)
		return r.NewCall(id, function, r.member())
	}
	return r.member()
}

// member reads a value with its fields, calls and places.
func (r *reader) member() ast.Expr {
	e := r.primary()
	for n := 0; ; n++ {
		if n > maxDepth {
			r.fail(r.tokens[0], "it is nested more than %d deep", maxDepth)
		}
		if dot, is := r.takes("."); is {
			field := r.identifier(false)
			if open, call := r.takes("("); call {
				e = r.method(r.new(open), field, e, r.list(")", false))
				continue
			}
			e = r.NewSelect(r.new(dot), e, field.text)
			continue
		}
		open, is := r.takes("[")
		if !is {
			return e
		}
		id := r.new(open)
		index := r.expression()
		r.expect("]")
		e = r.NewCall(id, operators.Index, e, index)
	}
}

// identifier reads a name. One of a variable or a function must not be reserved.
func (r *reader) identifier(guarded bool) token {
	t := r.tokens[0]
	if t.kind != name {
		r.unexpected("a name")
	}
	if guarded && slices.Contains(reserved, t.text) {
		r.fail(t, "%s is reserved, and no name", t.text)
	}
	return r.next()
}

func (r *reader) primary() ast.Expr {
	switch t := r.tokens[0]; {
	case t.kind == literal:
		return r.NewLiteral(r.new(t), r.value(r.next(), ""))
	case r.sees("."): // of the outermost scope, which is the only one
		r.next()
		t = r.identifier(true)
		t.text = "." + t.text
		if open, call := r.takes("("); call {
			return r.NewCall(r.new(open), t.text, r.list(")", false)...)
		}
		return r.NewIdent(r.new(t), t.text)
	case t.kind == name:
		r.identifier(true)
		if open, call := r.takes("("); call {
			return r.function(r.new(open), t, r.list(")", false))
		}
		return r.NewIdent(r.new(t), t.text)
	case r.sees("-"): // of a number: unary has looked
		r.next()
		return r.NewLiteral(r.new(t), r.value(r.next(), "-"))
	case r.sees("("):
		r.next()
		e := r.expression()
		r.expect(")")
		return e
	case r.sees("["):
		id := r.new(r.next())
		return r.NewList(id, r.list("]", true), nil)
	case r.sees("{"):
		id := r.new(r.next())
		return r.NewMap(id, r.entries())
	}
	r.unexpected("a value")
	return nil
}

// value is what a literal stands for, with a minus before it.
func (r *reader) value(t token, minus string) ref.Val {
	if d, is := t.value.(types.Double); is && minus != "" {
		return -d
	}
	if t.value != nil {
		return t.value
	}
	n, err := integer(minus + t.text)
	if err != nil {
		r.fail(t, "%v", err)
	}
	return n
}

// list reads expressions up to a bracket. A comma may stand before that of a list.
func (r *reader) list(closing string, trailing bool) []ast.Expr {
	all := []ast.Expr{}
	if _, empty := r.takes(closing); empty {
		return all
	}
	if _, comma := r.takes(","); comma && trailing {
		r.expect(closing)
		return all
	} else if comma {
		r.unexpected("a value")
	}
	for {
		all = append(all, r.expression())
		_, more := r.takes(",")
		if _, closed := r.takes(closing); closed && (!more || trailing) {
			return all
		} else if closed || !more {
			r.unexpected(closing)
		}
	}
}

// entries reads those of a map up to its bracket.
func (r *reader) entries() []ast.EntryExpr {
	all := []ast.EntryExpr{}
	if _, comma := r.takes(","); comma {
		r.expect("}")
		return all
	}
	for {
		if _, closed := r.takes("}"); closed {
			return all
		}
		key := r.expression()
		colon := r.tokens[0]
		r.expect(":")
		id := r.new(colon)
		all = append(all, r.NewMapEntry(id, key, r.expression(), false))
		if _, more := r.takes(","); !more {
			r.expect("}")
			return all
		}
	}
}
