package main

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// line is a series with its name in the legend.
type line struct {
	promtest.Series
	name, color string
}

var placeholder = regexp.MustCompile(`\{\{ *([^{} ]+) *\}\}`)

// lines are the series of all queries of a panel.
func (p *boardPicture) lines(panel boardPanel) []line {
	var all []line
	for _, target := range panel.Targets {
		for _, s := range p.series[answerTo(panel.Title, target.RefID)] {
			name := placeholder.ReplaceAllStringFunc(target.LegendFormat, func(m string) string {
				return s.Labels[placeholder.FindStringSubmatch(m)[1]]
			})
			all = append(all, line{s, name, boardPalette[len(all)%len(boardPalette)]})
		}
	}
	return all
}

// timeseries draws lines or bars, with a legend if the panel wants one.
func (p *boardPicture) timeseries(in area, panel boardPanel) {
	lines, field := p.lines(panel), panel.FieldConfig.Defaults
	if panel.Options.Legend.ShowLegend {
		in.h -= p.legend(in, lines)
	}
	if len(lines) == 0 {
		p.text(in.x+in.w/2, in.y+in.h/2, "q m", "No data")
		return
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, point := range l.Points {
			low, high = min(low, point.Value), max(high, point.Value)
		}
	}
	if field.Min != nil {
		low = *field.Min
	}
	step := niceStep((high - low) / 5)
	low, high = math.Floor(low/step)*step, math.Ceil(high/step)*step
	if field.Max != nil {
		high = *field.Max
		step = niceStep((high - low) / 5)
	}
	plot := area{in.x + 48, in.y + 4, in.w - 56, in.h - 26}
	for i := 0; low+float64(i)*step <= high+step/1e6; i++ {
		v := low + float64(i)*step
		y := plot.y + plot.h*(1-(v-low)/(high-low))
		fmt.Fprintf(p, `<path class="g" d="M%.1f %.1fh%.1f"/>`+"\n", plot.x, y, plot.w)
		p.text(plot.x-8, y+4, "q e", boardField{Unit: field.Unit}.text(v, p.to))
	}
	from, to := float64(p.from.UnixMilli())/1000, float64(p.to.UnixMilli())/1000
	each := p.step.Seconds()
	bars := field.Custom.DrawStyle == "bars"
	if own, ok := days(panel.Interval); ok {
		each = own.Seconds()
		if bars { // each is as wide as the time that it counts
			from, to = barsSpan(lines, each)
		}
	}
	p.clock(plot, from, to)
	x := func(at float64) float64 { return plot.x + plot.w*(at-from)/(to-from) }
	y := func(v float64) float64 { return plot.y + plot.h*(1-(min(max(v, low), high)-low)/(high-low)) }
	for _, l := range lines {
		if bars {
			for _, point := range l.Points {
				fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%[5]s" fill-opacity="%.2g" stroke="%[5]s"/>`+"\n",
					x(point.Time-each*0.7), y(point.Value), x(to)-x(to-each*0.4), plot.y+plot.h-y(point.Value), l.color, field.Custom.FillOpacity/100)
			}
			continue
		}
		path, dots := course(l.Points, 1.5*each, field.Custom.LineInterpolation == "stepAfter", x, y)
		fmt.Fprintf(p, `<path class="l" stroke="%s" d="%s"/>`+"\n", l.color, path)
		if dots != "" {
			fmt.Fprintf(p, `<path class="l" style="stroke-width:4" stroke="%s" d="%s"/>`+"\n", l.color, dots)
		}
	}
}

// barsSpan is the time that the bars of lines are about.
func barsSpan(lines []line, each float64) (from, to float64) {
	from, to = math.Inf(1), math.Inf(-1)
	for _, l := range lines {
		for _, point := range l.Points {
			from, to = min(from, point.Time-each), max(to, point.Time)
		}
	}
	return from, to
}

// course is the path of a series, and the dots of it that are no path. It has a gap where there was no value, and no point
// between two others of the same value.
func course(points []promtest.Point, gap float64, steps bool, x, y func(float64) float64) (path, dots string) {
	var line, single strings.Builder
	for i, point := range points {
		begins := i == 0 || point.Time-points[i-1].Time > gap
		ends := i == len(points)-1 || points[i+1].Time-point.Time > gap
		switch {
		case begins && ends:
			fmt.Fprintf(&single, "M%.1f %.1fh0", x(point.Time), y(point.Value))
		case begins:
			fmt.Fprintf(&line, "M%.1f %.1f", x(point.Time), y(point.Value))
		case !ends && points[i-1].Value == point.Value && points[i+1].Value == point.Value:
		case steps:
			fmt.Fprintf(&line, "H%.1fV%.1f", x(point.Time), y(point.Value))
		default:
			fmt.Fprintf(&line, "L%.1f %.1f", x(point.Time), y(point.Value))
		}
	}
	return line.String(), single.String()
}

