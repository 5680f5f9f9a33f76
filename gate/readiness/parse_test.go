package readiness

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/parser"
)

// expressions cover the language, as far as it is read.
var expressions = []string{
	`object.status.phase == "Running"`, `a && b || c && !d`, `a || b || c || d || e`, `a && b && c && d && e && f`, `a ? b : c ? d : e`, `(a ? b : c) ? d : e`,
	`1 + 2 * 3 - 4 / 5 % 6`, `-1`, `- 1`, `--1`, `-a`, `--a`, `---a`, `!!a`, `!a.b`, `-a.b(c)`, `-1.5`, `-2.e`, `1 - -1`, `-9223372036854775808`, `0x1F`, `-0x1f`, `42u`, `0xFFu`, `1.5e3`, `1e-3`, `.5`,
	`"a\nb\t\"\\\x41\u00e9\U0001F600\101"`, `'it''`, `'a "b"'`, `r"a\nb"`, `R'\'`, `"""a
b"""`, `'''x'y'''`, `r"""a\"""`, `""`, `''`,
	`true`, `false`, `null`, `[1, 2, 3]`, `[1,]`, `[]`, `[,]`, `{"a": 1, "b": [2]}`, `{"a": 1,}`, `{}`, `{,}`, `a[0]["b"].c`, `a.b.c(d, e).f`, `f()`, `f(a)`, `f(a,)`,
	`has(a.b)`, `has(a.b.c) && a.b.c`, `has(a)`, `has(a.b, c)`, `a.all(x, x > 0)`, `a.exists(x, x.y == 1)`, `a.exists_one(x, x)`, `a.existsOne(x, x)`, `a.map(x, x * 2)`, `a.map(x, x > 1, x * 2)`,
	`a.filter(x, x in [1, 2])`, `a.filter(x.y, x)`, `a.all(x)`, `a.all(x, y, z)`, `a in b`, `a in [1] == true`, `1 < 2 == true`, `a.in`, `a.true`, `a.for`, `for`, `a.package.b`, `package`,
	`a // a word
 + b`, "a\t+\r\n b", `a = b`, `a &`, `a.`, `.a`, `a..b`, `(a`, `a)`, `[1 2]`, `"a`, `'a
b'`, `"\q"`, `"\x4"`, `1x`, `1.a`, `1.5.a`, `a b`, `?`, `a ? b`, `a ? b : `, `#`, `é`, `"é" == é`, `1u2`, `9223372036854775808`, `1e999`, `a.b-c`, `a-1`, `a -1`, `[-1, -a]`, ``, `  `, `a ? b ? c : d : e`, `!-a`, `-!a`,
	`__result__`, `a.map(__result__, 1)`, `a.b.all(x, x.all(y, y))`, `x.exists(x, x)`,
}

// notRead is what the language has and objects of Kubernetes do not need.
func notRead(text string) bool {
	for _, part := range []string{`b"`, `b'`, `B"`, `B'`, `?.`, `.?`, `[?`, "{?", `.a{`, "`"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// TestParseAsOthersDo: the tree is that of cel-go's own parser, and what one of them refuses the other does.
func TestParseAsOthersDo(t *testing.T) {
	for _, text := range expressions {
		compareParsers(t, text)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range expressions {
		f.Add(text)
	}
	f.Fuzz(compareParsers)
}

func compareParsers(t *testing.T, text string) {
	if notRead(text) || len(text) > 200 {
		return
	}
	source := common.NewTextSource(text)
	other, err := parser.NewParser(parser.Macros(parser.AllMacros...), parser.EnableHiddenAccumulatorName(true), parser.MaxRecursionDepth(maxDepth))
	if err != nil {
		t.Fatal(err)
	}
	theirs, faults := other.Parse(source)
	ours, err := parse(text, source)
	wrong := len(faults.GetErrors()) > 0
	if err != nil && !wrong && strings.Contains(err.Error(), "nested more than") {
		return
	}
	if wrong != (err != nil) {
		if !wrong && strings.Contains(err.Error(), "is not supported") {
			return
		}
		t.Fatalf("%q: we say %v, cel-go %v", text, err, faults.ToDisplayString())
	}
	if err != nil {
		return
	}
	if a, b := written(ours.Expr()), written(theirs.Expr()); a != b {
		t.Fatalf("%q is\n%s\nand for cel-go\n%s", text, a, b)
	}
}

// written is a tree in words.
func written(e ast.Expr) string {
	all := func(list []ast.Expr) string {
		var parts []string
		for _, x := range list {
			parts = append(parts, written(x))
		}
		return strings.Join(parts, " ")
	}
	switch e.Kind() {
	case ast.CallKind:
		c := e.AsCall()
		if c.IsMemberFunction() {
			return fmt.Sprintf("(%s .%s %s)", written(c.Target()), c.FunctionName(), all(c.Args()))
		}
		return fmt.Sprintf("(%s %s)", c.FunctionName(), all(c.Args()))
	case ast.ComprehensionKind:
		c := e.AsComprehension()
		return fmt.Sprintf("(each %s of %s into %s: %s while %s do %s then %s)", c.IterVar(), written(c.IterRange()), c.AccuVar(), written(c.AccuInit()), written(c.LoopCondition()), written(c.LoopStep()), written(c.Result()))
	case ast.IdentKind:
		return e.AsIdent()
	case ast.ListKind:
		return "[" + all(e.AsList().Elements()) + "]"
	case ast.LiteralKind:
		return fmt.Sprintf("%s:%#v", e.AsLiteral().Type(), e.AsLiteral().Value())
	case ast.MapKind:
		var parts []string
		for _, entry := range e.AsMap().Entries() {
			m := entry.AsMapEntry()
			parts = append(parts, written(m.Key())+": "+written(m.Value()))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case ast.SelectKind:
		s := e.AsSelect()
		return fmt.Sprintf("(%s.%s %t)", written(s.Operand()), s.FieldName(), s.IsTestOnly())
	}
	return fmt.Sprintf("kind %v", e.Kind())
}
