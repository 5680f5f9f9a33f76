package report

import (
	"strconv"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
)

// pastRollouts is what a reader has to know about a backtest.
const pastRollouts = "Windows in which something was rolled out are among these."

// replayCells are name, windows, empty windows, those that would have failed, limit, median, worst and suggested limit.
func replayCells(b analysis.Replay) []string {
	failed := "-"
	if b.Windows > 0 {
		failed = strconv.Itoa(b.Failed)
	}
	if b.Failed > 0 && b.Windows > 0 {
		failed += " (" + analysis.Percent.Format(digits(float64(b.Failed)/float64(b.Windows), 2)) + ")"
	}
	number := func(n *analysis.Number) string {
		if n == nil {
			return "-"
		}
		return rough(b.Unit, *n)
	}
	limit := oneLine(string(b.Op)) + " " + b.Unit.Format(float64(b.Limit))
	return []string{
		oneLine(b.Name), strconv.Itoa(b.Windows), strconv.Itoa(b.Empty), failed, limit,
		number(b.Median), number(b.Worst), number(b.Suggested),
	}
}

// replayProblem says why a criterion could not be replayed, or why no limit is suggested.
func replayProblem(b analysis.Replay) string {
	switch {
	case b.Problem != "":
		return oneLine(b.Problem)
	case b.Windows == 0:
		return "no window had data"
	case b.Suggested == nil:
		return "too few windows to suggest a limit"
	}
	return ""
}

// backtest shows how each criterion would have judged the past.
func (p *page) backtest(all []analysis.Replay) {
	if len(all) == 0 {
		return
	}
	var rows []row
	for _, b := range all {
		one := row{cells: replayCells(b), below: []string{replayProblem(b)}}
		if b.Windows > 0 {
			one.style = map[bool]string{true: green, false: yellow}[b.Failed == 0]
		}
		rows = append(rows, one)
	}
	title := []string{"backtest", "windows", "empty", "would fail", "limit", "median", "worst", "suggested"}
	p.table(title, 3, p.raised(title, rows))
	p.line("  %s", p.paint(pastRollouts, dim))
}

func (d *document) backtest(r gate.Report) {
	var rows [][]string
	for _, b := range r.Backtest {
		cells := replayCells(b)
		for i, cell := range cells {
			if i == 0 || i > 3 {
				cells[i] = codeCell(cell)
			}
		}
		rows = append(rows, append(cells, escapeMarkdown(replayProblem(b))))
	}
	d.titled("### Backtest", []string{"Criterion", "Windows", "Empty", "Would have failed", "Limit", "Median", "Worst", "Suggested limit", "Problem"}, rows)
	if len(rows) > 0 {
		d.section("\n_" + pastRollouts + "_\n")
	}
}
