package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// MaxMarkdown is the size that Markdown keeps below. GitHub drops a whole summary above 1 MiB, and other steps of the
// job write theirs too.
const MaxMarkdown = 512 << 10

// maxMarkdownRows is how many rows a table has: whoever reads the page of a run with hundreds of workloads looks for the few
// that matter.
const maxMarkdownRows = 100

// maxFolded is how many lines of one log are folded into the page.
const maxFolded = 200

// Markdown writes the report for the summary page of a CI run: the verdict first, then why, then the numbers. Cluster
// text stands in code or is escaped.
func Markdown(w io.Writer, r gate.Report) error {
	d := &document{started: r.Run.Started}
	d.verdict(r)
	d.body(r)
	if d.left > 0 {
		fmt.Fprintf(d, "\n_%s left out to keep this page small; the JSON report has everything._\n", count(d.left, "part"))
	}
	if _, err := d.WriteTo(w); err != nil {
		return fmt.Errorf("writing the report as Markdown: %w", err)
	}
	return nil
}

// body is everything but the verdict.
func (d *document) body(r gate.Report) {
	if len(r.Clusters) > 0 {
		d.clusters(r)
		return
	}
	d.findings(r)
	d.criteria(r)
	d.backtest(r)
	d.drill(r)
	d.command("Command", r.Command)
	d.stages(r.Stages)
	d.workloads(r)
	d.command("Undo command", undoCommandOf(r.Undo))
	d.undo(r.Undo)
	d.keptPod(r.Undo)
	d.logs(r.Logs)
	d.changes(r)
	if len(r.Notes) > 0 {
		d.section("\n### Notes\n\n")
		for _, note := range r.Notes {
			d.section("- " + escapeMarkdown(note) + "\n")
		}
	}
}

// document collects Markdown and leaves out what would make it too large.
type document struct {
	bytes.Buffer
	started time.Time
	left    int
}

// section adds a part that is complete in itself: a part is never cut, because the rest of the page would end inside
// of its code block.
func (d *document) section(text string) {
	if d.Len()+len(text) > MaxMarkdown-200 { // room for the last words
		d.left++
		return
	}
	d.WriteString(text)
}

func (d *document) verdict(r gate.Report) {
	sign := map[string]string{green: "✅", yellow: "⚠️", red: "❌"}[verdictColor(r)]
	rows := [][]string{
		{"**State**", "**" + escapeMarkdown(r.Exit.State) + "**"},
	}
	if r.Exit.Error != "" {
		rows = append(rows, []string{"**Error**", escapeMarkdown(r.Exit.Error)})
	}
	if explains(r) {
		f := r.Findings[0]
		rows = append(rows, []string{"**Cause**", codeCell(f.Code) + " " + escapeMarkdown(f.Cause)})
		if changes := changedWords(f); len(changes) > 0 {
			rows = append(rows, []string{"**Changed**", codeCell(changes[0])})
		}
	}
	if r.Undo != nil {
		rows = append(rows, []string{"Undo", undoWords(r.Undo)})
	}
	rows = append(rows, []string{"Namespace", codeCell(r.Run.Namespace)})
	if r.Run.Context != "" {
		rows = append(rows, []string{"Context", codeCell(r.Run.Context)})
	}
	rows = append(rows, []string{"Took", Elapsed(r.Run.Finished.Sub(r.Run.Started))})
	verdict := fmt.Sprintf("**%s** (exit %d)", escapeMarkdown(verdictWord(r)), r.Exit.Code)
	d.section(markdownTable([]string{sign + " rolloutgate " + escapeMarkdown(r.Run.Command), verdict}, rows))
}

func undoWords(u *gate.Undo) string {
	words := escapeMarkdown(string(u.Result))
	if u.Duration > 0 {
		words += " in " + Elapsed(time.Duration(u.Duration*float64(time.Second)))
	}
	return words
}

func (d *document) findings(r gate.Report) {
	for i, f := range r.Findings[:min(len(r.Findings), maxFindings)] {
		switch {
		case explains(r) && i == 0:
			d.finding("### Why: ", f, r.Layers)
		case !explains(r) || f.Terminal == diagnosis.TerminalContext:
			d.finding("### Noted: ", f, nil)
		default:
			d.finding("### Also: ", f, nil)
		}
	}
	if rest := restWords(r.Findings); rest != "" {
		d.section("\n" + escapeMarkdown(rest+"; all in the JSON report") + "\n")
	}
	if r.Undo != nil && r.Undo.Result != gate.UndoVerified {
		for _, f := range r.Undo.Findings[:min(len(r.Undo.Findings), maxFindings)] {
			d.finding("### Why the undo did not succeed: ", f, nil)
		}
	}
}

