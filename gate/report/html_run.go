package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
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
			swatch("fill-old", "#7d8896")+"old, ready", swatch("hatch-old", "url(#hatch-old)")+"old, not ready",
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
		out = append(out, band{name: name, class: "step-" + stepClass(name), from: e.Time, to: endOf(r)})
	}
	return out
}

// endOf is when the run ended, or, of one that has not come to its end, when it was seen last.
func endOf(r gate.Report) time.Time {
	end := r.Run.Finished
	if n := len(r.Timeline); n > 0 {
		end = later(end, r.Timeline[n-1].Time)
	}
	if n := len(r.Pods); n > 0 {
		end = later(end, r.Pods[n-1].Time)
	}
	return end
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
	case gate.StepApply, gate.StepCommand:
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
			to = endOf(r)
		}
		out = append(out, band{name: oneLine(s.Name), class: "stage-" + map[bool]string{true: "odd", false: "even"}[len(out)%2 == 0], from: s.Started, to: to})
	}
	return out
}

// runDrawing is the drawing in a width.
func runDrawing(r gate.Report, w float64, id string) markup {
	s := timeScale{r.Run.Started, endOf(r), gutterWide, w - 8}
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
