package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// The heights of the rows of the drawing of a run.
const (
	bandHeight = 20.0
	podsHeight = 54.0
	laneHeight = 16.0
	maxDrawn   = 8 // workloads
)

// drawRun draws the run: stages and steps as bands, the pods of each workload, and what happened as marks. It is empty
// where there is nothing to draw. There are two drawings, of which the page shows the one that fits.
func drawRun(r gate.Report) markup {
	if len(bandsOf(r)) == 0 && len(r.Pods) == 0 {
		return ""
	}
	wide, narrow := runDrawing(r, 960, "run"), runDrawing(r, 340, "run-narrow")
	items := []markup{}
	if len(r.Pods) > 0 {
		swatch := func(class, fill string) markup {
			return "<svg class=\"swatch\" width=\"14\" height=\"10\" aria-hidden=\"true\">" +
				empty("rect", attrs{"class", class, "fill", fill, "width", "14", "height", "10"}) + "</svg> "
		}
		items = append(items,
			swatch("fill-new", "#0969da")+"new, ready", swatch("hatch-new", "url(#hatch-new)")+"new, not ready yet",
			swatch("fill-old", "#8c959f")+"old, ready", swatch("hatch-old", "url(#hatch-old)")+"old, not ready",
			"<svg class=\"swatch\" width=\"14\" height=\"10\" aria-hidden=\"true\">"+
				empty("line", attrs{"class", "wanted", "stroke", "#57606a", "x1", "0", "x2", "14", "y1", "5", "y2", "5"})+"</svg> wanted")
	}
	var more markup
	if n := len(drawnWorkloads(r.Pods)) - maxDrawn; n > 0 {
		more = tag("p", attrs{"class", "muted"}, text("The pods of "+count(n, "more workload")+" are in the JSON report."))
	}
	return tag("figure", attrs{"class", "run"},
		tag("div", attrs{"class", "only-wide"}, wide), "\n", "<div class=\"only-narrow\" hidden>", narrow, "</div>\n",
		list("legend", items), more)
}

// band is a stretch of the run.
type band struct {
	name, class string
	from, to    time.Time
}

// bandsOf are the steps of a run, each to the beginning of the next one.
func bandsOf(r gate.Report) []band {
	var out []band
	for _, e := range r.Timeline {
		if e.Type != gate.EventStep {
			continue
		}
		name := stepName(e)
		if n := len(out); n > 0 {
			if out[n-1].name == name {
				continue
			}
			out[n-1].to = e.Time
		}
		out = append(out, band{name: name, class: "step-" + stepClass(name), from: e.Time, to: r.Run.Finished})
	}
	return out
}

// stepName is the word that a step begins with.
func stepName(e gate.Event) string {
	words := EventText(e)
	if i := strings.IndexAny(words, ":,("); i >= 0 {
		words = words[:i]
	}
	return oneLine(words)
}

// stepClass sets apart where the cluster changes, where it is looked at, and where it is put back.
func stepClass(name string) string {
	switch gate.StepName(name) {
	case gate.StepApply:
		return "write"
	case gate.StepUndo, gate.StepRecheck:
		return "undo"
	case gate.StepWatch, gate.StepAnalyze, gate.StepTest, gate.StepHold:
		return "look"
	}
	return "other"
}

// stageBands are the stages that have begun in this run.
func stageBands(r gate.Report) []band {
	var out []band
	for _, s := range r.Stages {
		if s.Started.IsZero() {
			continue
		}
		to := s.Finished
		if to.IsZero() {
			to = r.Run.Finished
		}
		out = append(out, band{name: oneLine(s.Name), class: "stage-" + map[bool]string{true: "odd", false: "even"}[len(out)%2 == 0], from: s.Started, to: to})
	}
	return out
}

