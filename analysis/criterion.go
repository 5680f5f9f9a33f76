package analysis

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

// Criterion is one question to ask during the window. [Spec.Compile] and
// [ParseCheck] make valid ones.
type Criterion struct {
	// Name identifies the criterion in reports.
	Name string
	// Query is complete PromQL for the value, without the comparison: a
	// comparison inside the query would hide a breach as an empty answer.
	Query string
	Op    Op
	Limit Limit
	// For is how many judged answers in a row have to break the limit before
	// the criterion fails. Zero stands for 2: one bad answer may be a blip
	// or a scrape that fell into the switch of versions.
	For int
}

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

// Text returns "NAME: QUERY OP LIMIT" in the unit of the limit.
func (c Criterion) Text() string {
	return c.Name + ": " + c.Query + " " + string(c.Op) + " " + c.Limit.Unit.Exact(c.Limit.Value)
}
