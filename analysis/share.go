package analysis

import (
	"fmt"
	"math"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis/stats"
)

// runAlpha is the probability that a run whose criteria are all just met is failed before its window ends. It is split
// evenly over the criteria on counts that can fail the run.
const runAlpha = 0.01

// reference is what a criterion's baseline was measured at.
type reference struct {
	Value       float64
	Bad, Events float64   // of counts
	Windows     []float64 // of BaselineHistory, each window's value
	Problem     string    // why there is none
}

// share judges the counts of a tracker at one look. The group that is nearest to failing is shown.
func (c Criterion) share(at time.Time, t *tracker, alpha float64, ref *reference) Point {
	if len(t.order) == 0 {
		return Point{Time: at, State: NoData, Note: "no events yet"}
	}
	var worst *Point
	var worstShare float64
	for i, name := range t.order {
		g := t.groups[name]
		p := c.shareOf(at, g, alpha, ref)
		p.Group = name
		p.Spread = stats.Spread(t.bursts(g), t.podsWithBad(name))
		if len(c.Each) > 0 {
			// The k-th group takes a part of the error that the criterion may make.
			p.Evidence -= Number(math.Log(alpha / stats.SplitSeries(alpha, i+1)))
		}
		share := g.bad / max(g.all, 1)
		if worst == nil || moreWrong(p, *worst, share > worstShare) {
			worst, worstShare = &p, share
		}
	}
	return *worst
}

// moreWrong orders groups: those that break the limit first, then those that may, then the higher share.
func moreWrong(a, b Point, higher bool) bool {
	rank := map[State]int{Breach: 4, Failed: 3, OK: 2, Thin: 1, NoData: 0}
	switch {
	case a.State == Breach || b.State == Breach:
		return a.State == Breach && (b.State != Breach || higher)
	case a.Evidence > 0 || b.Evidence > 0:
		return a.Evidence > b.Evidence
	case rank[a.State] != rank[b.State]:
		return rank[a.State] > rank[b.State]
	}
	return higher
}

func (c Criterion) shareOf(at time.Time, g *group, alpha float64, ref *reference) Point {
	p := Point{Time: at, Bad: g.bad, Events: g.all, State: OK}
	if g.all <= 0 {
		p.State, p.Note = NoData, "no events"
		return p
	}
	if c.Concurrent() {
		p.Bad, p.Events = g.ours.bad, g.ours.all
		if p.Events <= 0 {
			p.State, p.Note = NoData, "no events while old and new pods ran side by side"
			return p
		}
	}
	value := Number(p.Bad / p.Events)
	p.Value = &value
	limit := c.Limit.Value
	switch {
	case c.Baseline == nil:
		p.Evidence = logEvidence(stats.LateEvidence(g.badByPart, g.allByPart, limit))
	case c.Baseline.Kind == BaselineConcurrent:
		ref = &reference{Bad: g.theirs.bad, Events: g.theirs.all, Value: g.theirs.bad / max(g.theirs.all, 1)}
		if g.versus != nil && c.Baseline.worse(float64(value), ref.Value) {
			p.Evidence = logEvidence(g.versus.Evidence())
		}
	case ref == nil || ref.Problem != "" || c.Baseline.Kind == BaselineBefore && ref.Events < c.minEvents():
	case c.Baseline.Kind == BaselineBefore:
		// Half of the error is for the baseline itself being measured too low, half for the comparison with it.
		_, upper := stats.Interval(ref.Bad, ref.Events, 1-alpha)
		p.Evidence = logEvidence(stats.LateEvidence(g.badByPart, g.allByPart, c.Baseline.limit(upper))) - Number(math.Ln2)
	}
	switch {
	case p.Events < c.minEvents():
		p.State, p.Note = Thin, fmt.Sprintf("%s of %s events", plain(p.Events), plain(c.minEvents()))
	case c.Baseline == nil:
		if float64(value) > limit {
			p.State = Breach
		}
	default:
		p.State, p.Note = c.versusBaseline(p, float64(value), alpha, ref)
	}
	if c.Baseline == nil && float64(value) <= limit && p.Evidence >= Number(stats.Threshold(alpha)) {
		p.showRecent(g, limit)
	}
	return p
}

// showRecent replaces the share of all events, which good times have kept low, by that of the events since the fault
// began, on which the evidence rests.
func (p *Point) showRecent(g *group, limit float64) {
	from := stats.Onset(g.badByPart, g.allByPart, limit)
	var bad, all float64
	for i := from; i < len(g.badByPart); i++ {
		bad, all = bad+g.badByPart[i], all+g.allByPart[i]
	}
	if all <= 0 || bad/all <= limit {
		return
	}
	p.Note = fmt.Sprintf("since interval %d of %d; %s of %s events in all", from+1, len(g.badByPart), plain(math.Round(p.Bad)), plain(math.Round(p.Events)))
	value := Number(bad / all)
	p.Value, p.Bad, p.Events = &value, bad, all
}

