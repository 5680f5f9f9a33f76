package analysis

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

func TestParseCheck(t *testing.T) {
	for text, want := range map[string]struct {
		query string
		op    Op
		limit Limit
	}{
		`up < 1`:                  {"up", Less, Limit{1, None}},
		`up <= 1`:                 {"up", LessEqual, Limit{1, None}},
		`up > 1`:                  {"up", Greater, Limit{1, None}},
		`up >= 1`:                 {"up", GreaterEqual, Limit{1, None}},
		`up == 1`:                 {"up", Equal, Limit{1, None}},
		`1 < up`:                  {"up", Greater, Limit{1, None}},
		`0.01 >= up`:              {"up", LessEqual, Limit{0.01, None}},
		`1 > up`:                  {"up", Less, Limit{1, None}},
		`1 <= up`:                 {"up", GreaterEqual, Limit{1, None}},
		`1 == up`:                 {"up", Equal, Limit{1, None}},
		`(up <= 1)`:               {"up", LessEqual, Limit{1, None}},
		`((up) <= ((1)))`:         {"(up)", LessEqual, Limit{1, None}},
		`up <= bool 1`:            {"up", LessEqual, Limit{1, None}},
		`scalar(up) <= 1`:         {"scalar(up)", LessEqual, Limit{1, None}},
		`scalar(up) <= bool 1`:    {"scalar(up)", LessEqual, Limit{1, None}},
		`1 >= time() - 5`:         {"time() - 5", LessEqual, Limit{1, None}},
		`up <= -1`:                {"up", LessEqual, Limit{-1, None}},
		`up <= 5 * 60`:            {"up", LessEqual, Limit{300, None}},
		`up <= (1 + 2^3 - 7%4)/2`: {"up", LessEqual, Limit{3, None}},
		`up <= 1e3`:               {"up", LessEqual, Limit{1000, None}},
		`up <= 0x10`:              {"up", LessEqual, Limit{16, None}},
		`up <= 1%`:                {"up", LessEqual, Limit{0.01, Percent}},
		`(up <= 2.5% )`:           {"up", LessEqual, Limit{0.025, Percent}},
		`up<=64Mi`:                {"up", LessEqual, Limit{64 << 20, Bytes}},
		`up <= 500ms`:             {"up", LessEqual, Limit{0.5, Seconds}},
		`up <= 2 * 1m`:            {"up", LessEqual, Limit{120, Seconds}},
		"sum(rate(a[1m]))\n  / sum(rate(b[1m]))\n  <= 0.01": {"sum(rate(a[1m]))\n  / sum(rate(b[1m]))", LessEqual, Limit{0.01, None}},
		`sum by (le) (x) # note` + "\n<= 3":                 {"sum by (le) (x)", LessEqual, Limit{3, None}},
		`sum(x) by (le) <= 3`:                               {"sum(x) by (le)", LessEqual, Limit{3, None}},
		`count(up == 0) == 0`:                               {"count(up == 0)", Equal, Limit{0, None}},
		`count(up == 0) or vector(0) + 1 == 0`:              {}, // precedence: the top is "or"
		`(count(up == 0) or vector(0)) == 0`:                {"(count(up == 0) or vector(0))", Equal, Limit{0, None}},
		`x offset 5m <= 3`:                                  {"x offset 5m", LessEqual, Limit{3, None}},
		`(0.1 <= bool x) <= 3`:                              {"(0.1 <= bool x)", LessEqual, Limit{3, None}},
		`max_over_time(x[5m:30s]) <= 3`:                     {"max_over_time(x[5m:30s])", LessEqual, Limit{3, None}},
		`{a="b <= 1"} > 3`:                                  {`{a="b <= 1"}`, Greater, Limit{3, None}},
		`x{ns="${namespace}"} > 3`:                          {`x{ns="shop"}`, Greater, Limit{3, None}},
	} {
		c, err := ParseCheck(text, Vars{Namespace: "shop"})
		if want.query == "" {
			if err == nil {
				t.Errorf("%s: no error, but %+v", text, c)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if asked(t, c) != want.query || c.Op != want.op || c.Limit != want.limit {
			t.Errorf("%s: got %q %s %+v, want %q %s %+v", text, c.Query, c.Op, c.Limit, want.query, want.op, want.limit)
		}
	}
}

// asked is the query that a criterion sends.
func asked(t *testing.T, c Criterion) string {
	query, err := c.query(Vars{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	return query
}

func TestParseCheckRefuses(t *testing.T) {
	for text, want := range map[string]string{
		``:                        "no expression found",
		`up`:                      "no comparison",
		`up + 1`:                  "no comparison",
		`sum(up <= 1)`:            "no comparison",
		`up != 1`:                 "!=",
		`a <= b`:                  "two queries",
		`1 <= bool 2`:             "two constants",
		`1 <= 2`:                  "two constants",
		`a <= 1 and b <= 1`:       `"and"`,
		`a <= 1 or b <= 1`:        `"or"`,
		`a <= 1 unless b`:         `"unless"`,
		`0.1 <= a <= 0.5`:         "more than once",
		`a <= Inf`:                "finite",
		`a <= NaN`:                "finite",
		`a <= 1/0`:                "finite",
		`a[5m] <= 1`:              "parse error",
		`a <= "x"`:                "parse error",
		`a <= 1 percent`:          "parse error",
		`a <=`:                    "parse error",
		`a{x="${worker}"} <= 1`:   "unknown variable",
		`a{x="${namespac}"} <= 1`: "did you mean ${namespace}",
		`a{x="${window}"} <= 1`:   "no value",
		`a{x="${namespace`:        "not closed",
		`${namespace} <= 1`:       "outside of quotes",
	} {
		_, err := ParseCheck(text, Vars{Namespace: "shop"})
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		if !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "reading check ") {
			t.Errorf("%s: error %q does not mention %q", text, err, want)
		}
		if want != "no value" && !strings.Contains(err.Error(), "\n  hint: ") {
			t.Errorf("%s: error %q has no hint", text, err)
		}
	}
}

// A name stands before a colon and a space, and the query begins where what follows can be read.
func TestParseChecks(t *testing.T) {
	for name, tt := range map[string]struct {
		texts []string
		want  string // names and queries
		fault string
	}{
		"a name":                        {[]string{`errors: sum(rate(x[1m])) <= 0.01`}, "errors|sum(rate(x[1m]))", ""},
		"none":                          {[]string{`up == 1`, `1 <= up`}, "check-1|up check-2|up", ""},
		"one of two":                    {[]string{`a: up == 1`, `up == 1`}, "a|up check-2|up", ""},
		"words":                         {[]string{`5xx of the shop, in %: up <= 1%`}, "5xx of the shop, in %|up", ""},
		"a name with a colon":           {[]string{`shop:errors: up <= 1`}, "shop:errors|up", ""},
		"a name with a colon and space": {[]string{`shop: errors: up <= 1`}, "shop: errors|up", ""},
		"a recording rule":              {[]string{`job:errors:rate5m <= 1`}, "check-1|job:errors:rate5m", ""},
		"a name and a recording rule":   {[]string{`errors: job:errors:rate5m <= 1`}, "errors|job:errors:rate5m", ""},
		"a colon in a label":            {[]string{`up{instance="a: b"} <= 1`}, `check-1|up{instance="a: b"}`, ""},
		"a subquery":                    {[]string{`max_over_time(up[5m: 1m]) <= 1`}, "check-1|max_over_time(up[5m: 1m])", ""},
		"a variable":                    {[]string{`queue: max(q{ns="${namespace}",x="$${"}) <= 5`}, `queue|max(q{ns="${namespace}",x="$${"})`, ""},
		"a limit first, and variables":  {[]string{`5 >= rate(q{ns="${namespace}"}[${window}])`}, `check-1|rate(q{ns="${namespace}"}[${window}])`, ""},
		"the same name twice":           {[]string{`a: up == 1`, `a: up == 0`}, "", `the name "a" is taken`},
		"the name of another":           {[]string{`taken: up == 1`}, "", `the name "taken" is taken`},
		"a number that is taken":        {[]string{`up == 1`, `check-1: up == 1`}, "check-1-2|up check-1|up", ""},
		"a mistake after a name":        {[]string{`errors: sum(up) + 1`}, "", "no comparison with a limit"},
		"no query":                      {[]string{`errors:`}, "", "no comparison"},
	} {
		got, err := ParseChecks(tt.texts, Vars{Namespace: "shop", Window: time.Minute}, []Criterion{{Name: "taken"}})
		if tt.fault != "" {
			if err == nil || !strings.Contains(err.Error(), tt.fault) || !strings.Contains(err.Error(), "\n  hint: ") {
				t.Errorf("%s: %v does not say %q and a hint", name, err, tt.fault)
			}
			continue
		}
		var parts []string
		for _, c := range got {
			parts = append(parts, c.Name+"|"+c.Query)
		}
		if joined := strings.Join(parts, " "); err != nil || joined != tt.want {
			t.Errorf("%s: got %s (%v), want %s", name, joined, err, tt.want)
		}
	}
}

// What was split means the same when it is put together again.
func FuzzParseCheck(f *testing.F) {
	for _, seed := range []string{
		`sum(rate(a{b="c"}[1m])) <= 0.01`, `0.01 >= a`, `(a) < bool 1%`, `a == -5*60`, `scalar(a) > 1h`,
		`a or b <= 1`, `1 <= a <= 2`, "a # <= 3\n <= 3", `a{x=~"${namespace}.*"} > 64Mi`, `-a ^ 2 <= 1`, `((a<=1)`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCheck(text, Vars{Namespace: "n"})
		if err != nil {
			return
		}
		if math.IsNaN(c.Limit.Value) || math.IsInf(c.Limit.Value, 0) {
			t.Fatalf("%q: limit %v", text, c.Limit)
		}
		if _, known := c.Op.holds(0, 0); !known {
			t.Fatalf("%q: operator %q", text, c.Op)
		}
		asked, err := c.query(Vars{Namespace: "n"})
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		expr, err := parser.ParseExpr(asked)
		if err != nil {
			t.Fatalf("%q: query %q: %v", text, asked, err)
		}
		query, op, limit, err := Vars{}.split("(" + strings.ReplaceAll(asked, "${", "$${") + "\n) " + string(c.Op) + " " + None.Exact(c.Limit.Value))
		if err != nil {
			t.Fatalf("%q: put together again: %v", text, err)
		}
		again, err := parser.ParseExpr(query)
		if err != nil || unwrap(again).String() != unwrap(expr).String() || op != c.Op || limit.Value != c.Limit.Value {
			t.Fatalf("%q: got %q %s %v after %q %s %v (%v)", text, query, op, limit, asked, c.Op, c.Limit, err)
		}
	})
}
