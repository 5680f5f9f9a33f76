package readiness

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/containers"
	"github.com/google/cel-go/common/decls"
	"github.com/google/cel-go/common/stdlib"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"github.com/google/cel-go/parser"
)

// The limits of an expression: objects are not trusted, and neither is who wrote the annotation of one.
const (
	maxLength = 4096    // characters
	maxDepth  = 64      // of what stands in brackets
	maxCost   = 200_000 // as in admission policies, where a look at a field costs 1; some ten milliseconds
)

// variable is what expressions are about.
const variable = "object"

// program is one expression that can be evaluated.
type program struct {
	key     string
	planned *interpreter.ObservableInterpretable
}

// compile makes a program of an expression; nil for an empty one. wants is what it has to be, as far as that is known.
func compile(key, expression string, wants *types.Type) (*program, error) {
	if strings.TrimSpace(expression) == "" {
		return nil, nil
	}
	checked, wrong := check(key, expression, types.DynType, types.NewEmptyRegistry())
	if len(wrong) > 0 {
		return nil, wrong[0]
	}
	if is := checked.GetType(checked.Expr().ID()); !is.IsExactType(wants) && !is.IsExactType(types.DynType) {
		return nil, &Error{Key: key, Text: fmt.Sprintf("it is of type %s, and has to be of type %s", is.TypeName(), wants.TypeName()), Hint: examples[key]}
	}
	registry := types.NewEmptyRegistry()
	functions, err := bindings()
	if err != nil {
		return nil, err
	}
	tracker, err := interpreter.NewCostTracker(nil, interpreter.CostTrackerLimit(maxCost))
	if err != nil {
		return nil, fmt.Errorf("limiting an expression: %w", err)
	}
	planner := interpreter.NewInterpreter(functions, containers.DefaultContainer, registry, registry,
		interpreter.NewAttributeFactory(containers.DefaultContainer, registry, registry))
	planned, err := planner.NewInterpretable(checked, interpreter.CostObserver(interpreter.CostTrackerFactory(
		func() (*interpreter.CostTracker, error) { return tracker.Clone() })))
	if err != nil {
		return nil, &Error{Key: key, Text: err.Error()}
	}
	observable, ok := planned.(*interpreter.ObservableInterpretable)
	if !ok {
		return nil, &Error{Key: key, Text: "it cannot be limited"}
	}
	return &program{key, observable}, nil
}

// examples are what an expression can look like, by key.
var examples = map[string]string{
	"ready":   `write one such as object.status.phase == "Running"`,
	"failed":  `write one such as object.status.phase == "Error"`,
	"message": "write one such as object.status.message, or string(…) around a number",
}

// check reads an expression, and finds the types in it. The types of the object's fields are those of the provider.
func check(key, expression string, object *types.Type, provider types.Provider) (*ast.AST, []*Error) {
	if len(expression) > maxLength {
		return nil, []*Error{{Key: key, Text: fmt.Sprintf("it has more than %d characters", maxLength)}}
	}
	source := common.NewTextSource(expression)
	reader, err := parser.NewParser(parser.Macros(parser.AllMacros...), parser.MaxRecursionDepth(maxDepth), parser.EnableHiddenAccumulatorName(true))
	if err != nil {
		return nil, []*Error{{Key: key, Text: err.Error()}}
	}
	parsed, faults := reader.Parse(source)
	if wrong := inWords(key, expression, faults); len(wrong) > 0 {
		return nil, wrong
	}
	env, err := checker.NewEnv(containers.DefaultContainer, provider, checker.CrossTypeNumericComparisons(true))
	if err == nil {
		err = errors.Join(env.AddIdents(stdlib.Types()...), env.AddIdents(decls.NewVariable(variable, object)), env.AddFunctions(stdlib.Functions()...))
	}
	if err != nil {
		return nil, []*Error{{Key: key, Text: err.Error()}}
	}
	checked, faults := checker.Check(parsed, source, env)
	return checked, inWords(key, expression, faults)
}

// inWords are the mistakes in an expression.
func inWords(key, expression string, faults *common.Errors) []*Error {
	var wrong []*Error
	for _, f := range faults.GetErrors() {
		e := &Error{Key: key, Column: f.Location.Column() + 1, Text: strings.TrimPrefix(f.Message, "Syntax error: ")}
		if f.Location.Line() > 1 || f.Location.Column() < 0 {
			e.Column = 0
		}
		if name, unknown := undeclared(f.Message); unknown {
			e.Text = fmt.Sprintf("there is no %s", name)
			e.Hint = "the object is called object, as in object.status.phase; put texts in quotes"
		}
		wrong = append(wrong, e)
	}
	return wrong
}

// undeclared is the name in a complaint about one that stands for nothing.
func undeclared(message string) (name string, is bool) {
	_, rest, is := strings.Cut(message, "undeclared reference to '")
	name, _, _ = strings.Cut(rest, "'")
	return name, is
}

// bindings are the functions of the language.
var bindings = sync.OnceValues(func() (interpreter.Dispatcher, error) {
	all := interpreter.NewDispatcher()
	for _, f := range stdlib.Functions() {
		overloads, err := f.Bindings()
		if err == nil {
			err = all.Add(overloads...)
		}
		if err != nil {
			return nil, fmt.Errorf("adding the functions of expressions: %w", err)
		}
	}
	return all, nil
})

// evaluate asks about an object. The error says why there is no answer.
func (p *program) evaluate(object map[string]any) (v ref.Val, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interpreter.EvalCancelledError:
			err = fmt.Errorf("%s takes too much to evaluate", p.key)
		default:
			err = fmt.Errorf("%s cannot be evaluated: %v", p.key, r)
		}
	}()
	frame, err := interpreter.NewExecutionFrame(map[string]any{variable: object})
	if err != nil {
		return nil, fmt.Errorf("%s cannot be evaluated: %w", p.key, err)
	}
	defer frame.Close()
	v = p.planned.ObserveExec(frame, func(any) {})
	if failed, is := v.(*types.Err); is {
		return nil, fmt.Errorf("%s: %s", p.key, failed.String())
	}
	if types.IsUnknown(v) {
		return nil, fmt.Errorf("%s has no answer", p.key)
	}
	return v, nil
}
