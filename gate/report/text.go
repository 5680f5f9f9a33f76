// Package report renders the result of a run for people and machines.
//
// Takes: a gate.Report, from which secrets have been redacted already, or the events of a run while it goes on. Returns:
// text for a console, Markdown for a CI summary, JSON and NDJSON with their schemas, test results, series. Never: decides anything that the report does not say, detects a terminal or a CI
// system, reads the clock, or prints text from a cluster that was not sanitised.
package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Options are what a console can do.
type Options struct {
	Color bool
	Width int    // of a line; 0 means 100
	Fold  Folder // nil: long parts stand as they are
	// Dir is the folder that the report was written to, with the files that it names; empty: to none.
	Dir string
	// BeforeLast is called when only the last line is missing, for a CI system that wants something said before it.
	BeforeLast func()
}

// Folder marks a part of the output that the reader of a CI log may unfold. Parts are never nested.
type Folder interface {
	Open(title string)
	Close()
}

// Rows that are printed before a list is cut short. The JSON report is never cut.
const (
	maxChanges   = 15
	maxWorkloads = 40
	maxNotes     = 8
	maxKept      = 10 // of one object
)

// Text writes the final block of a run. What matters stands at the end, where the reader of a log looks first: the
// diagnosis, and as the last line the verdict and the state of the cluster.
func Text(w io.Writer, r gate.Report, o Options) error {
	if o.Width <= 0 {
		o.Width = 100
	}
	o.Width = min(o.Width, 120) // longer lines are hard to read
	p := &page{Options: o}
	if err := p.body(w, r); err != nil {
		return err
	}
	if o.BeforeLast != nil {
		if err := p.flush(w); err != nil {
			return err
		}
		o.BeforeLast()
	}
	p.line("\n%s", p.paint(LastLine(r), bold, verdictColor(r)))
	return p.flush(w)
}

// body writes everything but the last line.
func (p *page) body(w io.Writer, r gate.Report) error {
	if len(r.Clusters) > 0 {
		return p.clusters(w, r)
	}
	p.command("command", r.Command)
	p.changes(r)
	if err := p.diffs(w, r); err != nil {
		return err
	}
	p.stages(r.Stages)
	p.workloads(r.Workloads)
	p.criteria(r)
	p.backtest(r.Backtest)
	p.drill(r.Drill)
	p.command("undo command", undoCommandOf(r.Undo))
	p.undo(r.Undo)
	p.keptPod(r.Undo)
	p.logs(r.Logs)
	p.notes(r)
	p.diagnosis(r)
	return nil
}

// LastLine is the last line of every run: the code, its name and the state that the cluster was left in. A diagnosis
// judges nothing, so its line has no name for what it says.
func LastLine(r gate.Report) string {
	if r.Run.Command == "diagnose" && (r.Exit.Code == 0 || r.Exit.Code == gate.RolloutFailed.Code()) {
		return fmt.Sprintf("rolloutgate: %s (exit %d)", oneLine(r.Exit.State), r.Exit.Code)
	}
	return fmt.Sprintf("rolloutgate: %s (exit %d): %s", r.Exit.Name, r.Exit.Code, oneLine(r.Exit.State))
}

// flush writes what was collected so far.
func (p *page) flush(w io.Writer) error {
	if _, err := p.WriteTo(w); err != nil {
		return fmt.Errorf("writing the report as text: %w", err)
	}
	return nil
}

// explains says whether the findings are why the run ended as it did, and not remarks beside a good end.
func explains(r gate.Report) bool {
	return len(r.Findings) > 0 && (r.Exit.Code != 0 || r.Run.Command == "diagnose")
}

