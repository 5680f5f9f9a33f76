package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strings"
)

// The measures of the picture, in pixels. Grafana divides the width of a page into 24 columns.
const (
	boardColumn, boardRow  = 42.0, 28.0
	boardMargin, boardHead = 12.0, 56.0
	panelGap, panelTitle   = 8.0, 36.0
	panelSide              = 12.0
)

// boardPicture is an SVG that is being drawn.
type boardPicture struct {
	bytes.Buffer
	boardAnswers
}

// drawBoard draws a board as it looks with these answers: in the manner of Grafana, but not by Grafana.
func drawBoard(b board, a boardAnswers) ([]byte, error) {
	p := &boardPicture{boardAnswers: a}
	height := 0.0
	var titles []string
	for _, panel := range b.Panels {
		height = max(height, panel.GridPos.Y+panel.GridPos.H)
		if panel.Type != "row" {
			titles = append(titles, panel.Title)
		}
	}
	width := 2*boardMargin + 24*boardColumn - panelGap
	height = boardHead + height*boardRow + boardMargin - panelGap
	fmt.Fprintf(p, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]g %[2]g" width="%[1]g" height="%[2]g" role="img" aria-labelledby="title desc">
<title id="title">%[3]s</title>
<desc id="desc">The dashboard with what a Prometheus server answered, drawn in the manner of Grafana. Its panels: %[4]s.</desc>
<style>
text{font:12px system-ui,sans-serif;fill:#c9ccd6}
.t{font-size:14px;font-weight:500;fill:#e4e6ee}.c{font-weight:500;fill:#e4e6ee}.h{font-size:18px;font-weight:500;fill:#e4e6ee}.q{fill:#969baa}.e{text-anchor:end}.m{text-anchor:middle}
.p{fill:#181b20;stroke:#2a2e36}.g{stroke:#2a2e36;fill:none}.l{fill:none;stroke-width:1.6;stroke-linecap:round;stroke-linejoin:round}
</style>
<rect width="%[1]g" height="%[2]g" rx="6" fill="#111318"/>
`, width, height, escaped(b.Title), escaped(strings.Join(titles, ", ")))
	p.text(boardMargin+2, 35, "h", b.Title)
	span := a.from.UTC().Format("2006-01-02 15:04:05") + " to " + a.to.UTC().Format("15:04:05") + " UTC"
	p.text(width-boardMargin-2, 35, "q e", strings.TrimPrefix(a.chosen+" · "+span, " · "))
	for _, panel := range b.Panels {
		if err := p.panel(panel); err != nil {
			return nil, fmt.Errorf("drawing %q: %w", panel.Title, err)
		}
	}
	p.WriteString("</svg>\n")
	return p.Bytes(), nil
}

// area is a part of the picture.
type area struct{ x, y, w, h float64 }

func (p *boardPicture) panel(panel boardPanel) error {
	grid := panel.GridPos
	in := area{boardMargin + grid.X*boardColumn, boardHead + grid.Y*boardRow, grid.W*boardColumn - panelGap, grid.H*boardRow - panelGap}
	if panel.Type == "row" {
		fmt.Fprintf(p, `<path class="g" style="stroke:#969baa" d="M%g %gl4 4 4 -4"/>`+"\n", in.x+3, in.y+8)
		p.text(in.x+18, in.y+14, "t", panel.Title)
		return nil
	}
	for _, target := range panel.Targets {
		if _, asked := p.series[answerTo(panel.Title, target.RefID)]; !asked {
			return fmt.Errorf("query %s was not asked", target.RefID)
		}
	}
	fmt.Fprintf(p, `<rect class="p" x="%g" y="%g" width="%g" height="%g" rx="4"/>`+"\n", in.x, in.y, in.w, in.h)
	p.text(in.x+panelSide, in.y+23, "t", fitted(panel.Title, in.w-2*panelSide, 14))
	in = area{in.x + panelSide, in.y + panelTitle, in.w - 2*panelSide, in.h - panelTitle - 10}
	switch panel.Type {
	case "stat":
		p.stat(in, panel)
	case "timeseries":
		p.timeseries(in, panel)
	case "state-timeline":
		p.states(in, panel)
	case "table":
		return p.table(in, panel)
	default:
		return fmt.Errorf("a panel of type %q cannot be drawn", panel.Type)
	}
	return nil
}

// stat draws one number as large as there is room.
func (p *boardPicture) stat(in area, panel boardPanel) {
	field := panel.FieldConfig.Defaults
	text, color := field.NoValue, boardColors["text"]
	if series := p.series[answerTo(panel.Title, panel.Targets[0].RefID)]; len(series) > 0 {
		v := lastValue(series[0])
		text = field.text(v, p.to)
		if panel.Options.ColorMode != "none" {
			color = field.color(v)
		}
	}
	size := min(48, in.h*0.6, in.w/(0.62*float64(max(3, len([]rune(text))))))
	fmt.Fprintf(p, `<text class="m" x="%.1f" y="%.1f" style="font-size:%.0fpx;font-weight:500;fill:%s">%s</text>`+"\n",
		in.x+in.w/2, in.y+in.h/2+size*0.3, size, color, escaped(text))
}

// text writes words; the class says how, and at which of its ends they are.
func (p *boardPicture) text(x, y float64, class, words string) {
	if class != "" {
		class = ` class="` + class + `"`
	}
	fmt.Fprintf(p, `<text%s x="%.1f" y="%.1f">%s</text>`+"\n", class, x, y, escaped(words))
}

// letterWidth is that of a letter, as a part of its size. No two systems have the same font: it is rather too much.
const letterWidth = 0.6

// textWidth is how much room words need.
func textWidth(words string, size float64) float64 {
	return float64(len([]rune(words))) * size * letterWidth
}

// fitted is as much of words as there is room for.
func fitted(words string, room, size float64) string {
	if runes, fit := []rune(words), int(room/(size*letterWidth)); len(runes) > fit {
		return string(runes[:max(0, fit-1)]) + "…"
	}
	return words
}

func escaped(words string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(words))
	return b.String()
}