func (d *document) finding(title string, f diagnosis.Finding, layers []diagnosis.Layered) {
	var b strings.Builder
	where := ""
	if about := About(f); about.Name != "" {
		where = " in " + codeSpan(about.String())
	}
	fmt.Fprintf(&b, "\n%s%s%s\n\n%s\n\n", title, codeSpan(f.Code), where, escapeMarkdown(f.Cause))
	item := func(label, text string) {
		if text != "" {
			fmt.Fprintf(&b, "- **%s** %s\n", label, text)
		}
	}
	for _, change := range changedWords(f) {
		item("Changed in this rollout:", codeSpan(change))
	}
	item("Manifest:", strings.TrimSpace(codeSpan(place(f.File, f.Line))+" "+codeSpan(f.FieldPath)))
	for _, fix := range f.Fix {
		item("Fix:", escapeMarkdown(fix))
	}
	item("Where:", escapeMarkdown(whereabouts(f, d.started)))
	item("How sure:", escapeMarkdown(breadth(f)))
	if showsLayers(f, layers) {
		item("Layers:", layersLine(layers))
	}
	if f.Terminal != diagnosis.TerminalContext {
		item("Rule:", escapeMarkdown(f.Rule))
	}
	item("To tune:", codeSpan(f.Knob))
	for _, proof := range otherProofs(f) {
		b.WriteString(d.proof(proof))
	}
	if showsLayers(f, layers) {
		b.WriteString(layersDetails(layers))
	}
	d.section(b.String())
}

// proof quotes one piece of evidence: of a log what matters, and all of it folded.
func (d *document) proof(proof diagnosis.Proof) string {
	title := proofTitle(proof, d.started, codeSpan)
	title[0] = escapeMarkdown(title[0])
	all, _ := proofLines(proof)
	q := quoteLines(proof, logLines)
	if part := q.part(); part != "" {
		title = append(title, part)
	}
	text := "\nEvidence: " + strings.Join(title, ", ")
	if q.headline >= 0 && len(q.lines) > 1 {
		text += "; it says " + codeSpan(q.lines[q.headline])
	}
	text += "\n\n" + codeBlock("text", q.lines)
	if len(q.lines) < len(all) {
		all = all[max(0, len(all)-maxFolded):]
		text += "\n<details><summary>" + count(len(all), "line") + "</summary>\n\n" + codeBlock("text", all) + "\n</details>\n"
	}
	return text
}

func (d *document) workloads(r gate.Report) {
	var rows [][]string
	for _, s := range firstOf(r.Workloads, maxMarkdownRows, unfinished) {
		cells := append(statusCells(s), "-", "-", "-", "-")
		cells[0] = escapeMarkdown(cells[0])
		rows = append(rows, append(append([]string{codeCell(s.Ref.String())}, cells[:5]...), escapeMarkdown(awaited(s))))
	}
	d.titled("### Workloads", []string{"Workload", "Phase", "New", "Ready", "Available", "Old", "Awaited"}, rows)
}

func (d *document) undo(u *gate.Undo) {
	if u == nil {
		return
	}
	var rows [][]string
	for _, o := range firstOf(u.Objects, maxMarkdownRows, notBack) {
		result := []string{escapeMarkdown(o.Result)}
		for _, sentence := range keptSentences(o.Kept, maxKept) {
			result = append(result, escapeMarkdown(sentence))
		}
		rows = append(rows, []string{codeCell(o.Object.String()), escapeMarkdown(o.Action), strings.Join(result, "<br>")})
	}
	d.titled("### Undo: "+undoWords(u), []string{"Object", "Action", "Result"}, rows)
}

func (d *document) changes(r gate.Report) {
	var rows [][]string
	for _, c := range r.Changes {
		rows = append(rows, []string{
			codeCell(c.Object.String()), escapeMarkdown(c.Action), codeCell(place(c.Source.Path, c.Source.Line)),
		})
	}
	d.titled("### Changes", []string{"Object", "Action", "Manifest"}, rows)
	for _, c := range r.Changes {
		if c.Diff == "" {
			continue
		}
		diff := strings.Split(strings.TrimRight(Sanitize(c.Diff, 500, 400), "\n"), "\n")
		d.section("\n<details><summary>" + escapeMarkdown(c.Object.String()) + "</summary>\n\n" +
			codeBlock("diff", diff) + "\n</details>\n")
	}
}

// titled adds a table with a title, if it has rows.
func (d *document) titled(title string, head []string, rows [][]string) {
	missing := len(rows) - maxMarkdownRows
	if missing > 0 {
		rows = rows[:maxMarkdownRows]
	}
	if len(rows) > 0 {
		d.section("\n" + title + "\n\n" + markdownTable(head, rows))
	}
	if missing > 0 {
		d.section(fmt.Sprintf("\n_%d more, all in the JSON report._\n", missing))
	}
}

// markdownTable joins cells that are Markdown already.
func markdownTable(head []string, rows [][]string) string {
	var b strings.Builder
	b.WriteString("| " + strings.Join(head, " | ") + " |\n|" + strings.Repeat(" --- |", len(head)) + "\n")
	for _, cells := range rows {
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	return b.String()
}
