package promtest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"
)

// Result is what a server answered.
type Result struct {
	Type     string // "vector", "scalar", "matrix", "string"
	Series   []Series
	Warnings []string
	Infos    []string
}

// Series is one element of a result. That of a scalar or string has no labels.
type Series struct {
	Labels     Labels
	Points     []Point // one, except in a matrix
	Histograms int     // how many of the points are native histograms
}

// Point is a value at its time. That of a native histogram is its count.
type Point struct {
	Time  float64 // Unix seconds
	Value float64
}

// Values returns the latest value of each series.
func (r Result) Values() []float64 {
	var values []float64
	for _, s := range r.Series {
		if n := len(s.Points); n > 0 {
			values = append(values, s.Points[n-1].Value)
		}
	}
	return values
}

// Is reports whether the result is this one value.
func (r Result) Is(value float64) bool {
	values := r.Values()
	return len(values) == 1 && values[0] == value
}

// Query asks the server itself, past any proxy. A wrong query fails the test.
func (s *Server) Query(promql string) Result {
	s.t.Helper()
	r, err := Ask(s.t.Context(), http.DefaultClient, s.URL, url.Values{"query": {promql}})
	if err != nil {
		s.t.Fatalf("%s: %v", promql, err)
	}
	return r
}

// At is [Server.Query] at a time.
func (s *Server) At(promql string, at time.Time) Result {
	s.t.Helper()
	r, err := Ask(s.t.Context(), http.DefaultClient, s.URL, url.Values{"query": {promql}, "time": {seconds(at)}})
	if err != nil {
		s.t.Fatalf("%s: %v", promql, err)
	}
	return r
}

// Await asks until the answer is as wanted, for a minute at most.
func (s *Server) Await(promql string, wanted func(Result) bool) Result {
	s.t.Helper()
	return Eventually(s.t, promql, func() (Result, bool) {
		r := s.Query(promql)
		return r, wanted(r)
	})
}

// Eventually tries until it works, for a minute at most.
func Eventually[T any](t testing.TB, what string, try func() (T, bool)) T {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(30 * time.Millisecond) {
		got, ok := try()
		if ok {
			return got
		}
		if time.Since(begin) > time.Minute {
			t.Fatalf("%s: after a minute still %+v", what, got)
		}
	}
}

// Ask sends an instant query with GET, or a range query when there is a start,
// to the API at that URL.
func Ask(ctx context.Context, client *http.Client, address string, form url.Values) (Result, error) {
	path := "/api/v1/query"
	if form.Has("start") {
		path = "/api/v1/query_range"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+path+"?"+form.Encode(), nil)
	if err != nil {
		return Result{}, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return Result{}, err
	}
	defer answer.Body.Close()
	var body struct {
		Status   string
		Error    string
		Data     data
		Warnings []string
		Infos    []string
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		return Result{}, fmt.Errorf("%s: %w", answer.Status, err)
	}
	if body.Status != "success" {
		return Result{}, errors.New(answer.Status + ": " + body.Error)
	}
	r := Result{Type: body.Data.ResultType, Warnings: body.Warnings, Infos: body.Infos}
	r.Series, err = body.Data.series()
	return r, err
}

// data is the part of an answer that depends on its type.
type data struct {
	ResultType string          `json:"resultType"`
	Result     json.RawMessage `json:"result"`
}

// element is a series on the wire. A pair is [1700000000.123, "1.5"].
type element struct {
	Metric     Labels              `json:"metric"`
	Value      []json.RawMessage   `json:"value,omitempty"`
	Values     [][]json.RawMessage `json:"values,omitempty"`
	Histogram  []json.RawMessage   `json:"histogram,omitempty"`
	Histograms [][]json.RawMessage `json:"histograms,omitempty"`
}

func (d data) series() ([]Series, error) {
	if d.ResultType == "scalar" || d.ResultType == "string" {
		var pair []json.RawMessage
		if err := json.Unmarshal(d.Result, &pair); err != nil {
			return nil, err
		}
		p, err := point(pair)
		return []Series{{Points: []Point{p}}}, err
	}
	var elements []element
	if err := json.Unmarshal(d.Result, &elements); err != nil {
		return nil, err
	}
	var all []Series
	for _, e := range elements {
		s := Series{Labels: e.Metric}
		plain, native := e.Values, e.Histograms
		if e.Value != nil {
			plain = append(plain, e.Value)
		}
		if e.Histogram != nil {
			native = append(native, e.Histogram)
		}
		s.Histograms = len(native)
		for _, pair := range append(plain, native...) {
			p, err := point(pair)
			if err != nil {
				return nil, err
			}
			s.Points = append(s.Points, p)
		}
		all = append(all, s)
	}
	return all, nil
}

func point(pair []json.RawMessage) (Point, error) {
	if len(pair) != 2 {
		return Point{}, fmt.Errorf("%d elements instead of a time and a value", len(pair))
	}
	at, err := strconv.ParseFloat(string(pair[0]), 64)
	if err != nil {
		return Point{}, err
	}
	var text string
	if json.Unmarshal(pair[1], &text) != nil {
		var histogram struct {
			Count string `json:"count"`
		}
		if err := json.Unmarshal(pair[1], &histogram); err != nil {
			return Point{}, err
		}
		text = histogram.Count
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return Point{Time: at}, nil // the text of a string
	}
	return Point{Time: at, Value: v}, nil
}

// seconds writes a time as the API wants it.
func seconds(at time.Time) string {
	return strconv.FormatFloat(float64(at.UnixMilli())/1000, 'f', 3, 64)
}
