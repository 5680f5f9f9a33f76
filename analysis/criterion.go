package analysis

import (
	"math"
	"strings"
)

// Op is the comparison that a good value meets, read as "value Op limit".
type Op string

// The comparisons that a criterion can state. There is no "!=": almost every
// float differs from any limit, so it would pass by accident.
const (
	Less         Op = "<"
	LessEqual    Op = "<="
	Greater      Op = ">"
	GreaterEqual Op = ">="
	Equal        Op = "=="
)

// holds says whether value meets limit. Without a known operator nothing is
// comparable, which known reports.
func (o Op) holds(value, limit float64) (met, known bool) {
	switch o {
	case Less:
		return value < limit, true
	case LessEqual:
		return value <= limit, true
	case Greater:
		return value > limit, true
	case GreaterEqual:
		return value >= limit, true
	case Equal:
		return value == limit, true
	}
	return false, false
}

// flipped is the operator for swapped sides: "1 >= q" is "q <= 1".
func (o Op) flipped() Op {
	switch o {
	case Less:
		return Greater
	case LessEqual:
		return GreaterEqual
	case Greater:
		return Less
	case GreaterEqual:
		return LessEqual
	}
	return o
}

// Criterion is one question about the rollout. [Spec.Compile] and [ParseCheck] make valid ones. It is about either a
// value (Query, or Endpoint) or counts of events (Counts): of so many events, so many were bad.
type Criterion struct {
	// Name identifies the criterion in reports.
	Name string
	// Type is the word that the configuration has for it: ratio, slow, slo, query, alerts or http.
	Type string

	// Query is PromQL for the value, with variables. A comparison is not part of it: it would hide a breach as an empty
	// answer.
	Query string
	// Dialect is the language of Query; "" is PromQL. Other languages are not read here, only sent.
	Dialect Dialect
	// Counts says how events are counted; nil for a value. Op is then LessEqual and Limit the share of bad events.
	Counts *Counts
	// Endpoint is where a value is found that Prometheus does not know; nil for all others. Query is then its text for
	// reports.
	Endpoint *Endpoint

	Op    Op
	Limit Limit
	// For is how many judged values in a row have to break the limit before the criterion fails. Zero stands for 2:
	// one bad answer may be a blip or a scrape that fell into the switch of versions. Counts are not judged so.
	For int
	// MinEvents is how many events a verdict at the end of the window takes; see [defaultMinEvents].
	MinEvents float64
	// NoData says what an empty answer to a value's query means; "" is NoDataInconclusive.
	NoData NoDataPolicy
	// Report is set when the criterion is measured and reported, but decides nothing (enforce: false).
	Report bool
	// EarlyPass lets counts pass before the end of the window; see [stats.EarlyPass].
	EarlyPass bool
	// Each are the labels by which the criterion is judged separately; the worst group decides.
	Each []string
	// Reduce makes one number of several series: max, min, sum or avg; "" expects one series.
	Reduce string
	Scope  Scope
	// Baseline is what the value is compared with instead of a limit; nil when there is a limit.
	Baseline *Baseline
}

// Dialect is a language that a server understands.
type Dialect string

// The dialects. MetricsQL is that of VictoriaMetrics: PromQL and more.
const (
	DialectPromQL    Dialect = "promql"
	DialectMetricsQL Dialect = "metricsql"
)

// foreign says whether the query is in a language that is not read here.
func (c Criterion) foreign() bool { return c.Dialect == DialectMetricsQL }

// NoDataPolicy says what an empty answer means.
type NoDataPolicy string

// The policies for empty answers.
const (
	NoDataInconclusive NoDataPolicy = "inconclusive"
	NoDataPass         NoDataPolicy = "pass" // nothing to complain of
	NoDataFail         NoDataPolicy = "fail" // something that has to be there is missing
	NoDataZero         NoDataPolicy = "zero" // the value is 0
)

const defaultFor = 2

// breachesToFail is For with its default, and never more than the number of
// answers that are scheduled: a single look has to be able to fail.
func (c Criterion) breachesToFail(scheduled int) int {
	n := c.For
	if n <= 0 {
		n = defaultFor
	}
	return max(1, min(n, scheduled))
}

// scope is Scope with its default.
func (c Criterion) scope() Scope {
	switch {
	case c.Scope != "":
		return c.Scope
	case c.Counts != nil:
		return ScopeNew
	}
	return ScopeAll
}

// defaultMinEvents is how many events bound a share with some confidence: by the rule of three, 3/limit good events
// without a bad one show with 95 % that the share is below the limit. Fewer than 50 are an anecdote.
func defaultMinEvents(limit float64) float64 {
	if limit <= 0 {
		return 50
	}
	return max(50, math.Ceil(3/limit))
}

// minEvents is MinEvents with its default.
func (c Criterion) minEvents() float64 {
	if c.MinEvents > 0 {
		return c.MinEvents
	}
	return defaultMinEvents(c.Limit.Value)
}

// Text returns "NAME: WHAT OP LIMIT" in the unit of the limit.
func (c Criterion) Text() string {
	what := oneLine(c.Query)
	if c.Counts != nil {
		what = c.Counts.text()
	}
	if c.Baseline != nil {
		return c.Name + ": " + what + " " + c.Baseline.text()
	}
	return c.Name + ": " + what + " " + string(c.Op) + " " + c.Limit.Unit.Exact(c.Limit.Value)
}

// Concurrent tells whether a criterion compares the new pods with the old ones under the same traffic.
func (c Criterion) Concurrent() bool {
	return c.Baseline != nil && c.Baseline.Kind == BaselineConcurrent
}

// Uses reports whether the criterion names a variable.
func (c Criterion) Uses(variable string) bool {
	text := c.Query
	if c.Counts != nil {
		text = c.Counts.Bad + c.Counts.Good + c.Counts.Total + c.Counts.Histogram
	}
	if c.Endpoint != nil {
		text += c.Endpoint.Body
	}
	return strings.Contains(text, "${"+variable+"}")
}

// query returns the PromQL for the value with its variables filled in.
func (c Criterion) query(vars Vars) (string, error) {
	text, err := vars.Expand(c.Query)
	return strings.TrimSpace(text), err
}
