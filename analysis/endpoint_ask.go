package analysis

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"
)

// fetch asks the endpoint of a criterion in its time.
func (r *run) fetch(ctx context.Context, c Criterion, vars Vars, due time.Time) (Answer, error) {
	request, err := c.Endpoint.request(vars)
	if err != nil {
		return Answer{}, err
	}
	if r.Fetcher == nil {
		return Answer{}, errors.New("there is nobody to ask endpoints")
	}
	return r.inTime(ctx, due, func(ctx context.Context) (Answer, error) {
		response, err := r.Fetcher.Fetch(ctx, request)
		if err != nil {
			return Answer{}, err
		}
		return c.Endpoint.read(response)
	})
}

// beforeAt measures what an endpoint says about the running version. One that is not there may be one of what is to come,
// or of what is to be repaired, so that it is a lack of data, which is no reason to refuse a first release. One that wants
// other credentials ends the preflight.
func (p *preflight) beforeAt(ctx context.Context, c Criterion, vars Vars) Point {
	if c.Baseline != nil {
		c.Op, c.Limit = LessEqual, Limit{Value: maxFloat}
	}
	answer, err := p.fetch(ctx, c, vars, time.Now())
	point := Measure(c, time.Now(), answer, err)
	var failed *QueryError
	switch {
	case !errors.As(err, &failed):
	case failed.Kind == Unreachable, failed.Kind == Absent:
		point.State = NoData
	case failed.Kind == Unauthorized && !c.Report:
		p.denied.Store(failed)
	}
	return point
}

// momentAt is what an endpoint says now.
func (r *run) momentAt(ctx context.Context, c Criterion) (m Moment, events float64, ok bool) {
	now := time.Now()
	answer, err := r.fetch(ctx, c, r.vars(), now)
	if err != nil || len(answer.Samples) != 1 || math.IsNaN(answer.Samples[0].Value) {
		return Moment{}, 0, false
	}
	return Moment{Time: now, Value: Number(answer.Samples[0].Value)}, 0, true
}

// measured is the course of what was measured.
func measured(points []Point) []Moment {
	var out []Moment
	for _, p := range points {
		if m := (Moment{Time: p.Time}); p.Value != nil {
			if m.Value = *p.Value; !m.odd() {
				out = append(out, m)
			}
		}
	}
	return out
}

// asksPrometheus says whether a criterion is asked in PromQL. Without any criteria Prometheus itself is meant.
func (s Session) asksPrometheus() bool {
	return AskPrometheus(s.Criteria) || len(s.Criteria) == 0
}

// AskPrometheus says whether one of the criteria is asked in PromQL.
func AskPrometheus(criteria []Criterion) bool {
	return slices.ContainsFunc(criteria, func(c Criterion) bool { return c.Endpoint == nil })
}

// Endpoints are those of the criteria.
func Endpoints(criteria []Criterion) []Endpoint {
	var out []Endpoint
	for _, c := range criteria {
		if c.Endpoint != nil {
			out = append(out, *c.Endpoint)
		}
	}
	return out
}

// HTTP are the endpoints of a specification, as they stand in its file.
func (s Spec) HTTP() []Endpoint {
	var out []Endpoint
	for _, c := range s.Criteria {
		for _, asked := range c.Asks {
			if h, ok := asked.Question.(*HTTPSpec); ok {
				e := h.Endpoint
				e.Criterion, e.File = c.Name, c.File
				out = append(out, e)
			}
		}
	}
	return out
}
