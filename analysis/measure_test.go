package analysis

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

// vector is an answer with one series for each value.
func vector(values ...float64) Answer {
	a := Answer{Kind: Vector}
	for i, v := range values {
		a.Samples = append(a.Samples, Sample{Labels: map[string]string{"job": "shop", "pod": string(rune('a' + i))}, Value: v})
	}
	return a
}

func TestMeasure(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	limit := func(op Op) Criterion { return Criterion{Name: "c", Query: "q", Op: op, Limit: Limit{Value: 1}} }
	histogram := vector(0)
	histogram.Samples[0].Histogram = true
	warned := vector(0)
	warned.Warnings = []string{"store gateway unreachable\nmore"}
	remarked := vector(0)
	remarked.Infos = []string{"PromQL info: metric might not be a counter"}
	unlike := Answer{Kind: Vector, Samples: []Sample{{Labels: map[string]string{"a": "1"}}, {Labels: map[string]string{"b": "2"}}}}

	for name, tt := range map[string]struct {
		op     Op
		answer Answer
		err    error
		state  State
		note   string
	}{
		"below":                     {op: LessEqual, answer: vector(0.5), state: OK},
		"equal to an upper limit":   {op: LessEqual, answer: vector(1), state: OK},
		"above":                     {op: LessEqual, answer: vector(1.01), state: Breach},
		"equal to a strict limit":   {op: Less, answer: vector(1), state: Breach},
		"equal to a lower limit":    {op: GreaterEqual, answer: vector(1), state: OK},
		"below a lower limit":       {op: GreaterEqual, answer: vector(0.9), state: Breach},
		"above a lower limit":       {op: Greater, answer: vector(1.1), state: OK},
		"equal as wanted":           {op: Equal, answer: vector(1), state: OK},
		"different":                 {op: Equal, answer: vector(2), state: Breach},
		"scalar":                    {op: LessEqual, answer: Answer{Kind: Scalar, Samples: []Sample{{Value: 2}}}, state: Breach},
		"empty":                     {op: LessEqual, answer: vector(), state: NoData, note: "no series"},
		"empty against lower limit": {op: GreaterEqual, answer: vector(), state: NoData, note: "no series"},
		"NaN":                       {op: LessEqual, answer: vector(nan), state: NoData, note: "NaN"},
		"NaN against lower limit":   {op: GreaterEqual, answer: vector(nan), state: NoData, note: "NaN"},
		"NaN scalar":                {op: Equal, answer: Answer{Kind: Scalar, Samples: []Sample{{Value: nan}}}, state: NoData, note: "NaN"},
		"+Inf is too much":          {op: LessEqual, answer: vector(inf), state: Breach},
		"+Inf is not enough":        {op: GreaterEqual, answer: vector(inf), state: NoData, note: "infinite"},
		"-Inf is not little":        {op: LessEqual, answer: vector(-inf), state: NoData, note: "infinite"},
		"-Inf is too little":        {op: GreaterEqual, answer: vector(-inf), state: Breach},
		"several series, all good":  {op: LessEqual, answer: vector(0, 0), state: Failed, note: "2 series that differ in pod;"},
		"several series, one bad":   {op: LessEqual, answer: vector(0, 9), state: Failed, note: "sum(...)"},
		"series with other labels":  {op: LessEqual, answer: unlike, state: Failed, note: "differ in a, b;"},
		"histogram":                 {op: LessEqual, answer: histogram, state: Failed, note: "native histogram"},
		"matrix":                    {op: LessEqual, answer: Answer{Kind: Matrix, Samples: vector(0).Samples}, state: Failed, note: "returns a matrix"},
		"string":                    {op: LessEqual, answer: Answer{Kind: String}, state: Failed, note: "returns a string"},
		"zero answer":               {op: LessEqual, state: Failed, note: "not one number"},
		"warning":                   {op: LessEqual, answer: warned, state: Failed, note: "incomplete: store gateway unreachable"},
		"info":                      {op: LessEqual, answer: remarked, state: OK},
		"no operator":               {answer: vector(0), state: Failed, note: "no comparison"},
		"unreachable":               {op: LessEqual, err: &QueryError{Kind: Unreachable, Target: "http://p", Text: "refused", Hint: "h"}, state: Failed, note: "unreachable: refused"},
		"rejected":                  {op: LessEqual, err: &QueryError{Kind: Rejected, Text: "bad"}, answer: vector(0), state: Failed, note: "rejected: bad"},
		"unauthorized":              {op: GreaterEqual, err: &QueryError{Kind: Unauthorized, Text: "no"}, state: Failed, note: "unauthorized: no"},
		"unreadable":                {op: GreaterEqual, err: &QueryError{Kind: Unreadable, Text: "web page"}, state: Failed, note: "unreadable: web page"},
		"any error":                 {op: LessEqual, err: errors.New("one\ntwo"), state: Failed, note: "one"},
	} {
		at := time.Unix(1e9, 0)
		p := Measure(limit(tt.op), at, tt.answer, tt.err)
		if p.State != tt.state || !strings.Contains(p.Note, tt.note) || (tt.note == "") != (p.Note == "") || strings.Contains(p.Note, "\n") {
			t.Errorf("%s: got %s %q, want %s %q", name, p.State, p.Note, tt.state, tt.note)
		}
		if p.judged() && p.Value == nil || !p.Time.Equal(at) {
			t.Errorf("%s: incomplete point %+v", name, p)
		}
	}
}

func TestQueryError(t *testing.T) {
	err := &QueryError{Kind: Unauthorized, Target: "http://p:9090", Text: "401", Hint: "send a token", Err: errors.ErrUnsupported}
	want := "querying Prometheus at http://p:9090: unauthorized: 401\n  hint: send a token"
	if err.Error() != want || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %q, want %q", err, want)
	}
}