// runDrawing is the drawing in a width.
func runDrawing(r gate.Report, w float64, id string) markup {
	s := timeScale{r.Run.Started, r.Run.Finished, gutterWide, w - 8}
	y := 22.0
	var parts []markup
	for _, row := range []struct {
		name  string
		bands []band
	}{{"stages", stageBands(r)}, {"steps", bandsOf(r)}} {
		if len(row.bands) > 0 {
			parts = append(parts, rowName(row.name, y+bandHeight-6), drawBands(s, row.bands, y))
			y += bandHeight + 4
		}
	}
	all := drawnWorkloads(r.Pods)
	for _, ref := range all[:min(len(all), maxDrawn)] {
		parts = append(parts, drawPods(s, ref, podsOf(r.Pods, ref), y))
		y += podsHeight + 30
	}
	for _, lane := range lanesOf(r) {
		parts = append(parts, rowName(lane.name, y+laneHeight-3), drawLane(s, lane, y+laneHeight/2+1))
		y += laneHeight + 2
	}
	marks, high := drawMarks(marksOf(r, s), 16, y, w)
	grid := timeAxis(s, r.Run.Started, 12, y)
	return svg(id, "chart", w, y+high+2, "The run over time", runWords(r), append([]markup{grid}, append(parts, marks)...)...)
}

// runWords tells the drawing.
func runWords(r gate.Report) string {
	var parts []string
	for _, b := range append(stageBands(r), bandsOf(r)...) {
		parts = append(parts, fmt.Sprintf("%s from %s to %s", b.name, Elapsed(b.from.Sub(r.Run.Started)), Elapsed(b.to.Sub(r.Run.Started))))
	}
	if len(parts) > 40 {
		parts = append(parts[:40], "…")
	}
	all := drawnWorkloads(r.Pods)
	for _, ref := range all[:min(len(all), maxDrawn)] {
		pods := podsOf(r.Pods, ref)
		last := pods[len(pods)-1]
		parts = append(parts, fmt.Sprintf("%s ends with %d new pods, %d of them ready, and %d old ones, %d of them ready",
			ref, last.New, last.NewReady, last.Old, last.OldReady))
	}
	return strings.Join(parts, "; ")
}

func rowName(name string, y float64) markup {
	return tag("text", attrs{"class", "row", "x", num(gutterWide - 8), "y", num(y), "text-anchor", "end"}, line(name))
}

// drawBands draws bands beside each other; a name stands where there is room for it.
func drawBands(s timeScale, bands []band, y float64) markup {
	var b strings.Builder
	for _, band := range bands {
		x, to := s.x(band.from), s.x(band.to)
		wide := max(to-x, 1)
		b.WriteString("<g>" + string(tag("title", nil, line(band.name+": "+Elapsed(band.to.Sub(band.from))))))
		b.WriteString(string(empty("rect", attrs{
			"class", "band " + band.class, "fill", "#eaeef2", "x", num(x), "y", num(y), "width", num(max(wide-1, 1)), "height", num(bandHeight), "rx", "2",
		})))
		if name := fitting(band.name, wide-8); name != "" {
			b.WriteString(string(tag("text", attrs{"class", "band-name", "x", num(x + 5), "y", num(y + bandHeight - 6)}, text(name))))
		}
		b.WriteString("</g>\n")
	}
	return markup(b.String())
}

// fitting is a name, cut to what a width holds; empty where that would say nothing.
func fitting(name string, wide float64) string {
	n := int(wide / charWidth)
	if width(name) > n && n < 4 {
		return ""
	}
	return clip(name, max(n, 1))
}

// drawnWorkloads are the workloads that have counts: those first that changed most.
func drawnWorkloads(all []gate.Pods) []manifest.Ref {
	changes := map[manifest.Ref]int{}
	var out []manifest.Ref
	for _, p := range all {
		if changes[p.Object]++; changes[p.Object] == 1 {
			out = append(out, p.Object)
		}
	}
	slices.SortStableFunc(out, func(a, b manifest.Ref) int { return cmp.Compare(min(changes[b], 2), min(changes[a], 2)) })
	return out
}

