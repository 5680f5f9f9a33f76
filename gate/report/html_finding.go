package report

import (
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// finding tells what is wrong, what changed, what to do about it, and what proves it: of each log at most so many lines.
func (p *htmlPage) finding(title markup, f diagnosis.Finding, layers []diagnosis.Layered, most int) markup {
	about := markup("")
	if ref := About(f); ref.Name != "" {
		about = " in " + code(ref.String())
	}
	var changed []markup
	for _, c := range changedWords(f) {
		changed = append(changed, code(c))
	}
	var rule markup
	if f.Terminal != diagnosis.TerminalContext {
		rule = line(f.Rule)
	}
	var where markup
	if f.Object.Name != "" {
		where = line(whereabouts(f, p.started))
	}
	inside := []markup{
		tag("h2", nil, title, ": ", code(f.Code), about), tag("p", attrs{"class", "cause"}, line(f.Cause)),
		facts("facts",
			fact{"Changed", join("<br>", changed...)},
			fact{"Manifest", join(" ", code(place(f.File, f.Line)), code(f.FieldPath))},
			fact{"Fix", fixes(f.Fix)},
			fact{"Where", where},
			fact{"How sure", line(breadth(f))},
			fact{"Rule", rule}, fact{"To tune", code(f.Knob)},
		),
	}
	for _, proof := range otherProofs(f) {
		inside = append(inside, p.proof(proof, most))
	}
	if showsLayers(f, layers) {
		inside = append(inside, layersTable(layers))
	}
	return tag("section", attrs{"class", "finding"}, inside...) + "\n"
}

func fixes(all []string) markup {
	var items []markup
	for _, f := range all {
		items = append(items, tag("li", nil, line(f)))
	}
	switch len(items) {
	case 0:
		return ""
	case 1:
		return line(all[0])
	}
	return tag("ol", nil, items...)
}

// proof quotes one piece of evidence: of a log what matters, and all of it folded.
func (p *htmlPage) proof(proof diagnosis.Proof, most int) markup {
	var title []markup
	title = append(title, line(proof.Type), code(proof.Ref), text(sinceStart(proof.Time, p.started)))
	all, headline := proofLines(proof)
	q := quoteLines(proof, logLines)
	title = append(title, text(q.part()))
	class := "proof wrapped"
	if proof.Type == "log" || proof.Type == "diff" { // their lines mean something
		class = "proof"
	}
	quote := tag("figure", attrs{"class", class},
		tag("figcaption", nil, join(", ", title...)), quoted(q.lines, q.headline))
	if len(q.lines) == len(all) {
		return quote + "\n"
	}
	from := max(0, len(all)-most)
	if headline >= 0 && headline < from {
		from = headline
	}
	all = all[from:min(len(all), from+most)]
	return quote + "\n" + folded(false, text(count(len(all), "line")+" of this log"), quoted(all, headline-from))
}

// How many lines of one log are folded into the page: of the headline, and of what is said beside it.
const maxLog, maxOtherLog = 500, 100

// quoted is text of the cluster as it is, with the line marked that says it best.
func quoted(lines []string, headline int) markup {
	var b strings.Builder
	for i, l := range lines {
		if i == headline {
			b.WriteString(string(tag("mark", nil, "▶ ", text(l))) + "\n")
			continue
		}
		b.WriteString(string(text(l)) + "\n")
	}
	return tag("pre", attrs{"tabindex", "0"}, markup(b.String()))
}

// layersTable says where the fault is and what is ruled out.
func layersTable(layers []diagnosis.Layered) markup {
	var rows []gridRow
	for _, l := range layers {
		color := map[string]string{diagnosis.StateFault: red, diagnosis.StateHealthy: green}[l.State]
		var known []markup
		for _, c := range l.Codes {
			known = append(known, code(c))
		}
		for _, h := range l.Healthy {
			known = append(known, line(h))
		}
		for _, u := range l.Unknown {
			known = append(known, line(u))
		}
		rows = append(rows, gridRow{cells: []markup{line(string(l.Layer)), badge(color, strings.ToLower(layerWord(l))), join("<br>", known...)}})
	}
	return grid("Layers: where the fault is, and what is ruled out", []headCell{{title: "Layer"}, {title: "State"}, {title: "What was looked at"}}, rows)
}
