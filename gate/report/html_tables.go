package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// maxRows are the rows of a table of the page.
const maxRows = 500

// columns are the heads of a table; one that begins with # is of numbers.
func columns(titles ...string) []headCell {
	var out []headCell
	for _, t := range titles {
		name, number := strings.CutPrefix(t, "#")
		out = append(out, headCell{name, number})
	}
	return out
}

// tableSection is a titled table, of which the rows beyond maxRows are counted.
func tableSection(title, caption markup, head []headCell, rows []gridRow) markup {
	if len(rows) == 0 {
		return ""
	}
	var more markup
	if missing := len(rows) - maxRows; missing > 0 {
		rows = rows[:maxRows]
		more = tag("p", attrs{"class", "muted"}, text(fmt.Sprintf("… %d more, all in the JSON report", missing)))
	}
	return tag("section", nil, tag("h2", nil, title), grid(caption, head, rows), more) + "\n"
}

func workloadsSection(all []rollout.Status) markup {
	var rows []gridRow
	for _, s := range firstOf(all, maxRows, unfinished) {
		cells := append(statusCells(s), "–", "–", "–", "–")
		row := gridRow{cells: []markup{code(s.Ref.String()), badge(phaseColor(s.Phase), cells[0])}}
		if !s.Watched {
			row.cells[1] = line(cells[0])
		}
		for _, c := range cells[1:5] {
			row.cells = append(row.cells, line(c))
		}
		rows = append(rows, gridRow{cells: append(row.cells, line(awaited(s)))})
	}
	return tableSection("Workloads", "How far each workload came", columns("Workload", "Phase", "#New", "#Ready", "#Available", "#Old", "Awaited"), rows)
}

func stagesSection(all []gate.StageReport) markup {
	var rows []gridRow
	for _, s := range all {
		cells := stageCells(s)
		color := map[gate.StageState]string{gate.StagePassed: green, gate.StageParked: yellow, gate.StageEnded: red}[s.State]
		row := gridRow{cells: []markup{code(s.Name), badge(color, cells[0])}}
		for _, c := range cells[1:] {
			row.cells = append(row.cells, line(c))
		}
		rows = append(rows, gridRow{cells: append(row.cells, line(approvalSentence(s.Approval)))})
	}
	return tableSection("Stages", "What each stage gave to whom", columns("Stage", "State", "New pods", "#Held", "#Took", "Approval"), rows)
}

func undoSection(u *gate.Undo) markup {
	if u == nil {
		return ""
	}
	var rows []gridRow
	for _, o := range firstOf(u.Objects, maxRows, notBack) {
		result := []markup{line(o.Result)}
		for _, sentence := range keptSentences(o.Kept, maxKept) {
			result = append(result, line(sentence))
		}
		rows = append(rows, gridRow{cells: []markup{code(o.Object.String()), line(o.Action), join("<br>", result...)}})
	}
	title := join(" ", "Undo:", text(undoText(u)))
	if len(rows) == 0 {
		return tag("section", nil, tag("h2", nil, title)) + "\n"
	}
	return tableSection(title, "What was put back", columns("Object", "Action", "Result"), rows)
}

// changes lists what was written, each with its diff folded; of a plan the diffs stand open.
func (p *htmlPage) changes(r gate.Report) {
	if len(r.Changes) == 0 {
		return
	}
	var rows []gridRow
	for _, c := range r.Changes {
		color := map[string]string{"created": green, "configured": yellow, "deleted": red, "pruned": red, "removed": red}[c.Action]
		action := tag("span", attrs{"class", "action " + colorClass(color)}, line(c.Action))
		rows = append(rows, gridRow{cells: []markup{code(c.Object.String()), action, code(place(c.Source.Path, c.Source.Line))}})
	}
	caption := markup("What was written, in the order of writing")
	if r.Run.Command == "plan" {
		caption = "What would be written, in the order of writing"
	}
	p.section(tableSection("Changes", caption, columns("Object", "Action", "Manifest"), rows))
	for _, c := range r.Changes {
		if c.Diff != "" {
			p.spare(folded(r.Run.Command == "plan" && len(r.Changes) < 10, join(" ", "Diff of", code(c.Object.String())), diffLines(c.Diff)), roomForEvents)
		}
	}
}

// roomForEvents is what the diffs leave of the page for the notes and the events, in bytes.
const roomForEvents = 200 << 10

