package report

import (
	"fmt"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// showsLayers says whether the layers tell a reader anything: there must be a cause, and a layer that it blames.
func showsLayers(f diagnosis.Finding, layers []diagnosis.Layered) bool {
	for _, l := range layers {
		if l.State == diagnosis.StateFault {
			return f.Terminal != diagnosis.TerminalContext
		}
	}
	return false
}

// layers shows one line for each layer: the fault, and what can be ruled out.
func (p *page) layers(f diagnosis.Finding, layers []diagnosis.Layered) {
	if !showsLayers(f, layers) {
		return
	}
	const indent, column = 12, 13
	label := "layers"
	for _, l := range layers {
		word := layerWord(l)
		style := map[string]string{diagnosis.StateFault: red, diagnosis.StateHealthy: green}[l.State]
		head := pad(clip(oneLine(string(l.Layer)), column-2), column) + p.paint(word, style)
		room := p.Width - indent - 2*column
		p.line("  %s%s%s%s", p.paint(pad(label, indent-2), dim), head, strings.Repeat(" ", max(1, column-width(word))), layerFacts(l, room))
		label = ""
	}
}

// layerWord is the state of a layer in a word or two.
func layerWord(l diagnosis.Layered) string {
	switch l.State {
	case diagnosis.StateFault:
		return "FAULT"
	case diagnosis.StateHealthy:
		return "ok"
	}
	if len(l.Unknown) > 0 {
		if why, _, ok := strings.Cut(oneLine(l.Unknown[0]), ": "); ok && len(why) <= 12 {
			return why
		}
	}
	return "unknown"
}

// layerFacts is what there is to say of a layer in one line of n characters: the causes or what is not well first, then
// as much of what is well as there is room for.
func layerFacts(l diagnosis.Layered, n int) string {
	var facts []string
	if l.State == diagnosis.StateUnknown {
		word := layerWord(l)
		for _, text := range l.Unknown {
			text = oneLine(text)
			if rest, ok := strings.CutPrefix(text, word+": "); ok {
				facts = append(facts, rest)
			}
		}
	}
	for _, code := range l.Codes {
		facts = append(facts, oneLine(code))
	}
	well := "well: "
	if l.State == diagnosis.StateHealthy {
		well = ""
	}
	for _, text := range l.Healthy {
		facts = append(facts, well+oneLine(text))
		well = ""
	}
	return fit(facts, n)
}

// fit joins as many parts as n characters hold and counts the rest.
func fit(parts []string, n int) string {
	line := ""
	for i, part := range parts {
		sep := ", "
		if line == "" {
			sep = ""
		} else if strings.HasPrefix(part, "well: ") {
			sep = "; "
		}
		more := ""
		if missing := len(parts) - i - 1; missing > 0 {
			more = fmt.Sprintf(", +%d", missing)
		}
		if i > 0 && width(line+sep+part+more) > n {
			more = fmt.Sprintf(", +%d", len(parts)-i)
			return clip(line, n-width(more)) + more
		}
		line += sep + part
	}
	return clip(line, n)
}

// layersLine is all layers in one line of Markdown.
func layersLine(layers []diagnosis.Layered) string {
	var parts []string
	for _, l := range layers {
		part := escapeMarkdown(string(l.Layer)) + " " + escapeMarkdown(layerWord(l))
		if l.State == diagnosis.StateFault {
			part = "**" + part + "**"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " · ")
}

// layersDetails lists everything that is known of the layers, folded.
func layersDetails(layers []diagnosis.Layered) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n<details><summary>Layers: what is ruled out</summary>\n\n")
	for _, l := range layers {
		fmt.Fprintf(&b, "- **%s** %s\n", escapeMarkdown(string(l.Layer)), escapeMarkdown(layerWord(l)))
		for _, code := range l.Codes {
			fmt.Fprintf(&b, "  - %s\n", codeSpan(code))
		}
		for _, text := range l.Healthy {
			fmt.Fprintf(&b, "  - well: %s\n", escapeMarkdown(text))
		}
		for _, text := range l.Unknown {
			fmt.Fprintf(&b, "  - %s\n", escapeMarkdown(text))
		}
	}
	return b.String() + "\n</details>\n"
}
