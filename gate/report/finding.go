package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// maxFindings is how many causes a person is asked to read; the rest is counted.
const maxFindings = 3

// depth is how much of a finding is quoted: what helps for the headline, less for those after it.
type depth struct{ proofs, logLines, fixes int }

// diagnosis explains a bad end. The headline stands below the lesser findings, because a log is read from its end. Why
// the undo did not succeed comes last: that is what a person has to repair first.
func (p *page) diagnosis(r gate.Report) {
	if explains(r) {
		shown := r.Findings[:min(len(r.Findings), maxFindings)]
		for i := len(shown) - 1; i > 0; i-- {
			p.rule("─", "also: "+subject(shown[i]), breadth(shown[i]), yellow)
			p.finding(shown[i], depth{proofs: 2, logLines: 5, fixes: 1}, r.Run.Started)
		}
		if missing := len(r.Findings) - maxFindings; missing > 0 {
			p.line("\n%s in the JSON report", count(missing, "more finding"))
		}
		p.rule("━", subject(shown[0]), breadth(shown[0]), bold, verdictColor(r.Exit.Code))
		p.finding(shown[0], depth{proofs: 6, logLines: 20, fixes: 5}, r.Run.Started)
	}
	if r.Undo != nil && r.Undo.Result != gate.UndoVerified && len(r.Undo.Findings) > 0 {
		f := r.Undo.Findings[0]
		p.rule("━", "undo: "+subject(f), breadth(f), bold, red)
		p.finding(f, depth{proofs: 2, logLines: 10, fixes: 3}, r.Run.Started)
	}
}

func (p *page) finding(f diagnosis.Finding, d depth, started time.Time) {
	for _, line := range wrap(oneLine(f.Cause), p.Width) {
		p.line("%s", p.paint(line, bold))
	}
	p.line("")
	if f.Object.Name != "" {
		p.labelled("where", whereabouts(f, started))
	}
	for _, proof := range f.Evidence[:min(len(f.Evidence), d.proofs)] {
		p.proof(proof, d.logLines, started)
	}
	for i, fix := range f.Fix[:min(len(f.Fix), d.fixes)] {
		label := ""
		if i == 0 {
			label = "fix"
		}
		if len(f.Fix) > 1 && d.fixes > 1 {
			fix = fmt.Sprintf("%d. %s", i+1, fix)
		}
		p.labelled(label, oneLine(fix), cyan)
	}
	if f.File != "" || f.FieldPath != "" {
		p.labelled("manifest", strings.TrimSpace(place(f.File, f.Line)+"  "+oneLine(f.FieldPath)), bold)
	}
	if f.Rule != "" {
		p.labelled("rule", oneLine(f.Rule))
	}
	if f.Knob != "" {
		p.labelled("to tune", oneLine(f.Knob))
	}
}

// About is the workload that a finding explains; findings of the whole run have their object only.
func About(f diagnosis.Finding) manifest.Ref {
	if f.Workload.Name != "" {
		return f.Workload
	}
	return f.Object
}

// subject names the cause and the workload; a finding about no object, such as a criterion, is named by its detail.
func subject(f diagnosis.Finding) string {
	switch about := About(f); {
	case about.Name != "":
		return oneLine(f.Code + " in " + about.String())
	case f.Detail != "":
		return Sanitize(f.Code+": "+f.Detail, 1, 60)
	}
	return oneLine(f.Code)
}

// breadth says how sure the finding is and how many pods it hit.
func breadth(f diagnosis.Finding) string {
	words := oneLine(string(f.Confidence))
	if f.PodsTotal > 0 {
		words += fmt.Sprintf(", %d of %s", f.PodsAffected, count(f.PodsTotal, "pod"))
	}
	return strings.TrimPrefix(words, ", ")
}

// whereabouts says what a finding is about, how often it was seen and since when.
func whereabouts(f diagnosis.Finding, started time.Time) string {
	words := oneLine(f.Object.String())
	if f.Container != "" {
		words += ", container " + oneLine(f.Container)
	}
	if n := len(f.Nodes); n > 0 {
		words += ", on " + oneLine(strings.Join(f.Nodes[:min(n, 3)], ", "))
		if n > 3 {
			words += fmt.Sprintf(" and %s", count(n-3, "more node"))
		}
	}
	if f.Count > 1 {
		words += fmt.Sprintf("; seen %d times", f.Count)
		if since := sinceStart(f.FirstSeen, started); since != "" {
			words += ", first " + since
		}
	}
	return words
}

// sinceStart places a moment in the run; empty when that would say nothing.
func sinceStart(t, started time.Time) string {
	if t.IsZero() || started.IsZero() || t.Before(started) {
		return ""
	}
	return "at " + Elapsed(t.Sub(started))
}

// proof quotes one piece of evidence behind a bar, so that nobody takes the words of a cluster for ours.
func (p *page) proof(proof diagnosis.Proof, logLines int, started time.Time) {
	title := []string{oneLine(proof.Type)}
	if proof.Ref != "" {
		title = append(title, oneLine(proof.Ref))
	}
	if since := sinceStart(proof.Time, started); since != "" {
		title = append(title, since)
	}
	split, limit := wrap, 12
	if proof.Type == "log" || proof.Type == "diff" {
		split, limit = hardWrap, logLines
	}
	lines, total := tail(proof.Text, limit)
	if total > len(lines) {
		title = append(title, fmt.Sprintf("last %d of %s", len(lines), count(total, "line")))
	}
	p.labelled("evidence", strings.Join(title, ", "))
	for _, line := range lines {
		for i, part := range split(line, p.Width-10) {
			indent := " "
			if i > 0 {
				indent = "   "
			}
			p.line("      %s%s%s", p.paint("│", dim), indent, part)
		}
	}
}
