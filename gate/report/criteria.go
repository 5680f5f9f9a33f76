package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
)

// criterionCells are name, verdict, value, limit and what was measured of a criterion.
func criterionCells(c analysis.Result) []string {
	value, limit := criterionNumbers(c)
	verdict := oneLine(string(c.Verdict))
	if c.ReportOnly {
		verdict += " (report only)"
	}
	measured := fmt.Sprintf("%d of %s", c.Samples.Judged, count(c.Samples.Scheduled, "sample"))
	if c.Events > 0 {
		measured = events(c.Events)
	}
	return []string{oneLine(c.Name), verdict, value, limit, measured}
}

// events prints a number of events: those of Prometheus are not whole, because it interpolates.
func events(n float64) string {
	if n = math.Round(n); n == 1 {
		return "1 event"
	}
	return strconv.FormatFloat(n, 'f', -1, 64) + " events"
}

// criterionNumbers are the value, "-" if there is none, after the one before the rollout; and the limit with its
// operator, or what it is relative to. They are rounded unless that would make a value look equal to a limit that it is
// not.
func criterionNumbers(c analysis.Result) (value, limit string) {
	value, limit = "-", c.Unit.Format(float64(c.Limit))
	if c.Value != nil {
		if value = c.Unit.Format(float64(*c.Value)); value == limit {
			value, limit = c.Unit.Exact(float64(*c.Value)), c.Unit.Exact(float64(c.Limit))
		}
	}
	if c.Before != nil {
		value = rough(c.Unit, *c.Before) + " → " + value
	}
	if c.Baseline != "" {
		return value, oneLine(c.Baseline)
	}
	return value, oneLine(string(c.Op)) + " " + limit
}

// rough prints a value that nothing is decided by: with three digits where its unit is decimal.
func rough(u analysis.Unit, v analysis.Number) string {
	if u == analysis.Percent || u == analysis.Seconds {
		return u.Format(digits(float64(v), 3))
	}
	return u.Format(float64(v))
}

// digits rounds to so many digits.
func digits(f float64, n int) float64 {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', n, 64), 64)
	if err != nil {
		return f
	}
	return rounded
}

// criterionColor is the colour of a verdict; what decides nothing alarms nobody.
func criterionColor(c analysis.Result) string {
	if c.ReportOnly && c.Verdict != analysis.Pass {
		return yellow
	}
	return wordColor(string(c.Verdict))
}

// cutShort says that a criterion was not judged only because the rollout or another criterion failed before: there is
// nothing to find out about it.
func cutShort(c analysis.Result, all []analysis.Result) bool {
	unasked := c.Samples.Judged+c.Samples.NoData+c.Samples.Errors == 0 && c.Events == 0
	return c.Verdict == analysis.Inconclusive && c.FirstBreach.IsZero() && (unasked || analysis.Overall(all) == analysis.Fail)
}

// criterionFacts are the sentences on a criterion that did not pass: why, then since when, how sure and where, then
// what else there is to know.
func criterionFacts(c analysis.Result, r gate.Report) []string {
	if c.Verdict == analysis.Pass {
		return nil
	}
	why := oneLine(c.Reason)
	if last := oneLine(c.LastError); last != "" && !strings.Contains(why, last) {
		why = strings.TrimPrefix(why+"; last error: "+last, "; ")
	}
	var measured []string
	if first := firstBreach(c, r); first != "" {
		measured = append(measured, first)
	}
	if c.Low != nil && c.High != nil {
		measured = append(measured, fmt.Sprintf("95 %% interval %s–%s", rough(c.Unit, *c.Low), rough(c.Unit, *c.High)))
	}
	if group := oneLine(c.Group); group != "" && !strings.Contains(why, group) {
		measured = append(measured, "worst group "+group)
	}
	facts := []string{why, strings.Join(measured, "; ")}
	if c.Recovered != nil && *c.Recovered {
		facts = append(facts, "after the undo it holds again")
	} else if c.Recovered != nil {
		facts = append(facts, "after the undo it is still violated: this release is not the only reason")
	}
	for _, text := range c.Contributors {
		facts = append(facts, oneLine(text))
	}
	for _, note := range c.Notes {
		facts = append(facts, "note: "+oneLine(note))
	}
	return slices.DeleteFunc(facts, func(fact string) bool { return fact == "" })
}

// firstBreach says when a criterion was first violated, seen from what the run did before.
func firstBreach(c analysis.Result, r gate.Report) string {
	at, m := c.FirstBreach, r.Marks
	switch after := func(t time.Time) bool { return !t.IsZero() && !at.Before(t) }; {
	case at.IsZero():
		return ""
	case after(m.Complete):
		return "first breach " + Elapsed(at.Sub(m.Complete)) + " after ready"
	case after(m.Applied) && !m.Complete.IsZero():
		return "first breach " + Elapsed(at.Sub(m.Applied)) + " after apply, before ready"
	case after(m.Applied):
		return "first breach " + Elapsed(at.Sub(m.Applied)) + " after apply"
	}
	return "first breach " + Elapsed(at.Sub(r.Run.Started)) + " into the run"
}

