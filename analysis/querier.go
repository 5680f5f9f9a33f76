package analysis

import (
	"context"
	"time"
)

// Querier answers instant PromQL queries. It is declared here because this
// package is the one that calls it.
type Querier interface {
	// Query evaluates promql at the given time; the zero time stands for the
	// server's own now, which spares a comparison of two clocks. It returns
	// when ctx is done at the latest. A failure that the server or the
	// network caused is a *QueryError.
	Query(ctx context.Context, promql string, at time.Time) (Answer, error)
	// QueryRange evaluates promql at every step of r. The answer is a Matrix
	// whose samples have Moments; all else is as for Query.
	QueryRange(ctx context.Context, promql string, r Range) (Answer, error)
}

// Kind is the shape of an answer, in the words of the Prometheus HTTP API
// (its field resultType).
type Kind string

// The four shapes of the Prometheus HTTP API.
const (
	Vector Kind = "vector"
	Scalar Kind = "scalar"
	Matrix Kind = "matrix"
	String Kind = "string"
)

// Answer is what one instant query returned.
type Answer struct {
	Kind    Kind
	Samples []Sample // one per series; empty for an empty vector

	// Warnings say that the answer may be incomplete, so it is not judged.
	// Infos are remarks about the query itself, and do not matter here.
	Warnings, Infos []string
}

// Sample is one series of an answer.
type Sample struct {
	Labels map[string]string
	Value  float64
	// Time is the time that the query was evaluated at, by the server's clock; zero when it does not say.
	Time time.Time
	// Moments are the values of a range query in the order of time; Value is then 0.
	Moments []Moment

	// Histogram says that the series holds a native histogram. Its Value is
	// then meaningless: the wire format has no number in that place, and
	// clients decode that to 0, which would meet nearly every upper limit.
	Histogram bool
}

// Moment is one value of a range query.
type Moment struct {
	Time  time.Time `json:"time"`
	Value Number    `json:"value"`
}

// Range says where a range query is evaluated: at Start, then after each Step, never after End.
type Range struct {
	Start, End time.Time
	Step       time.Duration
}

// ErrorKind sorts query errors by what can be done about them.
type ErrorKind string

const (
	// Unreachable: no connection, no answer in time, or an overloaded or
	// broken server (429 and 5xx). The same query may work later.
	Unreachable ErrorKind = "unreachable"
	// Unauthorized: the server wants other credentials (401 and 403).
	Unauthorized ErrorKind = "unauthorized"
	// Rejected: Prometheus understood the request and refused the query
	// (400 and 422). The query has to change.
	Rejected ErrorKind = "rejected"
	// Unreadable: something answered, but not in the Prometheus API: a login
	// page, a redirect, a wrong path, an answer that is too large.
	Unreadable ErrorKind = "unreadable"
	// Absent: a server answers, and does not know what was asked for (404 and 410). Only endpoints are absent.
	Absent ErrorKind = "absent"
)

// QueryError is a query that has no answer.
type QueryError struct {
	Kind   ErrorKind
	Source string // what was asked; "" is Prometheus
	Target string // which server, without credentials; may be empty
	Text   string // the server's own words where it had any, on one line
	Hint   string // what the reader can do about it; may be empty
	Err    error  // what lies below, for errors.Is; may be nil
}

// Error returns one line, and the hint on a second line if there is one.
func (e *QueryError) Error() string {
	subject := "querying Prometheus"
	if e.Source != "" {
		subject = "asking " + e.Source
	}
	if e.Target != "" {
		subject += " at " + e.Target
	}
	return withHint(subject+": "+string(e.Kind)+": "+e.Text, e.Hint)
}

// Unwrap returns the error below.
func (e *QueryError) Unwrap() error { return e.Err }
