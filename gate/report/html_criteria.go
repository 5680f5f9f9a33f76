package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
)

// The measures of the drawing of a criterion.
const (
	plotWidth, plotHeight = 440.0, 130.0
	plotLeft, plotTop     = 58.0, 24.0
	maxPlots              = 12 // criteria that are drawn
	maxLines              = 7  // of one criterion
)

func (p *htmlPage) criteria(r gate.Report) {
	if len(r.Criteria) == 0 {
		return
	}
	var rows []gridRow
	for _, c := range r.Criteria {
		cells := criterionCells(c)
		rows = append(rows, gridRow{cells: []markup{
			code(cells[0]), badge(criterionColor(c), cells[1]), line(cells[2]), line(cells[3]), line(cells[4]), line(c.Reason),
		}})
	}
	p.section(tableSection("Criteria", "Each criterion against its limit", columns("Criterion", "Verdict", "#Value", "#Limit", "#Measured", "Why"), rows))
	for i, c := range drawnCriteria(r.Criteria) {
		p.section(criterionCard(c, r, fmt.Sprintf("criterion-%d", i+1)))
	}
}

// drawnCriteria are those that get a drawing and all their sentences, the ones that did not pass first.
func drawnCriteria(all []analysis.Result) []analysis.Result {
	rank := map[analysis.Verdict]int{analysis.Fail: 0, analysis.Error: 1, analysis.Inconclusive: 2, analysis.Pass: 3}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b analysis.Result) int { return cmp.Compare(rank[a.Verdict], rank[b.Verdict]) })
	return all[:min(len(all), maxPlots)]
}

// criterionCard is the drawing of a criterion, and beside it what there is to say.
func criterionCard(c analysis.Result, r gate.Report, id string) markup {
	var said []markup
	for _, f := range criterionFacts(c, r) {
		if f != oneLine(c.Reason) { // which stands in the table
			said = append(said, line(f))
		}
	}
	value, limit := criterionNumbers(c)
	var query markup
	if c.Query != "" {
		query = folded(false, "Query", quoted(strings.Split(Sanitize(c.Query, 40, 1000), "\n"), -1))
	}
	drawing := drawCriterion(c, r, id)
	if drawing == "" && len(said) == 0 && query == "" {
		return ""
	}
	class := "criterion"
	if drawing == "" {
		class = "criterion undrawn"
	}
	return tag("article", attrs{"class", class}, drawing, tag("div", nil,
		tag("h3", nil, code(c.Name), " ", badge(criterionColor(c), criterionCells(c)[1])),
		tag("p", attrs{"class", "versus"}, line(value), tag("span", attrs{"class", "muted"}, " limit ", line(limit))),
		list("said", said), query)) + "\n"
}
