package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Samples counts the measurements of one criterion. Judged, NoData and
// Errors add up to the measurements made; Scheduled is how many there are in
// a whole window.
type Samples struct {
	Judged    int `json:"judged"`
	Scheduled int `json:"scheduled"`
	NoData    int `json:"noData"`
	Errors    int `json:"errors"`
}

// made is the number of measurements so far.
func (s Samples) made() int { return s.Judged + s.NoData + s.Errors }

// needed is how many judged samples a pass takes: half of the schedule, and
// three where the schedule has three.
func (s Samples) needed() int { return max((s.Scheduled+1)/2, min(3, s.Scheduled)) }

// Result is the verdict on one criterion and all that led to it.
type Result struct {
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	// Value is the last judged value in base units, nil if there is none.
	// Where the verdict is fail it is the value that decided.
	Value *Number `json:"value,omitempty"`
	Op    Op      `json:"op"`
	Limit Number  `json:"limit"`
	Unit  Unit    `json:"unit,omitempty"`
	// Bad and Events are the counts behind Value, and Low and High the exact 95 % interval for the share; only for
	// criteria on counts.
	Bad    float64 `json:"bad,omitempty"`
	Events float64 `json:"events,omitempty"`
	Low    *Number `json:"low,omitempty"`
	High   *Number `json:"high,omitempty"`
	// Group are the labels of the series that Value is of, where there are several.
	Group string `json:"group,omitempty"`
	// Before is the value of the running version before the rollout; nil where it could not be told.
	Before *Number `json:"before,omitempty"`
	// Baseline says what the limit is relative to; empty when it is absolute.
	Baseline string `json:"baseline,omitempty"`
	// ReportOnly is set when the criterion decides nothing (enforce: false).
	ReportOnly bool `json:"reportOnly,omitempty"`
	// Scope says whose series were judged.
	Scope Scope `json:"scope,omitempty"`
	// Text is the criterion as it was written, with its limit.
	Text string `json:"text,omitempty"`
	// Source says what was asked where that is not Prometheus: "endpoint".
	Source string `json:"source,omitempty"`
	// Query is the PromQL that was sent last, or the request to an endpoint.
	Query   string  `json:"query"`
	Samples Samples `json:"samples"`
	// FirstBreach is the first measurement that broke the limit, also where
	// the verdict is not fail.
	FirstBreach time.Time `json:"firstBreach,omitzero"`
	Series      []Point   `json:"series"`
	// Reason is one line that explains the verdict.
	Reason string `json:"reason"`
	// LastError is the note of the last measurement that failed.
	LastError string `json:"lastError,omitempty"`
	// Contributors are the pods and series with the most bad events, when the criterion failed.
	Contributors []string `json:"contributors,omitempty"`
	// Notes are remarks about how the criterion was measured.
	Notes []string `json:"notes,omitempty"`
	// Plot is the value around the rollout.
	Plot []Moment `json:"plot,omitempty"`
	// Courses are the parts of Plot: the versions apart, and the groups, as far as the server can tell them apart.
	Courses []Course `json:"courses,omitempty"`
	// Recovered says, after an undo, whether the criterion holds again; nil when it was not asked again.
	Recovered *bool `json:"recovered,omitempty"`
}

// result is the part of a Result that does not depend on the verdict.
func (c Criterion) result(points []Point, scheduled int) Result {
	r := Result{
		Name: c.Name, Op: c.Op, Limit: Number(c.Limit.Value), Unit: c.Limit.Unit, Query: c.Query,
		Samples: Samples{Scheduled: scheduled}, Series: points, ReportOnly: c.Report, Scope: c.scope(), Text: c.Text(),
	}
	if c.Endpoint != nil {
		r.Source = SourceEndpoint
	}
	if c.Baseline != nil {
		r.Baseline = c.Baseline.text()
	}
	return r
}

