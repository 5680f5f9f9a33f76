package promtest

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

func rewritingFaults() []Fault {
	return []Fault{
		rewrite("warnings", func(e *envelope) { e.top["warnings"] = encode([]string{"one store did not answer"}) }),
		rewrite("infos", func(e *envelope) {
			e.top["infos"] = encode([]string{`PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "up"`})
		}),
		rewrite("isPartial", func(e *envelope) { e.top["isPartial"] = encode(true) }),
		rewrite("two series", (*envelope).double),
		rewrite("reordered series", func(e *envelope) { slices.Reverse(e.elements) }),
		rewrite("empty vector", (*envelope).clear),
		rewrite("NaN", func(e *envelope) { e.setValues("NaN") }),
		rewrite("+Inf", func(e *envelope) { e.setValues("+Inf") }),
		rewrite("-Inf", func(e *envelope) { e.setValues("-Inf") }),
		rewrite("string result", func(e *envelope) { e.kind, e.pair = "string", e.pairAt(encode("text")) }),
		rewrite("matrix result", (*envelope).toMatrix),
		called("clock 10 min ahead", ClockSkew(10*time.Minute)),
		called("clock 10 min behind", ClockSkew(-10*time.Minute)),
		called("data lag 90 s", DataLag(90*time.Second)),
	}
}

// called gives a fault another name.
func called(name string, f Fault) Fault {
	f.Name = name
	return f
}

// rewrite makes a fault of a change to successful answers of queries.
func rewrite(name string, change func(*envelope)) Fault {
	return Fault{Name: name, after: func(c *call, a *reply) {
		if e, ok := open(a.body); ok && c.isQuery() {
			change(e)
			a.body = e.close()
		}
	}}
}

// ClockSkew is a server whose clock is ahead of the client's, or behind when
// negative. The server agrees with itself: its data, time() and the header Date
// are all of its own time, and a time that the client sends means that of the
// server. Values are taken for times when they are within a day of now.
func ClockSkew(ahead time.Duration) Fault {
	return Fault{
		Name: "clock ahead by " + ahead.String(),
		before: func(c *call) {
			for _, name := range []string{"time", "start", "end"} {
				if at, ok := parseTime(c.form.Get(name)); ok {
					c.form.Set(name, seconds(at.Add(-ahead)))
				}
			}
		},
		after: func(c *call, a *reply) {
			if date, err := http.ParseTime(a.header.Get("Date")); err == nil {
				a.header.Set("Date", date.Add(ahead).UTC().Format(http.TimeFormat))
			}
			if e, ok := open(a.body); ok && c.isQuery() {
				e.shift(ahead)
				a.body = e.close()
			}
		},
	}
}

// DataLag is a server that is always so far behind with its data, by adding an
// offset to every selector. Unlike its data, its clock is right: timestamp()
// of a series is old.
func DataLag(lag time.Duration) Fault {
	return Fault{Name: "data lag " + lag.String(), before: func(c *call) {
		expr, err := parser.ParseExpr(c.form.Get("query"))
		if err != nil {
			return // the server will say what is wrong
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if selector, ok := node.(*parser.VectorSelector); ok {
				selector.OriginalOffset += lag
			}
			return nil
		})
		c.form.Set("query", expr.String())
	}}
}

func parseTime(text string) (time.Time, bool) {
	if at, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(math.Round(at * 1000))), true
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	return at, err == nil
}

// envelope is a successful answer, taken apart.
type envelope struct {
	top, data map[string]json.RawMessage
	kind      string
	elements  []element         // of a vector or matrix
	pair      []json.RawMessage // of a scalar or string
}

