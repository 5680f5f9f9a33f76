package analysis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/theory/jsonpath"
)

// standardPath is a JSONPath of RFC 9535 for one as kubectl takes it: {.queue.depth} is $.queue.depth.
func standardPath(text string) string {
	text = strings.TrimSpace(text)
	if inner, ok := strings.CutPrefix(text, "{"); ok && strings.HasSuffix(inner, "}") {
		text = strings.TrimSpace(strings.TrimSuffix(inner, "}"))
	}
	switch {
	case strings.HasPrefix(text, "$"):
		return text
	case strings.HasPrefix(text, ".") || strings.HasPrefix(text, "["):
		return "$" + text
	}
	return "$." + text
}

// read takes the value out of an answer. An answer without a value, or with null, has no samples. The error is a
// *QueryError.
func (e *Endpoint) read(r Response) (Answer, error) {
	a := Answer{Kind: Vector}
	if e.Value == EndpointStatus {
		a.Samples = []Sample{{Value: float64(r.Status)}}
		return a, nil
	}
	document, err := e.decode(r.Body)
	if err != nil {
		return Answer{}, err
	}
	found := []any{document}
	if e.JSONPath != "" {
		path, err := jsonpath.Parse(standardPath(e.JSONPath))
		if err != nil {
			return Answer{}, e.unreadable("jsonpath is not a JSONPath", "")
		}
		found = path.Select(document)
	}
	for _, value := range found {
		if value == nil {
			continue
		}
		number, ok := numberIn(value)
		if !ok {
			return Answer{}, e.unreadable("the value is "+whatIs(value)+", not a number", "write a jsonpath that ends at a number, true or false, or a text that is a number")
		}
		a.Samples = append(a.Samples, Sample{Value: number})
	}
	return e.reduce(a)
}

// reduce makes one value of several.
func (e *Endpoint) reduce(a Answer) (Answer, error) {
	if len(a.Samples) < 2 {
		return a, nil
	}
	var values []float64
	for _, s := range a.Samples {
		values = append(values, s.Value)
	}
	var sum float64
	for _, v := range values {
		sum += v
	}
	var one float64
	switch e.Reduce {
	case "max":
		one = slices.Max(values)
	case "min":
		one = slices.Min(values)
	case "sum":
		one = sum
	case "avg":
		one = sum / float64(len(values))
	default:
		return Answer{}, e.unreadable(fmt.Sprintf("the path finds %d values", len(values)), "write a path that finds one, or what to make of them: reduce: max, min, sum or avg")
	}
	a.Samples = []Sample{{Value: one}}
	return a, nil
}

// decode reads JSON, one value with nothing after it. Without a path, a body may also be a plain number or word, which is
// no JSON where it is written as NaN or Inf.
func (e *Endpoint) decode(body []byte) (any, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if len(body) == 0 {
		return nil, e.unreadable("the answer is empty", "")
	}
	var document any
	if err := json.Unmarshal(body, &document); err == nil {
		return document, nil
	}
	if v, err := strconv.ParseFloat(string(body), 64); e.JSONPath == "" && err == nil {
		return v, nil
	}
	if body[0] == '<' {
		return nil, e.unreadable("the answer is a web page", "a login page or a proxy may stand in front of the endpoint: use an address behind it, or send its credentials")
	}
	return nil, e.unreadable("the answer is not JSON", "check the url; an endpoint that answers something else can be asked for its status: value: status")
}

func (e *Endpoint) unreadable(text, hint string) error {
	return &QueryError{Kind: Unreadable, Source: "the endpoint", Text: text, Hint: hint}
}

// numberIn is the number that a value of JSON is: a number, a text that is one, or 1 for true and 0 for false.
func numberIn(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		text := strings.TrimSpace(v)
		f, err := strconv.ParseFloat(text, 64)
		if errors.Is(err, strconv.ErrRange) {
			err = nil // more than a float holds is infinite
		}
		return f, err == nil && !strings.ContainsAny(text, "xX_")
	}
	return math.NaN(), false
}

// whatIs names the kind of a value. What it holds is not repeated: it may be anything.
func whatIs(value any) string {
	switch value.(type) {
	case string:
		return "a text"
	case []any:
		return "a list"
	}
	return "an object"
}
