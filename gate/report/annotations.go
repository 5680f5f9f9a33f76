package report

import (
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// Annotation is a message for a CI system that shows it beside a line of a file. File is empty when there is no line to
// point at, and "-" for standard input.
type Annotation struct {
	Title, Message, File string
	Line                 int
}

// Annotations lists what has to be said about a run that did not pass: the headline, why the undo did not succeed, then
// two other causes; the rest is counted. Where nothing was diagnosed the criteria speak, or else the verdict itself.
func Annotations(r gate.Report) []Annotation {
	if r.Exit.Code == 0 {
		return nil
	}
	findings := append([]diagnosis.Finding(nil), r.Findings[:min(len(r.Findings), 1)]...)
	if r.Undo != nil && r.Undo.Result != gate.UndoVerified {
		findings = append(findings, r.Undo.Findings...)
	}
	for _, f := range r.Findings[min(len(r.Findings), 1):min(len(r.Findings), maxFindings)] {
		if f.Terminal != diagnosis.TerminalContext {
			findings = append(findings, f)
		}
	}
	var all []Annotation
	for i, f := range findings {
		message := f.Cause
		if changes := changedWords(f); len(changes) > 0 {
			message += "\nChanged in this rollout: " + strings.Join(changes[:min(len(changes), 3)], "; ")
		}
		if len(f.Fix) > 0 {
			message += "\nFix: " + f.Fix[0]
		}
		if rest := restWords(r.Findings); i == 0 && rest != "" {
			message += "\n" + rest
		}
		a := annotation(subject(f), message+"\n"+r.Exit.State)
		a.File, a.Line = f.File, f.Line
		all = append(all, a)
	}
	for _, c := range r.Criteria {
		if len(findings) == 0 && c.Verdict == analysis.Fail && !c.ReportOnly {
			all = append(all, annotation("criterion "+c.Name+" failed", c.Reason+"\n"+r.Exit.State))
		}
	}
	if len(all) == 0 {
		a := annotation("rolloutgate: "+r.Exit.Name, strings.TrimPrefix(r.Exit.Error+"\n"+r.Exit.State, "\n"))
		a.File, a.Line = r.Exit.File, r.Exit.Line
		all = append(all, a)
	}
	return all
}

// annotation keeps the message below the 4096 characters at which GitHub cuts it.
func annotation(title, message string) Annotation {
	return Annotation{Title: clip(oneLine(title), 120), Message: Sanitize(message, 10, 350)}
}