func podsOf(all []gate.Pods, ref manifest.Ref) []gate.Pods {
	return slices.DeleteFunc(slices.Clone(all), func(p gate.Pods) bool { return p.Object != ref })
}

// drawPods draws how many pods of both versions a workload had, those of the new one at the bottom.
func drawPods(s timeScale, ref manifest.Ref, pods []gate.Pods, y float64) markup {
	top, bottom := y+18, y+18+podsHeight
	v := valueScale{0, 1, bottom, top}
	for _, p := range pods {
		v.high = max(v.high, float64(p.New+p.Old), float64(p.Desired))
	}
	var xs []float64
	levels := make([][]float64, 5) // the lines between the areas, from the bottom
	var wanted []float64
	for _, p := range pods {
		x := s.x(p.Time)
		sums := []int32{0, p.NewReady, p.New, p.New + p.OldReady, p.New + p.Old}
		if n := len(xs); n > 0 && x-xs[n-1] < 0.5 { // nobody sees it: the later one counts
			x, xs, wanted = xs[n-1], xs[:n-1], wanted[:n-1]
			for i := range levels {
				levels[i] = levels[i][:n-1]
			}
		}
		xs, wanted = append(xs, x), append(wanted, v.y(float64(p.Desired)))
		for i, n := range sums {
			levels[i] = append(levels[i], v.y(float64(n)))
		}
	}
	last := pods[len(pods)-1]
	said := fmt.Sprintf("%d new", last.New)
	if last.NewReady < last.New {
		said += fmt.Sprintf(" (%d ready)", last.NewReady)
	}
	said += fmt.Sprintf(", %d old", last.Old)
	if last.OldReady < last.Old {
		said += fmt.Sprintf(" (%d ready)", last.OldReady)
	}
	room := int((s.right-s.left)/charWidth) - width(said) - 2
	parts := []markup{
		tag("text", attrs{"class", "name", "x", num(s.left), "y", num(y + 12)}, text(clip(oneLine(ref.String()), max(room, 8)))),
		tag("text", attrs{"class", "tick", "x", num(s.right), "y", num(y + 12), "text-anchor", "end"}, text(said)),
	}
	for i, a := range []struct{ class, fill string }{
		{"fill-new", "#0969da"}, {"hatch-new", "url(#hatch-new)"}, {"fill-old", "#8c959f"}, {"hatch-old", "url(#hatch-old)"},
	} {
		if !slices.Equal(levels[i], levels[i+1]) {
			parts = append(parts, empty("path", attrs{"class", a.class, "fill", a.fill, "d", stepped(xs, levels[i+1], levels[i], s.right)}))
		}
	}
	parts = append(parts, empty("path", attrs{"class", "wanted", "stroke", "#57606a", "fill", "none", "d", steppedLine(xs, wanted, s.right)}),
		empty("line", attrs{"class", "base", "stroke", "#8c959f", "x1", num(s.left), "x2", num(s.right), "y1", num(bottom), "y2", num(bottom)}))
	for _, t := range podTicks(v) {
		parts = append(parts, tag("text", attrs{"class", "tick", "x", num(s.left - 6), "y", num(v.y(t) + 4), "text-anchor", "end"}, text(fmt.Sprint(int(t)))))
	}
	return tag("g", nil, parts...) + "\n"
}

// podTicks are the bottom and the top of a scale of pods.
func podTicks(v valueScale) []float64 { return []float64{0, v.high} }

// steppedLine is a course that keeps its value until it changes.
func steppedLine(xs, ys []float64, end float64) string {
	var b strings.Builder
	for i, x := range xs {
		switch {
		case i == 0:
			b.WriteString("M" + num(x) + " " + num(ys[0]))
		case ys[i] != ys[i-1]:
			b.WriteString("H" + num(x) + "V" + num(ys[i]))
		}
	}
	return b.String() + "H" + num(end)
}

// lane is a row of events of one type.
type lane struct {
	name, glyph, class string // the glyph is a path around zero
	events             []gate.Event
}

