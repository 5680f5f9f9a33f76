package analysis

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// selectorsIn lists the matchers of every selector of a query, each sorted and without what is in others.
func selectorsIn(t *testing.T, query string, others []*labels.Matcher) [][]string {
	t.Helper()
	expr, err := parse(query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	var out [][]string
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		var own []string
		for _, m := range s.LabelMatchers {
			if !slices.ContainsFunc(others, func(o *labels.Matcher) bool { return same(o, m) }) {
				own = append(own, m.String())
			}
		}
		slices.Sort(own)
		out = append(out, own)
		return nil
	})
	return out
}

// plausible names are not empty, and text: Kubernetes has no others.
func plausible(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return name == "" || !utf8.ValidString(name) })
}

// Matchers are added to every selector of any query; what it had before it keeps, and adding them again changes nothing.
func FuzzInject(f *testing.F) {
	for _, query := range []string{
		`up`, `sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))`, `{__name__="a"}`, `{"a.b","c d"="e"}`,
		`{__name__=~"a|b",pod="x"}`, `a offset -5m`, `a @ 1700000000`, `a @ end()`, `max_over_time(a[5m:30s])`, `a{b="c\"\\\n"}`, "a{b=`c`}",
		`a{pod=~"p-(a|b)"}`, `a{namespace="shop"}`, `a{namespace!="shop",pod!~"p.*"}`, `a + on (pod) group_left (x) b`, `absent(a{b="c"})`,
		`a <= bool 1`, `1 + 1`, `time()`, `vector(1)`, `label_replace(a, "pod", "$1", "x", "(.*)")`, `-a^2`, `count_values("le", a)`,
		`quantile by (pod) (0.5, a)`, `a unless b or c and d`, `histogram_quantile(0.9, sum by (le) (rate(a_bucket[1m])))`, `a # {b="c"}`,
		`(((a)))`, `a{}[5m]`, `topk(3, a)`, `a offset 1h @ 100`, `sum without (pod) (a)`, "a\n+\nb", `info(a)`, `a{b=""}`, `a[5m] offset 1m`,
	} {
		f.Add(query, "shop", "p-a", "p-b")
	}
	f.Fuzz(func(t *testing.T, query, namespace, one, two string) {
		if _, err := parse(query); err != nil || namespace == "" || !plausible(one, two) {
			return
		}
		matchers := Naming{Pod: "pod", Namespace: "namespace"}.matchers(namespace, []string{one, two})
		once, err := inject(query, matchers)
		if err != nil {
			t.Fatalf("%q: %v", query, err)
		}
		if twice, err := inject(once, matchers); err != nil || twice != once {
			t.Fatalf("%q became %q and then %q, %v", query, once, twice, err)
		}
		before, after := selectorsIn(t, query, matchers), selectorsIn(t, once, matchers)
		if !slices.EqualFunc(before, after, func(a, b []string) bool { return slices.Equal(a, b) }) {
			t.Fatalf("%q became %q: the selectors were %q and are %q", query, once, before, after)
		}
		expr, _ := parse(once)
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if s, ok := node.(*parser.VectorSelector); ok {
				for _, m := range matchers {
					if !slices.ContainsFunc(s.LabelMatchers, func(own *labels.Matcher) bool { return same(own, m) }) {
						t.Fatalf("%q became %q: a selector lacks %s", query, once, m)
					}
				}
			}
			return nil
		})
		// Taken out again, it is the query that it was.
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if s, ok := node.(*parser.VectorSelector); ok {
				s.LabelMatchers = slices.DeleteFunc(s.LabelMatchers, func(own *labels.Matcher) bool {
					return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return same(own, m) })
				})
			}
			return nil
		})
		original, _ := parse(query)
		parser.Inspect(original, func(node parser.Node, _ []parser.Node) error {
			if s, ok := node.(*parser.VectorSelector); ok {
				s.LabelMatchers = slices.DeleteFunc(s.LabelMatchers, func(own *labels.Matcher) bool {
					return slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return same(own, m) })
				})
			}
			return nil
		})
		if expr.String() != original.String() {
			t.Fatalf("%q became %q, which is something else: %q, not %q", query, once, expr, original)
		}
	})
}

// A value in quotes is that value, whatever it is and whichever quotes they are; after =~ only itself matches.
func FuzzExpand(f *testing.F) {
	for _, value := range []string{
		"shop", "a.b", `a"b`, `a'b`, "a`b", `a\b`, `\`, `"`, "a\nb", "a\tb", "äöü", "☃", "a\x00b", "\xff", `${namespace}`, `$${x}`, `a|b`, `.*`,
		`[a`, `(`, `}`, `{`, `#`, `\d`, `\Q`, "a\u2028b", "%d", `\u0041`, `\x41`, `\101`, " a ",
	} {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if value == "" {
			return
		}
		vars := Vars{Namespace: value, Custom: map[string]string{"v": value}}
		for _, quote := range []string{`"`, `'`, "`"} {
			for _, op := range []string{"=", "!=", "=~", "!~", " =~ "} {
				for _, name := range []string{"namespace", "vars.v"} {
					text := "x{a" + op + quote + "${" + name + "}" + quote + `,b="c"} + y{a` + op + quote + "${" + name + "}" + quote + "}"
					query, err := vars.Expand(text)
					if err != nil {
						if quote == "`" && strings.Contains(value, "`") {
							continue // nothing can be escaped there
						}
						t.Fatalf("%s with %q: %v", text, value, err)
					}
					expr, err := parse(query)
					if err != nil && !utf8.ValidString(value) {
						continue // neither a pattern nor a raw string can hold it
					}
					if err != nil {
						t.Fatalf("%s with %q became %s: %v", text, value, query, err)
					}
					selectors := 0
					parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
						if s, ok := node.(*parser.VectorSelector); ok {
							selectors++
							only(t, s, op, value, query)
						}
						return nil
					})
					if selectors != 2 {
						t.Fatalf("%q became %s", value, query)
					}
				}
			}
		}
		if _, err := vars.Expand("${namespace}"); err == nil {
			t.Fatal("a value stands outside of quotes")
		}
	})
}

