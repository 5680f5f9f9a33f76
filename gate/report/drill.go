package report

import (
	"cmp"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// exerciseCells are the fault, whether it was caught, after how long, by which cause, and how the undo went.
func exerciseCells(e gate.Exercise) []string {
	caught, noticed, code, undo := "NOT CAUGHT", "-", "-", "-"
	if e.Caught {
		caught = "caught"
	}
	if e.Noticed > 0 {
		noticed = Elapsed(time.Duration(e.Noticed * float64(time.Second)))
	}
	if e.Code != "" {
		code = oneLine(e.Code)
	}
	if e.Undo != "" {
		undo = oneLine(string(e.Undo)) + " in " + Elapsed(time.Duration(e.Undoing*float64(time.Second)))
	}
	return []string{oneLine(e.Fault), caught, noticed, code, undo}
}

// exerciseText says what was wrong with the copy, and why nobody caught it or what was found.
func exerciseText(e gate.Exercise) string {
	text := e.What
	if more := cmp.Or(e.Why, e.Cause); more != "" {
		text += ": " + more
	}
	return oneLine(text)
}

// drill shows what became of each fault.
func (p *page) drill(all []gate.Exercise) {
	if len(all) == 0 {
		return
	}
	var rows []row
	for _, e := range all {
		rows = append(rows, row{
			cells: exerciseCells(e), below: []string{exerciseText(e)},
			style: map[bool]string{true: green, false: red}[e.Caught],
		})
	}
	title := []string{"drill", "", "after", "cause", "undo"}
	p.table(title, 1, p.raised(title, rows))
}

func (d *document) drill(r gate.Report) {
	var rows [][]string
	for _, e := range r.Drill {
		cells := exerciseCells(e)
		cells[0], cells[3], cells[4] = codeCell(cells[0]), codeCell(cells[3]), escapeMarkdown(cells[4])
		if !e.Caught {
			cells[1] = "**not caught**"
		}
		rows = append(rows, append(cells, escapeMarkdown(exerciseText(e))))
	}
	d.titled("### Drill", []string{"Fault", "", "After", "Cause", "Undo", "What was wrong"}, rows)
}
