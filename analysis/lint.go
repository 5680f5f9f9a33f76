package analysis

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// Lint returns remarks about criteria that are valid and probably not what was meant, each an error with a hint. It
// asks nobody. The rules follow those of cloudflare/pint that need no server.
func Lint(criteria []Criterion, vars Vars) []error {
	var out []error
	for _, c := range criteria {
		if c.foreign() {
			out = append(out, &hinted{fmt.Sprintf("criterion %q: its query is %s, which is not checked offline", c.Name, c.Dialect), "'rolloutgate analyze' asks the server"})
			continue
		}
		if c.Counts != nil || c.Endpoint != nil {
			continue // rolloutgate wrote the query itself, or there is none
		}
		query, err := c.query(vars)
		if err != nil {
			continue
		}
		expr, err := parse(query)
		if err != nil {
			continue
		}
		parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
			if text, hint := remark(node); text != "" {
				out = append(out, &hinted{fmt.Sprintf("criterion %q: %s", c.Name, text), hint})
			}
			return nil
		})
	}
	return out
}

// counterSuffixes end the names of counters by convention, and of the parts of histograms.
var counterSuffixes = []string{"_total", "_count", "_sum", "_bucket"}

// shortestRate is the shortest range that holds four scrapes at the usual 15 seconds.
const shortestRate = leastScrapes * leastInterval

func remark(node parser.Node) (text, hint string) {
	switch n := node.(type) {
	case *parser.Call:
		if n.Func.Name != "rate" && n.Func.Name != "irate" && n.Func.Name != "increase" || len(n.Args) != 1 {
			return "", ""
		}
		m, ok := n.Args[0].(*parser.MatrixSelector)
		if !ok {
			return "", ""
		}
		s, ok := m.VectorSelector.(*parser.VectorSelector)
		if ok && s.Name != "" && !hasSuffix(s.Name, counterSuffixes) {
			return fmt.Sprintf("%s() of %s, which is not named like a counter", n.Func.Name, s.Name), "rates of gauges mean nothing: use delta() or deriv(), or avg_over_time()"
		}
		if m.Range < shortestRate && n.Func.Name != "irate" {
			return fmt.Sprintf("%s() over %s holds fewer than %d scrapes at the usual interval of %s", n.Func.Name, time.Duration(m.Range), leastScrapes, leastInterval),
				"write [${window}], or four times the scrape interval"
		}
	case *parser.BinaryExpr:
		if call, ok := unwrap(n.RHS).(*parser.Call); ok && n.Op == parser.LOR && call.Func.Name == "vector" {
			return fmt.Sprintf("%q also answers when nothing is scraped any more", "or "+call.String()), "remove it and say what no data means: noData: zero, or count events with ratio"
		}
	}
	return "", ""
}

func hasSuffix(name string, suffixes []string) bool {
	for _, s := range suffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}