// legend draws the names of lines at the bottom of an area, in as many rows as they need, and returns how high it is.
func (p *boardPicture) legend(in area, lines []line) float64 {
	const row = 18.0
	rows := [][]line{nil}
	room := in.w
	for _, l := range lines {
		wide := 26 + textWidth(l.name, 12)
		if last := len(rows) - 1; wide > room && len(rows[last]) > 0 {
			rows, room = append(rows, nil), in.w
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], l)
		room -= wide
	}
	rows = rows[:min(len(rows), max(1, int(in.h/2/row)))] // in Grafana one would have to scroll
	high := row * float64(len(rows))
	for i, r := range rows {
		x, y := in.x, in.y+in.h-high+row*float64(i)+12
		for _, l := range r {
			fmt.Fprintf(p, `<path class="l" style="stroke-width:3" stroke="%s" d="M%.1f %.1fh12"/>`+"\n", l.color, x+2, y-4)
			p.text(x+20, y, "", fitted(l.name, in.w-20, 12))
			x += 26 + textWidth(l.name, 12)
		}
	}
	return high + 4
}

// clock draws the times below a plot.
func (p *boardPicture) clock(plot area, from, to float64) {
	step := 0.0
	for _, step = range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600} {
		if plot.w/((to-from)/step) >= 80 {
			break
		}
	}
	layout := "15:04:05"
	if step >= 60 {
		layout = "15:04"
	}
	if step >= 24*3600 {
		layout = "01-02"
	}
	for at := math.Ceil(from/step) * step; at <= to; at += step {
		x := plot.x + plot.w*(at-from)/(to-from)
		fmt.Fprintf(p, `<path class="g" d="M%.1f %.1fv%.1f"/>`+"\n", x, plot.y, plot.h)
		if x < plot.x+plot.w-16 { // else it would reach over the edge
			p.text(x, plot.y+plot.h+17, "q m", time.Unix(int64(at), 0).UTC().Format(layout))
		}
	}
}

// states draws a row for each series, and in it a bar for as long as its value was the same.
func (p *boardPicture) states(in area, panel boardPanel) {
	lines, field := p.lines(panel), panel.FieldConfig.Defaults
	if len(lines) == 0 {
		p.text(in.x+in.w/2, in.y+in.h/2, "q m", "No data")
		return
	}
	names := 0.0
	for _, l := range lines {
		names = max(names, min(textWidth(l.name, 12), in.w/3))
	}
	plot := area{in.x + names + 12, in.y, in.w - names - 20, in.h - 22}
	from, to, each := float64(p.from.UnixMilli())/1000, float64(p.to.UnixMilli())/1000, p.step.Seconds()
	p.clock(plot, from, to)
	x := func(at float64) float64 { return plot.x + plot.w*(at-from)/(to-from) }
	high := plot.h / float64(len(lines))
	for i, l := range lines {
		y := plot.y + high*(float64(i)+0.05)
		p.text(plot.x-12, y+high*0.45+4, "e", fitted(l.name, names, 12))
		for begin, end := 0, 0; begin < len(l.Points); begin = end {
			first := l.Points[begin]
			for end = begin + 1; end < len(l.Points) && l.Points[end].Value == first.Value && l.Points[end].Time-l.Points[end-1].Time <= 1.5*each; end++ {
			}
			until := min(l.Points[end-1].Time+each, to)
			if end < len(l.Points) {
				until = min(until, l.Points[end].Time)
			}
			left, wide := x(first.Time), x(until)-x(first.Time)
			fmt.Fprintf(p, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity=".8"/>`+"\n", left, y, max(1, wide-1), high*0.9, field.color(first.Value))
			if text := field.text(first.Value, p.to); textWidth(text, 12)+10 <= wide {
				fmt.Fprintf(p, `<text x="%.1f" y="%.1f" style="fill:#101216">%s</text>`+"\n", left+5, y+high*0.45+4, escaped(text))
			}
		}
	}
}

// niceStep is the next larger one of 1, 2 and 5 times a power of ten.
func niceStep(v float64) float64 {
	if v <= 0 {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= v*(1-1e-9) {
			return n * power
		}
	}
	return 10 * power
}
