package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// maxStages are the rows that are printed of a run's stages.
const maxStages = 20

// stages is a table of what each stage has given to whom, and what has become of it.
func (p *page) stages(all []gate.StageReport) {
	var rows []row
	for _, s := range all {
		rows = append(rows, row{
			cells: append([]string{oneLine(s.Name)}, stageCells(s)...),
			style: map[gate.StageState]string{gate.StagePassed: green, gate.StageParked: yellow, gate.StageEnded: red}[s.State],
			below: []string{oneLine(approvalSentence(s.Approval))},
		})
	}
	if len(rows) > 0 {
		p.table([]string{"stages", "state", "new pods", "held", "took"}, 1, cut(rows, maxStages))
	}
}

func (d *document) stages(all []gate.StageReport) {
	var rows [][]string
	for _, s := range all {
		cells := []string{codeCell(s.Name)}
		for _, cell := range stageCells(s) {
			cells = append(cells, escapeMarkdown(cell))
		}
		rows = append(rows, append(cells, escapeMarkdown(approvalSentence(s.Approval))))
	}
	d.titled("### Stages", []string{"Stage", "State", "New pods", "Held", "Took", "Approval"}, rows)
}

// stageCells are the state of a stage, how many pods become new, for how long it is held, and what it took.
func stageCells(s gate.StageReport) []string {
	var pods []string
	for _, w := range s.Pods {
		pods = append(pods, fmt.Sprintf("%d of %s", w.New, oneLine(w.Object.String())))
	}
	held, took := "-", "-"
	if s.Hold > 0 {
		held = Duration(time.Duration(s.Hold * float64(time.Second)))
	}
	if !s.Started.IsZero() && !s.Finished.IsZero() {
		took = Elapsed(s.Finished.Sub(s.Started))
	}
	if len(pods) == 0 {
		pods = []string{"-"}
	}
	return []string{oneLine(strings.ReplaceAll(string(s.State), "-", " ")), strings.Join(pods, ", "), held, took}
}

// approvalSentence says who has answered, or who may; empty for a stage that nobody has to approve.
func approvalSentence(a *gate.StageApproval) string {
	switch {
	case a == nil:
		return ""
	case a.By != "":
		text := "rejected by " + a.By
		if a.Approved {
			text = "approved by " + a.By
		}
		if a.Reason != "" {
			text += ": " + a.Reason
		}
		return text
	case a.Park:
		return "goes on when somebody resumes it"
	case a.Who != "":
		return "to be approved by " + a.Who
	}
	return "to be approved"
}
