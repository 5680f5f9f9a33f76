package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// MaxHTML is the size that the page keeps below, in bytes: what CI systems show of an artifact is bounded, and a phone
// has to open it.
const MaxHTML = 1_000_000

//go:embed html.css
var styles string

// HTML writes the report as one page that needs nothing else: no script, no network. The verdict is first, then the run
// as a drawing, then why, then the numbers. Cluster text is escaped, and the page forbids itself to load or run anything.
func HTML(w io.Writer, r gate.Report) error {
	p := &htmlPage{started: r.Run.Started}
	p.head(r)
	p.section(verdictHeader(r))
	p.body(r)
	p.foot(r)
	if _, err := p.WriteTo(w); err != nil {
		return fmt.Errorf("writing the report as HTML: %w", err)
	}
	return nil
}

// body is everything but the verdict.
func (p *htmlPage) body(r gate.Report) {
	if len(r.Clusters) > 0 {
		p.clusters(r)
		return
	}
	p.section(runSection(r))
	p.findings(r)
	p.criteria(r)
	p.section(backtestSection(r.Backtest))
	p.section(drillSection(r.Drill))
	p.section(commandSection("Command", r.Command))
	p.section(stagesSection(r.Stages))
	p.section(workloadsSection(r.Workloads))
	p.section(commandSection("Undo command", undoCommandOf(r.Undo)))
	p.section(undoSection(r.Undo))
	p.section(keptPodSection(r.Undo))
	p.section(logsSection(r.Logs))
	p.changes(r)
	p.section(notesSection(r.Notes))
	p.timeline(r)
}

// htmlPage collects the page and leaves out what would make it too large.
type htmlPage struct {
	bytes.Buffer
	started time.Time
	left    int
	taken   int // by the page that this one becomes a part of
}

// room is what is left of the page, but for its last words.
func (p *htmlPage) room() int { return MaxHTML - 4<<10 - p.Len() - p.taken }

// section adds a part that is complete in itself, or counts it.
func (p *htmlPage) section(part markup) {
	p.spare(part, 0)
}

// spare adds a part only where it leaves so much room for what follows.
func (p *htmlPage) spare(part markup, left int) {
	if len(part) > p.room()-left {
		p.left++
		return
	}
	p.WriteString(string(part))
}

func (p *htmlPage) head(r gate.Report) {
	title := join(" · ", line(verdictWord(r)), line(r.Run.Command), line(r.Run.Namespace))
	p.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n" +
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n" +
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'\">\n" +
		string(tag("title", nil, title, " · rolloutgate")) + "\n" +
		"<link rel=\"icon\" href=\"data:,\">\n<style>\n" + styles + "</style>\n</head>\n<body>\n" + string(hatching()) + "<main>\n")
}

func (p *htmlPage) foot(r gate.Report) {
	p.WriteString("</main>\n<footer>\n")
	if p.left > 0 {
		p.WriteString(string(tag("p", nil, text(count(p.left, "part")+" left out to keep this page small; the JSON report has everything."))))
	}
	p.WriteString(string(tag("p", nil, "rolloutgate ", line(r.Run.Version), ", run ", tag("code", nil, line(r.Run.ID)))))
	p.WriteString("\n</footer>\n</body>\n</html>\n")
}

// verdictHeader is the verdict in one sentence, and what a reader asks next.
func verdictHeader(r gate.Report) markup {
	color := verdictColor(r)
	lead := tag("p", attrs{"class", "lead"},
		badge(color, verdictWord(r)), " ", tag("span", attrs{"class", "muted"}, text(fmt.Sprintf("exit %d", r.Exit.Code))), " ",
		tag("span", attrs{"class", "muted"}, "rolloutgate ", line(r.Run.Command)))
	sentence := oneLine(r.Exit.State)
	if sentence == "" {
		sentence = verdictWord(r)
	}
	return tag("header", attrs{"class", "verdict " + colorClass(color)},
		lead, tag("h1", nil, breakable(sentence)), verdictFacts(r)) + "\n"
}

func verdictFacts(r gate.Report) markup {
	var cause, changed, undo markup
	if explains(r) {
		f := r.Findings[0]
		cause = join(" ", code(f.Code), text(clip(oneLine(f.Cause), 300)))
		if changes := changedWords(f); len(changes) > 0 {
			changed = code(changes[0])
		}
	}
	if r.Exit.Error != "" {
		cause = text(clip(oneLine(r.Exit.Error), 1000))
	}
	if r.Undo != nil {
		undo = text(undoText(r.Undo))
	}
	p := r.Run.Pipeline
	var took markup
	if !r.Run.Finished.IsZero() {
		took = text(Elapsed(r.Run.Finished.Sub(r.Run.Started)))
	}
	return facts("facts", fact{"Cause", cause}, fact{"Changed", changed}, fact{"Undo", undo}) +
		facts("meta",
			fact{"Took", took}, fact{"Began", clock(r.Run.Started)},
			fact{"Namespace", code(r.Run.Namespace)}, fact{"Context", code(r.Run.Context)},
			fact{"Pipeline", join(", ", link(p.URL), line(p.System))}, fact{"Commit", code(p.Commit)}, fact{"By", line(p.Actor)},
		)
}

// undoText is the result of an undo and how long it took.
func undoText(u *gate.Undo) string {
	words := oneLine(string(u.Result))
	if u.Duration > 0 {
		words += " in " + Elapsed(time.Duration(u.Duration*float64(time.Second)))
	}
	return words
}

// clock is a moment for people and for machines.
func clock(t time.Time) markup {
	if t.IsZero() {
		return ""
	}
	t = t.UTC()
	return tag("time", attrs{"datetime", t.Format(time.RFC3339)}, text(t.Format("2006-01-02 15:04:05 UTC")))
}

// runSection is the drawing of the run.
func runSection(r gate.Report) markup {
	d := drawRun(r)
	if d == "" {
		return ""
	}
	return tag("section", nil, tag("h2", nil, "The run"), d) + "\n"
}

func (p *htmlPage) findings(r gate.Report) {
	for i, f := range r.Findings[:min(len(r.Findings), maxFindings)] {
		switch {
		case explains(r) && i == 0:
			p.section(p.finding("Why", f, r.Layers, maxLog))
		case !explains(r) || f.Terminal == diagnosis.TerminalContext:
			p.section(p.finding("Noted", f, nil, maxOtherLog))
		default:
			p.section(p.finding("Also", f, nil, maxOtherLog))
		}
	}
	if rest := restWords(r.Findings); rest != "" {
		p.section(tag("p", attrs{"class", "muted"}, text(rest+"; all in the JSON report")) + "\n")
	}
	if r.Undo != nil && r.Undo.Result != gate.UndoVerified {
		for _, f := range r.Undo.Findings[:min(len(r.Undo.Findings), maxFindings)] {
			p.section(p.finding("Why the undo did not succeed", f, nil, maxLog))
		}
	}
}
