// Package readiness says how far an object is by expressions of its user, in the Common Expression Language (cel.dev) over
// the live object.
//
// Takes: expressions, and objects as they were read. Returns: programs, what they say of an object, and what is wrong with
// an expression. Never: reads a cluster or the clock, lets an expression run without a limit, or changes an object.
package readiness

import (
	"fmt"
	"strings"

	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Expressions are those about one object. The variable object is the object as the API server has it.
type Expressions struct {
	Ready   string // true: it is complete
	Failed  string // true: it never will be
	Message string // what it says of itself, a text
}

// Error is an expression that says nothing.
type Error struct {
	Key    string // ready, failed or message
	Column int    // in the expression, from 1; 0 when it is about all of it
	Text   string
	Hint   string
}

func (e *Error) Error() string {
	text := e.Key + ": " + e.Text
	if e.Column > 0 {
		text = fmt.Sprintf("%s, at character %d: %s", e.Key, e.Column, e.Text)
	}
	if e.Hint != "" {
		text += "\n  hint: " + e.Hint
	}
	return text
}

// Compile makes expressions ready to judge objects. by is where they were written, in words. The error is an *Error.
func Compile(e Expressions, by string) (*rollout.Own, error) {
	if e.Ready == "" && e.Failed == "" {
		return nil, &Error{Key: "message", Text: "it says nothing alone", Hint: "add ready or failed: they decide, and the message explains it"}
	}
	ready, err := compile("ready", e.Ready, types.BoolType)
	if err != nil {
		return nil, err
	}
	failed, err := compile("failed", e.Failed, types.BoolType)
	if err != nil {
		return nil, err
	}
	message, err := compile("message", e.Message, types.StringType)
	if err != nil {
		return nil, err
	}
	judge := func(object map[string]any) rollout.Reading {
		var r rollout.Reading
		var failedProblem string
		r.Failed, failedProblem = failed.truth(object)
		r.Ready, r.Problem = ready.truth(object)
		if r.Problem == "" && !r.Ready && ready == nil {
			r.Problem = failedProblem
		}
		r.Message = message.text(object)
		return r
	}
	return &rollout.Own{Ready: oneLine(e.Ready), Failed: oneLine(e.Failed), By: by, Judge: judge}, nil
}

// truth evaluates a program that says yes or no. Without one the answer is no, and why there is none is the problem.
func (p *program) truth(object map[string]any) (is bool, problem string) {
	if p == nil {
		return false, ""
	}
	v, err := p.evaluate(object)
	if err != nil {
		return false, err.Error()
	}
	b, ok := v.(types.Bool)
	if !ok {
		return false, fmt.Sprintf("%s is of type %s, and neither true nor false", p.key, v.Type().TypeName())
	}
	return bool(b), ""
}

// text evaluates a program that makes a text; empty without one, and when it has no answer.
func (p *program) text(object map[string]any) string {
	if p == nil {
		return ""
	}
	v, err := p.evaluate(object)
	if err != nil {
		return ""
	}
	return plain(v)
}

func plain(v ref.Val) string {
	switch v.(type) {
	case types.String, types.Int, types.Uint, types.Double, types.Bool:
		if s, ok := v.ConvertToType(types.StringType).(types.String); ok {
			return string(s)
		}
	}
	return ""
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