// The signs of events. Each has a form of its own, because not everybody sees its colour.
const (
	disc     = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z"
	triangle = "M0 -5L5.2 4H-5.2Z"
	diamond  = "M0 -5.5L5.5 0L0 5.5L-5.5 0Z"
	square   = "M-4 -4H4V4H-4Z"
	star     = "M0 -6.5L1.7 -2.1L6.3 -1.9L2.7 1L3.9 5.4L0 2.9L-3.9 5.4L-2.7 1L-6.3 -1.9L-1.7 -2.1Z"
	arrow    = "M-5 0L4 -5.2V5.2Z"
)

// lanesOf are the rows of events that there are.
func lanesOf(r gate.Report) []lane {
	all := []lane{
		{name: "written", glyph: disc}, {name: "warning", glyph: triangle, class: "warn"}, {name: "decision", glyph: diamond},
		{name: "test", glyph: square}, {name: "verdict", glyph: star, class: colorClass(verdictColor(r))}, {name: "undo", glyph: arrow, class: "warn"},
	}
	types := map[gate.EventType]int{
		gate.EventApplied: 0, gate.EventWarning: 1, gate.EventRun: 2, gate.EventTest: 3, gate.EventVerdict: 4, gate.EventUndo: 5,
	}
	for _, e := range r.Timeline {
		if i, drawn := types[e.Type]; drawn {
			all[i].events = append(all[i].events, e)
		}
	}
	return slices.DeleteFunc(all, func(l lane) bool { return len(l.events) == 0 })
}

// drawLane draws a sign for each event; those that would cover each other are one, with their number.
func drawLane(s timeScale, l lane, y float64) markup {
	var b strings.Builder
	for i := 0; i < len(l.events); {
		x, j, apart := s.x(l.events[i].Time), i, 13.0
		var said []string
		for ; j < len(l.events) && s.x(l.events[j].Time)-x < apart; j++ {
			if j > i {
				apart = 18 + 7*float64(len(fmt.Sprint(j-i+1))) // their number stands beside the sign
			}
			if e := l.events[j]; len(said) < 4 {
				said = append(said, strings.TrimSpace(Elapsed(e.Time.Sub(s.from))+" "+objectName(e)+" "+clip(oneLine(EventText(e)), 160)))
			}
		}
		if more := j - i - len(said); more > 0 {
			said = append(said, fmt.Sprintf("and %d more", more))
		}
		parts := []markup{tag("title", nil, text(strings.Join(said, "\n"))), empty("path", attrs{
			"class", "glyph " + l.class, "fill", "#57606a", "d", l.glyph, "transform", "translate(" + num(x) + " " + num(y) + ")",
		})}
		if j-i > 1 && x+24 < s.right {
			parts = append(parts, tag("text", attrs{"class", "glyph-count", "x", num(x + 8), "y", num(y + 4)}, text(fmt.Sprint(j-i))))
		}
		b.WriteString(string(tag("g", nil, parts...)) + "\n")
		i = j
	}
	return markup(b.String())
}

// marksOf are the moments by which a run is read.
func marksOf(r gate.Report, s timeScale) []label {
	var out []label
	add := func(name, class string, at time.Time) {
		if !at.IsZero() && !at.Before(s.from) && !at.After(s.to) {
			out = append(out, label{name + " " + Elapsed(at.Sub(r.Run.Started)), s.x(at), class})
		}
	}
	add("apply", "", r.Marks.Applied)
	add("ready", "", r.Marks.Complete)
	var breach time.Time
	for _, c := range r.Criteria {
		if c.Verdict == analysis.Fail && !c.ReportOnly && !c.FirstBreach.IsZero() && (breach.IsZero() || c.FirstBreach.Before(breach)) {
			breach = c.FirstBreach
		}
	}
	add("breach", "breach", breach)
	add("undo", "undo", r.Marks.Undone)
	return out
}