func (p *page) changes(r gate.Report) {
	if len(r.Changes) == 0 {
		return
	}
	var rows []row
	unchanged := 0
	for _, c := range r.Changes {
		if c.Action == "unchanged" {
			unchanged++
			continue
		}
		rows = append(rows, row{
			cells: []string{oneLine(c.Action), oneLine(c.Object.String()), place(c.Source.Path, c.Source.Line)},
			style: map[string]string{"created": green, "configured": yellow, "deleted": red, "pruned": red, "removed": red}[c.Action],
		})
	}
	title := "changes"
	if unchanged > 0 {
		title += fmt.Sprintf("  %d of %s unchanged", unchanged, count(len(r.Changes), "object"))
	}
	p.table([]string{title}, 0, cut(rows, maxChanges))
}

// diffs prints what a plan would change. A run that applies has done it, and its log does not need it.
func (p *page) diffs(w io.Writer, r gate.Report) error {
	if r.Run.Command != "plan" {
		return nil
	}
	for _, c := range r.Changes {
		if c.Diff == "" {
			continue
		}
		title := oneLine(c.Object.String() + " " + c.Action)
		if p.Fold == nil {
			p.heading("diff", title)
		} else if err := p.flush(w); err != nil {
			return err
		} else {
			p.Fold.Open(title)
		}
		for line := range strings.SplitSeq(strings.TrimRight(Sanitize(c.Diff, 2000, 1000), "\n"), "\n") {
			p.line("%s", p.diffLine(line))
		}
		if p.Fold != nil {
			if err := p.flush(w); err != nil {
				return err
			}
			p.Fold.Close()
		}
	}
	return nil
}

func (p *page) diffLine(line string) string {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
		return p.paint(line, bold)
	case strings.HasPrefix(line, "+"):
		return p.paint(line, green)
	case strings.HasPrefix(line, "-"):
		return p.paint(line, red)
	case strings.HasPrefix(line, "@@"):
		return p.paint(line, cyan)
	}
	return line
}

func (p *page) workloads(all []rollout.Status) {
	if len(all) == 0 {
		return
	}
	var rows []row
	for _, s := range firstOf(all, maxWorkloads, unfinished) {
		rows = append(rows, row{
			cells: append([]string{oneLine(s.Ref.String())}, statusCells(s)...),
			style: phaseColor(s.Phase),
			below: []string{awaited(s)},
		})
	}
	p.table([]string{"workloads", "phase", "new", "ready", "available", "old", ""}, 1, cut(rows, maxWorkloads))
}

func (p *page) undo(u *gate.Undo) {
	if u == nil {
		return
	}
	word := p.paint(oneLine(string(u.Result)), wordColor(string(u.Result)))
	if u.Duration > 0 {
		word += " in " + Elapsed(time.Duration(u.Duration*float64(time.Second)))
	}
	var rows []row
	for _, o := range firstOf(u.Objects, maxChanges, notBack) {
		undone := row{cells: []string{oneLine(o.Action), oneLine(o.Object.String())}}
		if o.Result != "ok" {
			undone.style, undone.below = red, []string{oneLine(o.Result)}
		}
		for _, sentence := range keptSentences(o.Kept, maxKept) {
			undone.below = append(undone.below, oneLine(sentence))
		}
		rows = append(rows, undone)
	}
	p.table([]string{"undo  " + word}, 0, cut(rows, maxChanges))
}

// notes prints the remarks of the run, and findings that did not decide it.
func (p *page) notes(r gate.Report) {
	notes := append([]string(nil), r.Notes...)
	if !explains(r) {
		for _, f := range r.Findings {
			note := fmt.Sprintf("%s, %s: %s", f.Code, f.Object, f.Cause)
			if len(f.Fix) > 0 {
				note += "; to mend it: " + strings.Join(f.Fix, "; ")
			}
			notes = append(notes, note)
		}
	}
	if len(notes) == 0 {
		return
	}
	p.heading("notes", "")
	for _, note := range notes[:min(len(notes), maxNotes)] {
		for i, line := range wrap(oneLine(note), p.Width-4) {
			p.line("  %s %s", map[bool]string{true: "-", false: " "}[i == 0], line)
		}
	}
	if missing := len(notes) - maxNotes; missing > 0 {
		p.line("  … %d more, all in the JSON report", missing)
	}
}