// Judge returns the verdict on a series of measurements, of which scheduled
// are planned in all. It may be called while the series grows: a failure is
// final at once, and nothing else is decided before the schedule is complete.
//
//   - fail: [Criterion.For] judged points in a row are breaches. Points in
//     between that could not be judged neither continue nor end the row.
//   - pass: at least half of the schedule was judged (and at least three
//     points where there are three), and the last point is ok. The end of
//     the window counts most, because only there is all of the new version
//     and nothing of the old one in sight.
//   - error: neither, and errors outweigh silence.
//   - inconclusive: everything else.
//
// Taking away points that are ok, or the end of a series, therefore never
// makes a pass out of another verdict.
func Judge(c Criterion, points []Point, scheduled int) Result {
	r := c.result(points, scheduled)
	streak, need := 0, c.breachesToFail(scheduled)
	var silence string
	for _, p := range points {
		switch p.State {
		case OK:
			r.Samples.Judged++
			streak = 0
		case Breach:
			r.Samples.Judged++
			streak++
			if r.FirstBreach.IsZero() {
				r.FirstBreach = p.Time
			}
		case NoData:
			r.Samples.NoData++
			silence = p.Note
		default:
			r.Samples.Errors++
			r.LastError = p.Note
		}
		if p.judged() && r.Verdict != Fail {
			r.Value, r.Group = p.Value, p.Group
		}
		if streak == need {
			r.Verdict = Fail
		}
	}
	r.decide(need, silence)
	return r
}

// decide sets the verdict, if it is not fail yet, and its reason. The order
// of the cases is the order of what a reader needs to know first.
func (r *Result) decide(need int, silence string) {
	s := r.Samples
	var last State
	if n := len(r.Series); n > 0 {
		last = r.Series[n-1].State
	}
	switch {
	case r.Verdict == Fail && need == 1:
		r.Reason = r.comparison()
	case r.Verdict == Fail:
		r.Reason = fmt.Sprintf("%s for %d samples in a row", r.comparison(), need)
	case s.made() < s.Scheduled || s.Scheduled <= 0:
		r.Verdict = Inconclusive
		r.Reason = fmt.Sprintf("%d of %d samples measured", s.made(), s.Scheduled)
	case s.Judged < s.needed() && s.Errors > 0 && s.Errors >= s.NoData:
		r.Verdict = Error
		r.Reason = fmt.Sprintf("%d of %d queries failed, the last one: %s", s.Errors, s.Scheduled, r.LastError)
	case s.Judged < s.needed():
		r.Verdict = Inconclusive
		r.Reason = fmt.Sprintf("too little data: %d of %d samples judged, %d needed; %s", s.Judged, s.Scheduled, s.needed(), silence)
	case last == Failed:
		r.Verdict = Error
		r.Reason = "the window ends with a failed query: " + r.LastError
	case last == NoData:
		r.Verdict = Inconclusive
		r.Reason = "the window ends without data: " + silence
	case last == Breach:
		r.Verdict = Inconclusive
		r.Reason = fmt.Sprintf("the window ends with %s, but not for %d samples in a row", r.comparison(), need)
	default:
		r.Verdict = Pass
		r.Reason = r.comparison()
	}
}

// lastNote is what the last measurement said that has something to say.
func (r *Result) lastNote() string {
	for _, p := range slices.Backward(r.Series) {
		if p.Note != "" {
			return p.Note
		}
	}
	return ""
}

// comparison prints the value against the limit, as in "3.12% (limit <= 1%)".
// Values that round to the limit are printed in full, because "1% (limit
// <= 1%)" reads like a mistake where it is a breach.
func (r *Result) comparison() string {
	if r.Value == nil {
		return cmp.Or(r.lastNote(), "no series matched")
	}
	value, limit := float64(*r.Value), float64(r.Limit)
	if r.Baseline != "" && limit == 0 {
		return fmt.Sprintf("%s (limit %s)", r.Unit.Format(value), r.Baseline)
	}
	left, right := r.Unit.Format(value), r.Unit.Format(limit)
	if left == right && value != limit {
		left, right = r.Unit.Exact(value), r.Unit.Exact(limit)
	}
	return fmt.Sprintf("%s (limit %s %s)", left, r.Op, right)
}