// versusBaseline judges a share against the baseline's at the end of the window.
func (c Criterion) versusBaseline(p Point, value, alpha float64, ref *reference) (State, string) {
	b := c.Baseline
	switch {
	case ref == nil:
		return NoData, "there is nothing to compare with"
	case ref.Problem != "":
		return NoData, ref.Problem
	case b.Kind == BaselineHistory:
		if len(ref.Windows) < leastWindows {
			return NoData, fmt.Sprintf("only %d earlier windows had data, %d are needed", len(ref.Windows), leastWindows)
		}
		if b.worse(value, ref.Value) && stats.PlaceboRank(value, ref.Windows, true) <= significanceByRank {
			return Breach, ""
		}
		return OK, ""
	case ref.Events < c.minEvents():
		return NoData, fmt.Sprintf("the baseline has only %s of %s events", plain(math.Round(ref.Events)), plain(c.minEvents()))
	case b.worse(value, ref.Value) && stats.RateRatio(p.Bad, p.Events, ref.Bad, ref.Events, b.MaxRatio) <= alpha:
		return Breach, ""
	}
	return OK, ""
}

// logEvidence keeps JSON and arithmetic finite: e to the 700 is beyond any doubt.
func logEvidence(e float64) Number { return Number(min(max(e, -700), 700)) }

// judgeShare returns the verdict on the looks at counts, of which scheduled are planned in the window. The guarded looks
// before the window come first and are not in that number, and neither are those that follow the data in between.
//
//   - fail, at once: the evidence has passed its threshold, and the bad events came at several times or from several
//     pods, because one burst is one cause.
//   - fail, at the end: there are enough events and the share is over the limit, or there are too few, but those leave
//     no doubt.
//   - pass: the end was seen, with enough events, and the share meets the limit.
//   - error, inconclusive: the end could not be seen, or there were too few events.
func judgeShare(c Criterion, points []Point, guarded, scheduled int, alpha float64) Result {
	r := c.result(points, scheduled)
	threshold := Number(stats.Threshold(alpha))
	var silence string
	var last Point
	for i, p := range points {
		counted := 0
		if i >= guarded && !p.between {
			counted, last = 1, p
		}
		switch p.State {
		case OK, Breach, Thin:
			r.Samples.Judged += counted
			if r.Verdict != Fail {
				r.Value, r.Bad, r.Events, r.Group = p.Value, p.Bad, p.Events, p.Group
			}
		case NoData:
			r.Samples.NoData += counted
			silence = p.Note
		default:
			r.Samples.Errors += counted
			r.LastError = p.Note
		}
		if p.State == Breach && r.FirstBreach.IsZero() {
			r.FirstBreach = p.Time
		}
		if r.Verdict != Fail && p.Spread && p.Evidence >= threshold {
			r.Verdict = Fail
			r.Reason = r.shareText()
			if p.Note != "" && p.State == OK {
				r.Reason += " " + p.Note
			}
			r.Reason += "; evidence enough to stop early"
			if r.FirstBreach.IsZero() {
				r.FirstBreach = p.Time
			}
		}
	}
	if r.Events > 0 {
		low, high := stats.Interval(r.Bad, r.Events, 0.95)
		r.Low, r.High = (*Number)(&low), (*Number)(&high)
	}
	if r.Verdict == Fail {
		return r
	}
	if r.Samples.made() < scheduled || scheduled <= 0 {
		r.Verdict, r.Reason = Inconclusive, fmt.Sprintf("%d of %d samples measured", r.Samples.made(), scheduled)
		return r
	}
	switch {
	case last.State == Breach:
		r.Verdict, r.Reason = Fail, r.shareText()
	case last.State == Thin && last.Evidence >= threshold:
		r.Verdict, r.Reason, r.FirstBreach = Fail, r.shareText()+"; few events, but they leave no doubt", last.Time
	case last.State == Thin && last.Events == 0:
		r.Verdict, r.Reason = Inconclusive, last.Note
	case last.State == Thin:
		r.Verdict = Inconclusive
		r.Reason = fmt.Sprintf("too few events: %s of %s needed%s", plain(last.Events), plain(c.minEvents()), r.howLong(last, points[0].Time, c.minEvents()))
	case last.State == OK:
		r.Verdict, r.Reason = Pass, r.shareText()
	case last.State == NoData:
		r.Verdict, r.Reason = Inconclusive, "the window ends without data: "+silence
	default:
		r.Verdict, r.Reason = Error, "the window ends with a failed query: "+r.LastError
	}
	return r
}

// shareText is the share against its limit, with the counts behind it.
func (r *Result) shareText() string {
	text := fmt.Sprintf("%s of %s events", plain(math.Round(r.Bad)), plain(math.Round(r.Events)))
	if r.Group != "" {
		text += " of " + r.Group
	}
	return fmt.Sprintf("%s: %s", r.comparison(), text)
}

// howLong says how long the events would take to come at the pace so far.
func (r *Result) howLong(last Point, from time.Time, needed float64) string {
	took := last.Time.Sub(from)
	if last.Events < 1 || took < time.Second {
		return ""
	}
	return fmt.Sprintf("; at this pace that takes %s", time.Duration(float64(took)/last.Events*needed).Round(time.Second))
}