// courseOf draws the value of a criterion around the rollout in at most n columns, and says what its height means.
func courseOf(c analysis.Result, m gate.Marks, n int) (spark, string) {
	b := bound{c.Op, float64(c.Limit)}
	words := "limit " + c.Unit.Format(b.limit) + ", "
	if c.Baseline != "" && b.limit == 0 { // a share is compared with another share, not with a number
		b.limit, words = math.NaN(), ""
		if c.Before != nil {
			words = "before " + rough(c.Unit, *c.Before) + ", "
		}
	}
	s := sparkline(c.Plot, b, []mark{{"apply", m.Applied}, {"ready", m.Complete}, {"breach", c.FirstBreach}, {"undo", m.Undone}}, n)
	if b.floor() {
		words += "lowest " + rough(c.Unit, analysis.Number(s.low)) + ", "
	}
	return s, words + "top " + rough(c.Unit, analysis.Number(s.top))
}

// criteria lists the criteria, and explains those that did not pass.
func (p *page) criteria(r gate.Report) {
	if len(r.Criteria) == 0 {
		return
	}
	var rows []row
	for _, c := range r.Criteria {
		one := row{cells: criterionCells(c), style: criterionColor(c), below: criterionFacts(c, r)}
		if cutShort(c, r.Criteria) {
			one.below = one.below[:min(len(one.below), 1)]
		} else if c.Verdict != analysis.Pass {
			one.drawn = append(p.course(c, r.Marks), p.query(c.Query)...)
		}
		rows = append(rows, one)
	}
	title := []string{"criteria", "verdict", "value", "limit", "measured"}
	p.table(title, 1, p.raised(title, rows))
}

// course draws a sparkline: what broke the limit in red, the marks below it.
func (p *page) course(c analysis.Result, m gate.Marks) []string {
	const indent = 4
	_, words := courseOf(c, m, mostColumns)
	s, _ := courseOf(c, m, max(20, min(mostColumns, p.Width-indent-2-width(words))))
	if len(s.columns) == 0 {
		return nil
	}
	var line strings.Builder
	for from, to := 0, 0; from < len(s.columns); from = to {
		part := spark{}
		for to = from; to < len(s.columns) && s.columns[to].broken == s.columns[from].broken; to++ {
			part.columns = append(part.columns, s.columns[to])
		}
		line.WriteString(p.paint(part.String(), map[bool]string{true: red}[s.columns[from].broken]))
	}
	lines := []string{line.String() + "  " + p.paint(words, dim)}
	for _, below := range s.marks {
		lines = append(lines, p.paint(below, dim))
	}
	return lines
}

// query quotes what was asked last, in a few lines.
func (p *page) query(text string) []string {
	const most = 4
	lines := wrap(oneLine(text), p.Width-4)
	if len(lines) > most {
		lines = append(lines[:most-1], "… all of it in the JSON report")
	}
	for i, line := range lines {
		lines[i] = p.paint(line, dim)
	}
	return lines
}

func (d *document) criteria(r gate.Report) {
	var rows [][]string
	for _, c := range r.Criteria {
		cells := criterionCells(c)
		facts := criterionFacts(c, r)
		for i, fact := range facts {
			facts[i] = escapeMarkdown(fact)
		}
		rows = append(rows, []string{
			codeCell(cells[0]), escapeMarkdown(cells[1]), codeCell(cells[2]), codeCell(cells[3]), cells[4],
			strings.Join(facts, "<br>"),
		})
	}
	d.titled("### Criteria", []string{"Criterion", "Verdict", "Value", "Limit", "Measured", "Why"}, rows)
	d.courses(r)
}

// courses shows the value of each criterion around the rollout and what was asked; it stands open when one failed.
func (d *document) courses(r gate.Report) {
	const most = 100
	var b strings.Builder
	for _, c := range r.Criteria[:min(len(r.Criteria), most)] {
		s, words := courseOf(c, r.Marks, mostColumns)
		if len(s.columns) == 0 && c.Query == "" {
			continue
		}
		b.WriteString("\n" + codeSpan(c.Name) + "\n")
		if len(s.columns) > 0 {
			b.WriteString("\n" + codeBlock("text", append([]string{s.String() + "  " + words}, s.marks...)))
		}
		if c.Query != "" {
			b.WriteString("\n" + codeBlock(language(c), wrap(oneLine(c.Query), 120)))
		}
	}
	if b.Len() == 0 {
		return
	}
	open := map[bool]string{true: " open"}[analysis.Overall(r.Criteria) == analysis.Fail]
	d.section("\n<details" + open + "><summary>The criteria over time, and their queries</summary>\n" + b.String() + "\n</details>\n")
}

// language is that of what was asked.
func language(c analysis.Result) string {
	if c.Source != "" {
		return "text"
	}
	return "promql"
}
