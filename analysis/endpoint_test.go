package analysis

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Variables lead nowhere else, whatever they hold.
func TestEndpointRequest(t *testing.T) {
	vars := Placeholders()
	vars.Custom = map[string]string{"odd": `a/b?c=d&e#f"g`, "said": `say "hi"`, "base": "https://base.example/p"}
	vars.Env = map[string]string{"TOKEN": "to&ken"}
	for name, tt := range map[string]struct {
		in      Endpoint
		address string
		body    string
		secrets []string
	}{
		"host":          {Endpoint{URL: "http://${service}.${namespace}.svc:8080/h"}, "http://service.namespace.svc:8080/h", "", nil},
		"path":          {Endpoint{URL: "http://a.example/${vars.odd}/h"}, "http://a.example/a%2Fb%3Fc=d&e%23f%22g/h", "", nil},
		"parameter":     {Endpoint{URL: "http://a.example/h?x=${vars.odd}&t=${env.TOKEN}"}, "http://a.example/h?x=a%2Fb%3Fc%3Dd%26e%23f%22g&t=to%26ken", "", []string{"to&ken"}},
		"the beginning": {Endpoint{URL: "${vars.base}/h/${vars.odd}"}, "https://base.example/p/h/a%2Fb%3Fc=d&e%23f%22g", "", nil},
		"a Service":     {Endpoint{Service: "shop/web:80", Path: "/h/${workload}?x=${image}"}, "/h/workload?x=image%3Atag", "", nil},
		"a body":        {Endpoint{URL: "http://a.example", Body: `{"q": "${vars.odd}", "keep": "$${x}"}`}, "http://a.example", `{"q": "a/b?c=d\u0026e#f\"g", "keep": "${x}"}`, nil},
		"a quote last":  {Endpoint{URL: "http://a.example", Body: `{"q": "${vars.said}"}`}, "http://a.example", `{"q": "say \"hi\""}`, nil},
		"times":         {Endpoint{URL: "http://a.example/h?w=${window}&s=${rolloutStart}"}, "http://a.example/h?w=5m&s=1700000000", "", nil},
	} {
		r, err := tt.in.request(vars)
		if err != nil || r.Address != tt.address || r.Body != tt.body || !slices.Equal(r.Secrets, tt.secrets) {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
	shown := (&Endpoint{Method: "GET", URL: "http://a.example/${namespace}?t=${env.TOKEN}", JSONPath: "{.a}"}).display(vars)
	if shown != "GET http://a.example/namespace?t=${env.TOKEN} {.a}" {
		t.Errorf("shown as %s", shown)
	}
}

func TestEndpointAnswer(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for name, tt := range map[string]struct {
		path, reduce, body string
		want               []float64
		fails              string
	}{
		"a number":                   {"{.queue.depth}", "", `{"queue":{"depth":12.5}}`, []float64{12.5}, ""},
		"by the standard's path":     {"$.queue.depth", "", `{"queue":{"depth":1}}`, []float64{1}, ""},
		"without braces":             {".queue.depth", "", `{"queue":{"depth":1}}`, []float64{1}, ""},
		"a name alone":               {"depth", "", `{"depth":1}`, []float64{1}, ""},
		"an element":                 {"{[1]}", "", `[4, 5]`, []float64{5}, ""},
		"a key with dots":            {"{.labels['a.b']}", "", `{"labels":{"a.b":3}}`, []float64{3}, ""},
		"by a condition":             {`{.items[?(@.name=="b")].value}`, "", `{"items":[{"name":"a","value":1},{"name":"b","value":2}]}`, []float64{2}, ""},
		"a text that is a number":    {"{.v}", "", `{"v":" 1.5e3 "}`, []float64{1500}, ""},
		"a text that is none":        {"{.v}", "", `{"v":"secret"}`, nil, "the value is a text, not a number"},
		"a hexadecimal text":         {"{.v}", "", `{"v":"0x10"}`, nil, "a text, not a number"},
		"true":                       {"{.v}", "", `{"v":true}`, []float64{1}, ""},
		"false":                      {"{.v}", "", `{"v":false}`, []float64{0}, ""},
		"null":                       {"{.v}", "", `{"v":null}`, nil, ""},
		"NaN as a text":              {"{.v}", "", `{"v":"NaN"}`, []float64{nan}, ""},
		"more than a float holds":    {"{.v}", "", `{"v":"1e999"}`, []float64{inf}, ""},
		"an object":                  {"{.v}", "", `{"v":{"w":1}}`, nil, "the value is an object"},
		"a list":                     {"{.v}", "", `{"v":[1]}`, nil, "the value is a list"},
		"nothing":                    {"{.other}", "", `{"v":1}`, nil, ""},
		"several":                    {"{.v[*]}", "", `{"v":[1,2,3]}`, nil, "the path finds 3 values"},
		"the highest of several":     {"{.v[*]}", "max", `{"v":[1,3,2]}`, []float64{3}, ""},
		"the lowest of several":      {"{.v[*]}", "min", `{"v":[2,1,3]}`, []float64{1}, ""},
		"the sum of several":         {"{.v[*]}", "sum", `{"v":[2,1,3]}`, []float64{6}, ""},
		"the mean of several":        {"{..n}", "avg", `{"a":{"n":1},"b":{"n":3}}`, []float64{2}, ""},
		"all of them null":           {"{.v[*]}", "max", `{"v":[null,null]}`, nil, ""},
		"no path, a number":          {"", "", " 42\n", []float64{42}, ""},
		"no path, a word":            {"", "", "true", []float64{1}, ""},
		"no path, a quoted number":   {"", "", `"7"`, []float64{7}, ""},
		"no path, NaN":               {"", "", "NaN", []float64{nan}, ""},
		"no path, an object":         {"", "", `{"v":1}`, nil, "an object, not a number"},
		"a mark of the byte order":   {"{.v}", "", "\ufeff{\"v\":1}", []float64{1}, ""},
		"no JSON":                    {"{.v}", "", `ok`, nil, "the answer is not JSON"},
		"more than one document":     {"{.v}", "", `{"v":1}{"v":2}`, nil, "the answer is not JSON"},
		"cut off":                    {"{.v}", "", `{"v":1`, nil, "the answer is not JSON"},
		"a web page":                 {"{.v}", "", `<html>login</html>`, nil, "the answer is a web page"},
		"an empty answer":            {"{.v}", "", ``, nil, "the answer is empty"},
		"a number of twenty digits":  {"{.v}", "", `{"v":12345678901234567890}`, []float64{12345678901234567890}, ""},
		"a key that is there, empty": {"{.v}", "", `{"v":""}`, nil, "a text, not a number"},
	} {
		e := Endpoint{JSONPath: tt.path, Reduce: tt.reduce}
		a, err := e.read(Response{Status: 200, Body: []byte(tt.body)})
		var got []float64
		for _, s := range a.Samples {
			got = append(got, s.Value)
		}
		same := slices.EqualFunc(got, tt.want, func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
		if !same || (err == nil) != (tt.fails == "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the value is repeated: %v", name, err)
		}
	}
	a, err := (&Endpoint{Value: EndpointStatus}).read(Response{Status: 503})
	if err != nil || a.Samples[0].Value != 503 {
		t.Errorf("a status: %+v, %v", a, err)
	}
}

// fetcher answers the n-th question with the n-th of its answers, and with the last one from then on.
type fetcher struct {
	answers []any // a text or an error
	asked   []Request
}

func (f *fetcher) Fetch(_ context.Context, r Request) (Response, error) {
	f.asked = append(f.asked, r)
	switch a := f.answers[min(len(f.asked), len(f.answers))-1].(type) {
	case error:
		return Response{}, a
	case string:
		return Response{Status: 200, Body: []byte(a)}, nil
	}
	panic("neither a text nor an error")
}

func TestEndpointIsJudged(t *testing.T) {
	down := &QueryError{Kind: Unreachable, Source: "the endpoint", Text: "503 Service Unavailable"}
	wrong := &QueryError{Kind: Unreadable, Source: "the endpoint", Text: "404 Not Found"}
	const good, bad, none = `{"d":5}`, `{"d":50}`, `{}`
	for name, tt := range map[string]struct {
		keys    string
		answers []any
		want    Verdict
		reason  string
		looks   int
	}{
		"good":                  {"", []any{good}, Pass, "5 (limit <= 10)", 5},
		"bad":                   {"", []any{good, bad, bad}, Fail, "50 (limit <= 10) for 2 samples in a row", 3},
		"bad at once":           {", for: 1", []any{bad}, Fail, "50 (limit <= 10)", 1},
		"a blip":                {"", []any{good, bad, good}, Pass, "", 5},
		"nothing":               {"", []any{none}, Inconclusive, "the path {.d} finds nothing in the answer", 5},
		"nothing is good":       {", noData: pass", []any{none}, Pass, "", 5},
		"nothing is bad":        {", noData: fail", []any{none}, Fail, "the path {.d} finds nothing", 2},
		"nothing is zero":       {", noData: zero", []any{none}, Pass, "0 (limit <= 10)", 5},
		"down":                  {"", []any{down}, Error, "no usable answer for", 3},
		"down for a moment":     {"", []any{good, down, good}, Pass, "", 5},
		"down at the end":       {"", []any{good, good, good, good, down}, Error, "503 Service Unavailable", 7},
		"wrong path":            {"", []any{wrong}, Error, "404 Not Found", 3},
		"not to be measured by": {", enforce: false", []any{bad}, Fail, "", 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			criteria, err := readCriteria(t, "- {name: c, http: {url: 'http://a.example/h', jsonpath: '{.d}'}, max: 10"+tt.keys+"}")
			if err != nil {
				t.Fatal(err)
			}
			f := &fetcher{answers: tt.answers}
			timing := Timing{Settle: 0, Window: time.Minute, Interval: 15 * time.Second, MaxOutage: 30 * time.Second}
			r := Session{Fetcher: f, Criteria: criteria, Timing: timing, Vars: func() Vars { return Vars{Namespace: "shop"} }}.Run(t.Context())[0]
			if r.Verdict != tt.want || !strings.Contains(r.Reason, tt.reason) || len(f.asked) != tt.looks {
				t.Errorf("%s: %s (%s) after %d looks, want %s (%s) after %d", name, r.Verdict, r.Reason, len(f.asked), tt.want, tt.reason, tt.looks)
			}
			if r.Query != "GET http://a.example/h {.d}" {
				t.Errorf("%s: the query is %q", name, r.Query)
			}
		})
	}
}

// What an endpoint says of the running version, and what follows.
func TestEndpointPreflight(t *testing.T) {
	down := &QueryError{Kind: Unreachable, Source: "the endpoint", Text: "connection refused"}
	absent := &QueryError{Kind: Absent, Source: "the endpoint", Text: "404 Not Found"}
	wrong := &QueryError{Kind: Unreadable, Source: "the endpoint", Text: "400 Bad Request"}
	for name, tt := range map[string]struct {
		answers []any
		first   bool // release
		state   State
		refused string
	}{
		"good":                          {[]any{`{"d":5}`}, false, OK, ""},
		"bad":                           {[]any{`{"d":50}`}, false, Breach, "does not hold for the running version: 50 against <= 10"},
		"nothing":                       {[]any{`{}`}, false, NoData, "has no data about the running version: the path {.d} finds nothing"},
		"down":                          {[]any{down}, false, NoData, "has no data about the running version: unreachable: connection refused"},
		"down for a moment":             {[]any{down, `{"d":5}`}, false, OK, ""},
		"wrong":                         {[]any{wrong}, false, Failed, "cannot be asked: unreadable: 400"},
		"down before a first release":   {[]any{down}, true, NoData, ""},
		"absent":                        {[]any{absent}, false, NoData, "absent: 404 Not Found"},
		"absent before a first release": {[]any{absent}, true, NoData, ""},
		"wrong before a first release":  {[]any{wrong}, true, Failed, "cannot be asked"},
		"bad before a first release":    {[]any{`{"d":50}`}, true, Breach, "does not hold"},
	} {
		synctest.Test(t, func(t *testing.T) {
			criteria, err := readCriteria(t, "- {name: c, http: {url: 'http://a.example/h', jsonpath: '{.d}'}, max: 10}")
			if err != nil {
				t.Fatal(err)
			}
			s := Session{Fetcher: &fetcher{answers: tt.answers}, Criteria: criteria, Timing: DefaultTiming(), Vars: func() Vars { return Vars{} }}
			if !tt.first {
				s.Pods = func() Pods { return Pods{Old: []Pod{{Name: "web-1"}}} }
			}
			facts, err := s.Preflight(t.Context())
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			err = facts.Refusal(criteria, s.Timing, tt.first)
			if facts.Criteria[0].State != tt.state || (err == nil) != (tt.refused == "") || err != nil && !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: %+v, %v", name, facts.Criteria[0], err)
			}
		})
	}
}

