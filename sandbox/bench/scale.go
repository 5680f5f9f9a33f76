package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

// What --scale measures, in a section of its own each: how the cost grows with the pods of one Deployment, and with the
// Deployments of one run; what others need for many; several clusters at once; and what a bad release of that size costs.
var scaleSizes = map[string]string{
	"pods":      "3:1:alone,250:1:alone,500:1:alone,1000:1:peers:apart,2500:1:alone,5000:1:apart,5000:1:alone:crash",
	"workloads": "3:1:alone,50x1:1:alone,100x1:1:alone,200x1:1:alone,500x1:1:peers:apart,500x1:1:alone:one-bad,3:1:contexts=10",
}

// measureScale measures every size.
func (b *bench) measureScale(ctx context.Context) (results, error) {
	begin := time.Now()
	r := results{machine: describe(), versions: b.sandbox.Versions, nodes: b.sandbox.Nodes, date: begin.UTC()}
	var err error
	if r.kubectl, err = b.kubectlVersion(ctx); err != nil {
		return r, err
	}
	var left *track // what rolloutgate has rolled last; it is still there
	for _, s := range b.options.sizes {
		if left != nil && !left.size.sameAs(s) {
			if err := b.discard(ctx, []*track{left}); err != nil {
				return r, err
			}
			left = nil
		}
		g := group{size: s}
		if s.contexts > 0 {
			g.tracks, err = b.measureContexts(ctx, s)
		} else {
			g.tracks, left, err = b.measureApart(ctx, s, left)
		}
		if err != nil {
			return r, err
		}
		r.groups = append(r.groups, g)
		r.took = time.Since(begin)
	}
	return r, nil
}

// measureApart rolls one size with each command, and takes each one's Deployments away before the next one's are made. Those of
// rolloutgate, which is the last, stay for a size that is the same but for what is wrong with it.
func (b *bench) measureApart(ctx context.Context, s size, left *track) (tracks []*track, own *track, err error) {
	all := b.commandsFor(s)
	slices.SortStableFunc(all, func(x, y command) int { return boolInt(x.name == gateName) - boolInt(y.name == gateName) })
	for i, c := range all {
		t := &track{command: c, namespace: fmt.Sprintf("scale-%s-%d", s.slug(), i), size: s}
		if left != nil && c.name == gateName {
			t.namespace, t.replicas, t.revision = left.namespace, left.replicas, left.revision
		} else if err := b.prepare(ctx, t, 0); err != nil && c.mayFail {
			fmt.Fprintf(os.Stderr, "%-18s %-20s could not create it: %v\n", s, c.name, err)
			t.samples = append(t.samples, sample{failed: true})
		} else if err != nil {
			return nil, nil, fmt.Errorf("preparing %s for %s: %w", s, c.name, err)
		}
		tracks = append(tracks, t)
		for range s.rounds - len(t.samples) {
			if err := b.measure(ctx, t, 0); err != nil {
				return nil, nil, err
			}
		}
		if c.name == gateName {
			own = t
		} else if err := b.discard(ctx, []*track{t}); err != nil {
			return nil, nil, err
		}
	}
	return tracks, own, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// scaleMarkdown is the section about scale.
func (r results) scaleMarkdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s; %d simulated nodes; %s; %s in all.\n\n", r.machine, r.nodes, r.date.Format("2006-01-02"), r.took.Round(time.Second))
	b.WriteString(r.costs())
	if growth := r.growth(); len(growth) > 0 {
		b.WriteString("\n")
		b.WriteString(harness.Table([]string{"of rolloutgate, by", "measured at", "each more costs", "grows as"}, growth))
	}
	return b.String()
}

// growth tells how the figures of rolloutgate grow with pods and with workloads. The power is that of the size by which what
// is above the cost of the smallest run grows: 1 is linear, 2 is quadratic.
func (r results) growth() [][]string {
	floor := r.of(smallRollout)
	if floor == nil {
		return nil
	}
	pods := r.series(func(s size) (int, bool) {
		return s.pods, s.workloads == 1 && !s.noProbe && s.bad == "" && s.contexts == 0
	})
	workloads := r.series(func(s size) (int, bool) { return s.workloads, s.workloads > 1 && s.pods == 1 && s.bad == "" })
	var rows [][]string
	for _, s := range []struct {
		what   string
		points []point
	}{{"pods", pods}, {"workloads", workloads}} {
		if len(s.points) < 2 {
			continue
		}
		var at []string
		for _, p := range s.points {
			at = append(at, fmt.Sprint(p.size))
		}
		for _, f := range []struct {
			what   string
			figure func(sample) float64
			unit   string
			factor float64
		}{{"CPU", cpuOf, "ms", 1000}, {"peak RSS", rssOf, "KiB", 1024}, {"bytes received", bytesOf, "kB", 0.001}} {
			slope, power := fit(s.points, middle(floor.of(gateName), f.figure), f.figure)
			rows = append(rows, []string{f.what + ", " + s.what, strings.Join(at, ", "), fmt.Sprintf("%.2f %s", slope*f.factor, f.unit), fmt.Sprintf("n^%.2f", power)})
		}
	}
	return rows
}

// point is one size with what rolloutgate needed for it.
type point struct {
	size    int
	samples []sample
}

func (r results) series(of func(size) (int, bool)) []point {
	var all []point
	for _, g := range r.groups {
		if n, belongs := of(g.size); belongs && !g.size.is(smallRollout) {
			all = append(all, point{n, g.of(gateName)})
		}
	}
	return all
}

// fit gives the slope of the straight line through the points, by least squares, and the power of the curve through what
// they have above the floor.
func fit(points []point, floor float64, figure func(sample) float64) (slope, power float64) {
	var sizes, values, logSizes, logValues []float64
	for _, p := range points {
		x, y := float64(p.size), middle(p.samples, figure)
		sizes, values = append(sizes, x), append(values, y)
		if y > floor {
			logSizes, logValues = append(logSizes, math.Log(x)), append(logValues, math.Log(y-floor))
		}
	}
	return leastSquares(sizes, values), leastSquares(logSizes, logValues)
}

func leastSquares(x, y []float64) float64 {
	var sumX, sumY, sumXX, sumXY float64
	n := float64(len(x))
	for i := range x {
		sumX, sumY, sumXX, sumXY = sumX+x[i], sumY+y[i], sumXX+x[i]*x[i], sumXY+x[i]*y[i]
	}
	return (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX)
}
