package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

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
	xs, levels, wanted := podLevels(s, v, pods)
	said := podWords(pods[len(pods)-1])
	room := int((s.right-s.left)/charWidth) - width(said) - 2
	parts := []markup{
		tag("text", attrs{"class", "name", "x", num(s.left), "y", num(y + 12)}, text(clip(oneLine(ref.String()), max(room, 8)))),
		tag("text", attrs{"class", "tick", "x", num(s.right), "y", num(y + 12), "text-anchor", "end"}, text(said)),
	}
	for i, a := range []struct{ class, fill string }{
		{"fill-new", "#0969da"}, {"hatch-new", "url(#hatch-new)"}, {"fill-old", "#7d8896"}, {"hatch-old", "url(#hatch-old)"},
	} {
		if !slices.Equal(levels[i], levels[i+1]) {
			parts = append(parts, empty("path", attrs{"class", a.class, "fill", a.fill, "d", stepped(xs, levels[i+1], levels[i], s.right)}))
		}
	}
	parts = append(parts, empty("path", attrs{"class", "wanted", "stroke", "#57606a", "fill", "none", "d", steppedLine(xs, wanted, s.right)}),
		empty("line", attrs{"class", "base", "stroke", "#7d8896", "x1", num(s.left), "x2", num(s.right), "y1", num(bottom), "y2", num(bottom)}))
	for _, t := range []float64{0, v.high} {
		parts = append(parts, tag("text", attrs{"class", "tick", "x", num(s.left - 6), "y", num(v.y(t) + 4), "text-anchor", "end"}, text(fmt.Sprint(int(t)))))
	}
	return tag("g", nil, parts...) + "\n"
}

// podLevels are the columns at which the counts change, the lines between the areas there, from the bottom, and the line of
// what is wanted.
func podLevels(s timeScale, v valueScale, pods []gate.Pods) (xs []float64, levels [5][]float64, wanted []float64) {
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
	return xs, levels, wanted
}

// podWords say how many pods of each version there are.
func podWords(p gate.Pods) string {
	one := func(n, ready int32, version string) string {
		if ready < n {
			return fmt.Sprintf("%d %s (%d ready)", n, version, ready)
		}
		return fmt.Sprintf("%d %s", n, version)
	}
	return one(p.New, p.NewReady, "new") + ", " + one(p.Old, p.OldReady, "old")
}

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