// After an undo an endpoint is asked at once, and a report draws what was measured.
func TestEndpointAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		criteria, err := readCriteria(t, "- {name: c, http: {url: 'http://a.example/h', jsonpath: '{.d}'}, baseline: before}")
		if err != nil {
			t.Fatal(err)
		}
		f := &fetcher{answers: []any{`{"d":8}`, `{"d":50}`, `{"d":50}`, errors.New("gone"), `{"d":8}`}}
		s := Session{Fetcher: f, Criteria: criteria, Timing: Timing{Window: time.Minute, Interval: 15 * time.Second}, Vars: func() Vars { return Vars{} }}
		if s.Facts, err = s.Preflight(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		results := s.Run(t.Context())
		if r := results[0]; r.Verdict != Fail || r.Limit != 10 {
			t.Errorf("%s (%s), limit %v", r.Verdict, r.Reason, r.Limit)
		}
		undone := time.Now()
		s.Recheck(t.Context(), results, undone, nil)
		if r := results[0]; r.Recovered == nil || !*r.Recovered || time.Since(undone) > 10*time.Second {
			t.Errorf("recovered: %v after %s", r.Recovered, time.Since(undone))
		}
		s.Plot(t.Context(), results, began)
		if len(results[0].Plot) != 2 {
			t.Errorf("the plot is %+v", results[0].Plot)
		}
		if replay := s.Backtest(t.Context(), time.Hour)[0]; replay.Problem == "" {
			t.Errorf("replayed as %+v", replay)
		}
	})
}

// Wrong credentials end a preflight, as those for Prometheus do, but not by a criterion that decides nothing.
func TestEndpointDenies(t *testing.T) {
	denied := &QueryError{Kind: Unauthorized, Source: "the endpoint", Text: "401 Unauthorized"}
	for keys, ends := range map[string]bool{"": true, ", enforce: false": false} {
		synctest.Test(t, func(t *testing.T) {
			criteria, err := readCriteria(t, "- {name: c, http: {url: 'http://a.example/h'}, max: 10"+keys+"}")
			if err != nil {
				t.Fatal(err)
			}
			s := Session{Fetcher: &fetcher{answers: []any{denied}}, Criteria: criteria, Timing: DefaultTiming(), Vars: func() Vars { return Vars{} }}
			facts, err := s.Preflight(t.Context())
			if errors.Is(err, denied) != ends || facts.Criteria[0].State != Failed {
				t.Errorf("%q: %+v, %v", keys, facts, err)
			}
		})
	}
}