// only checks that the matcher for a matches the value and nothing near it.
func only(t *testing.T, s *parser.VectorSelector, op, value, query string) {
	t.Helper()
	for _, m := range s.LabelMatchers {
		if m.Name != "a" {
			continue
		}
		positive := m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp
		for _, other := range []string{value, value + "x", "x" + value, "", strings.ToUpper(value) + "é"} {
			if m.Matches(other) != (positive == (other == value)) {
				t.Fatalf("%s (%s): %s matches %q: %t", query, op, m, other, m.Matches(other))
			}
		}
		return
	}
	t.Fatalf("%s has lost a matcher", query)
}

// The pattern of some names matches these and nothing else.
func FuzzPodPattern(f *testing.F) {
	f.Add("web-5d4f-abcde", "web-5d4f-fghij", "web-77-x")
	f.Add("a", "b", "a-b")
	f.Add("web-0", "web-1", "web-10")
	f.Add("a.b-c", "a.b-d", "axb-c")
	f.Add("-", "--", "a-")
	f.Add("(", "|", "[")
	f.Add("a|b", "a-b|c", "a-(b)")
	f.Add("a-b", "a-b", "a-b")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if !plausible(a, b, c) {
			return
		}
		names := []string{a, b}
		m, err := labels.NewMatcher(labels.MatchRegexp, "pod", podPattern(names))
		if err != nil {
			t.Fatalf("%q: %v", names, err)
		}
		for _, other := range []string{a, b, c, a + b, a + c, "x" + a, a + "x", "", a[:len(a)-1], b[1:], a + "|" + b, podPattern(names)} {
			if m.Matches(other) != slices.Contains(names, other) {
				t.Fatalf("%s matches %q: %t, and the names are %q", m, other, m.Matches(other), names)
			}
		}
		if again := podPattern([]string{b, a, b}); again != podPattern(names) {
			t.Fatalf("in another order %q is %q", podPattern(names), again)
		}
	})
}

// What asks for counts can be parsed, printed and asked, whatever the selectors are.
func FuzzCounts(f *testing.F) {
	for _, text := range []string{
		`http_requests_total`, `http_requests_total{code=~"5.."}`, `{__name__="a"}`, `{__name__=~"a|b"}`, `{"a.b"}`, `( a )`, `a # comment`,
		`a{b="${namespace}"}`, `a{b="}"}`, "a{\n}", `a{le="1"}`, `a{__name__!="b"}`, `a{b=~".*"}`, `rate(a[5m])`, `a offset 5m`,
	} {
		f.Add(text, "container", 0.5)
	}
	f.Fuzz(func(t *testing.T, text, label string, over float64) {
		vars := Vars{Namespace: "shop"}
		for _, c := range []Counts{{Bad: text, Total: text}, {Good: text, Total: text}, {Histogram: text, Over: over}, {Histogram: text, Over: over, Native: true}} {
			for _, matchers := range [][]*labels.Matcher{nil, usualNaming.matchers("shop", []string{"a-b", "a-c"})} {
				raw, err := c.raw(vars, matchers, []string{"pod", label})
				if err != nil {
					continue
				}
				// What can be asked with a plain look can also be asked over time.
				increase, err := c.increase(vars, matchers, []string{"pod", label}, "60s")
				if err != nil {
					t.Fatalf("%q: %s, but %v", text, raw, err)
				}
				for _, query := range []string{raw, increase} {
					expr, err := parse(query)
					if err != nil {
						t.Fatalf("%q became %s: %v", text, query, err)
					}
					if again, err := parse(expr.String()); err != nil || again.String() != expr.String() {
						t.Fatalf("%q became %s, which is not what is printed of it", text, query)
					}
				}
			}
		}
	})
}

// Durations are printed so that PromQL reads the same.
func FuzzDurations(f *testing.F) {
	for _, d := range []time.Duration{time.Millisecond, 1500 * time.Millisecond, time.Second, 5 * time.Minute, 25 * time.Hour, 8 * 24 * time.Hour, 400 * 24 * time.Hour} {
		f.Add(int64(d))
	}
	f.Fuzz(func(t *testing.T, n int64) {
		d := time.Duration(n)
		if d < time.Millisecond || d > 100*365*24*time.Hour {
			return
		}
		query, err := (Vars{Window: d}).Expand("rate(x[${window}])")
		if err != nil {
			t.Fatal(err)
		}
		expr, err := parse(query)
		if err != nil {
			t.Fatalf("%s became %s: %v", d, query, err)
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if m, ok := node.(*parser.MatrixSelector); ok && (m.Range-d).Abs() > 2*time.Millisecond {
				t.Fatalf("%s became %s", d, m.Range)
			}
			return nil
		})
	})
}