// diffLines colours a diff; its signs stay, so that it can be read without colours.
func diffLines(diff string) markup {
	var b strings.Builder
	for l := range strings.SplitSeq(strings.TrimRight(Sanitize(diff, 500, 400), "\n"), "\n") {
		class := ""
		switch {
		case strings.HasPrefix(l, "+++"), strings.HasPrefix(l, "---"):
			class = "file"
		case strings.HasPrefix(l, "+"):
			class = "add"
		case strings.HasPrefix(l, "-"):
			class = "del"
		case strings.HasPrefix(l, "@@"):
			class = "at"
		}
		if class == "" {
			b.WriteString(string(text(l)) + "\n")
			continue
		}
		b.WriteString(string(tag("span", attrs{"class", class}, text(l))) + "\n")
	}
	return tag("pre", attrs{"class", "diff", "tabindex", "0"}, markup(b.String()))
}

func notesSection(notes []string) markup {
	var items []markup
	for _, n := range notes[:min(len(notes), maxRows)] {
		items = append(items, line(n))
	}
	if len(items) == 0 {
		return ""
	}
	return tag("section", nil, tag("h2", nil, "Notes"), list("notes", items)) + "\n"
}

// timeline is every event, folded. It takes what room there is: of too many the first ones.
func (p *htmlPage) timeline(r gate.Report) {
	rows := eventRows(r, p.room())
	for len(rows) > 0 {
		words := "All that happened: " + count(len(rows), "event")
		if len(rows) < len(r.Timeline) {
			words = fmt.Sprintf("What happened: the first %d of %s, all in the JSON report", len(rows), count(len(r.Timeline), "event"))
		}
		table := grid("Time since the run began, and what happened then", columns("#Time", "Type", "Object", "What"), rows)
		part := tag("section", nil, tag("h2", nil, "Events"), folded(false, text(words), table)) + "\n"
		if len(part) <= p.room() {
			p.section(part)
			return
		}
		rows = rows[:len(rows)*9/10]
	}
}

// eventRows are the events from the first one on, until their cells alone would take more than room.
func eventRows(r gate.Report, room int) []gridRow {
	var rows []gridRow
	for _, e := range r.Timeline {
		row := gridRow{cells: []markup{
			tag("time", attrs{"datetime", e.Time.UTC().Format(time.RFC3339)}, text(Elapsed(e.Time.Sub(r.Run.Started)))),
			line(string(e.Type)), code(objectName(e)), text(clip(oneLine(EventText(e)), 400)),
		}}
		if class := eventClass(e.Type); class != "" {
			row.class = "event-" + class
		}
		for _, c := range row.cells {
			room -= len(c)
		}
		if room < 0 {
			break
		}
		rows = append(rows, row)
	}
	return rows
}

func objectName(e gate.Event) string {
	if e.Object.Name == "" {
		return ""
	}
	return e.Object.String()
}

// eventClass marks the rows that a reader looks for.
func eventClass(t gate.EventType) string {
	switch t {
	case gate.EventWarning, gate.EventVerdict, gate.EventUndo, gate.EventStep:
		return string(t)
	}
	return ""
}

func backtestSection(all []analysis.Replay) markup {
	var rows []gridRow
	for _, b := range all {
		var cells []markup
		for i, c := range replayCells(b) {
			if i == 0 {
				cells = append(cells, code(c))
				continue
			}
			cells = append(cells, line(c))
		}
		rows = append(rows, gridRow{cells: append(cells, line(replayProblem(b)))})
	}
	return tableSection("Backtest", markup("How each criterion would have judged the past. "+pastRollouts),
		columns("Criterion", "#Windows", "#Empty", "#Would fail", "#Limit", "#Median", "#Worst", "#Suggested", "Problem"), rows)
}

func drillSection(all []gate.Exercise) markup {
	var rows []gridRow
	for _, e := range all {
		cells := exerciseCells(e)
		color := map[bool]string{true: green, false: red}[e.Caught]
		rows = append(rows, gridRow{cells: []markup{
			code(cells[0]), badge(color, strings.ToLower(cells[1])), line(cells[2]), code(cells[3]), line(cells[4]), line(exerciseText(e)),
		}})
	}
	return tableSection("Drill", "What became of each fault", columns("Fault", "Caught", "#After", "Cause", "Undo", "What was wrong"), rows)
}