// open returns false for anything that is no successful answer of a query.
func open(body []byte) (*envelope, bool) {
	e := &envelope{}
	if json.Unmarshal(body, &e.top) != nil || json.Unmarshal(e.top["data"], &e.data) != nil || json.Unmarshal(e.data["resultType"], &e.kind) != nil {
		return nil, false
	}
	if e.kind == "scalar" || e.kind == "string" {
		return e, json.Unmarshal(e.data["result"], &e.pair) == nil && len(e.pair) == 2
	}
	return e, json.Unmarshal(e.data["result"], &e.elements) == nil
}

func (e *envelope) close() []byte {
	e.data["resultType"] = encode(e.kind)
	if e.kind == "scalar" || e.kind == "string" {
		e.data["result"] = encode(e.pair)
	} else {
		e.data["result"] = encode(append([]element{}, e.elements...)) // never null
	}
	e.top["data"] = encode(e.data)
	return encode(e.top)
}

func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // all of it came from JSON
	}
	return data
}

// pairs visits every time with its value. Those of native histograms become
// plain values when visit replaces them.
func (e *envelope) pairs(visit func(pair []json.RawMessage)) {
	if e.pair != nil {
		visit(e.pair)
	}
	for _, one := range e.elements {
		for _, list := range [][][]json.RawMessage{{one.Value}, one.Values, {one.Histogram}, one.Histograms} {
			for _, pair := range list {
				if len(pair) == 2 {
					visit(pair)
				}
			}
		}
	}
}

// pairAt is a value at the time of the answer.
func (e *envelope) pairAt(value json.RawMessage) []json.RawMessage {
	at := encode(float64(time.Now().UnixMilli()) / 1000)
	e.pairs(func(pair []json.RawMessage) { at = pair[0] })
	return []json.RawMessage{at, value}
}

func (e *envelope) setValues(text string) {
	e.pairs(func(pair []json.RawMessage) { pair[1] = encode(text) })
	for i := range e.elements {
		one := &e.elements[i]
		if one.Histogram != nil {
			one.Value, one.Histogram = one.Histogram, nil
		}
		one.Values, one.Histograms = append(one.Values, one.Histograms...), nil
	}
}

// clear takes all series away. A scalar of no series is NaN.
func (e *envelope) clear() {
	e.elements = nil
	if e.pair != nil {
		e.setValues("NaN")
	}
}

// double adds a series that differs from the first in one label. A scalar
// becomes a vector; where there is no series, there is nothing to double.
func (e *envelope) double() {
	if e.pair != nil {
		e.kind, e.elements, e.pair = "vector", []element{{Metric: Labels{}, Value: e.pair}}, nil
	}
	if len(e.elements) == 0 {
		return
	}
	second := e.elements[0]
	second.Metric = Labels{"replica": "2"}
	for name, value := range e.elements[0].Metric {
		second.Metric[name] = value
	}
	e.elements = append(e.elements, second)
}

// toMatrix makes one point of each value. A matrix stays as it is.
func (e *envelope) toMatrix() {
	if e.pair != nil {
		e.elements, e.pair = []element{{Metric: Labels{}, Value: e.pair}}, nil
	}
	e.kind = "matrix"
	for i := range e.elements {
		one := &e.elements[i]
		if one.Value != nil {
			one.Values, one.Value = append(one.Values, one.Value), nil
		}
		if one.Histogram != nil {
			one.Histograms, one.Histogram = append(one.Histograms, one.Histogram), nil
		}
	}
}

// shift moves all times, and all values that look like one.
func (e *envelope) shift(by time.Duration) {
	now := float64(time.Now().Unix())
	move := func(v float64) string {
		return strconv.FormatFloat(math.Round((v+by.Seconds())*1000)/1000, 'f', -1, 64)
	}
	e.pairs(func(pair []json.RawMessage) {
		if at, err := strconv.ParseFloat(string(pair[0]), 64); err == nil {
			pair[0] = json.RawMessage(move(at))
		}
		var text string
		if json.Unmarshal(pair[1], &text) != nil {
			return
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(v-now) < 24*60*60 {
			pair[1] = encode(move(v))
		}
	})
}
