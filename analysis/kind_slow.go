package analysis

import (
	"math"
	"strings"

	"go.yaml.in/yaml/v3"
)

// SlowSpec counts the observations of a histogram above a bound.
type SlowSpec struct {
	Histogram string // a selector with the base name of the histogram
	Over      *Limit
}

func slowKind() criterionKind {
	return criterionKind{
		name: "slow",
		decode: func(d *decoder, value *yaml.Node, into *CriterionSpec) {
			into.Slow = &SlowSpec{}
			d.mapping(value, "slow", []key{{"histogram", textKey("histogram", &into.Slow.Histogram)}, {"over", limitKey("over", &into.Slow.Over)}})
		},
		present: func(s CriterionSpec) bool { return s.Slow != nil },
		compile: compileSlow,
	}
}

// compileSlow asks "how many were slower than" instead of "how slow was the slowest percent": p99 <= 500ms is the same
// as at most 1 % above 500ms, but counts have no interpolation error and say how many there were.
func compileSlow(s CriterionSpec, c *Criterion, vars Vars) error {
	switch {
	case s.Slow.Histogram == "":
		return &hinted{"it has no histogram", "add histogram, such as http_request_duration_seconds"}
	case s.Slow.Over == nil:
		return &hinted{"it has no over", "add over: the duration above which a request is slow, such as over: 500ms; it has to be a bound of the histogram's buckets"}
	}
	if s.Slow.Over.Value <= 0 || s.Slow.Over.Unit == Percent {
		return &hinted{"over is not a duration above zero", "write the duration above which a request is slow, such as over: 500ms"}
	}
	expanded, err := vars.Expand(s.Slow.Histogram)
	if err != nil {
		return err
	}
	selected, err := selector(expanded)
	if err != nil {
		return err
	}
	metric := metricOf(selected)
	for _, suffix := range []string{"_bucket", "_count", "_sum"} {
		if base, ok := strings.CutSuffix(metric, suffix); ok {
			return &hinted{"histogram names one of its series, " + metric, "write " + base}
		}
	}
	over := s.Slow.Over.Value
	if s.Slow.Over.Unit == Seconds && (strings.HasSuffix(metric, "_milliseconds") || strings.HasSuffix(metric, "_ms")) {
		over = math.Round(over*1e9) / 1e6
	}
	c.Counts = &Counts{Histogram: s.Slow.Histogram, Over: over}
	if err := s.limited(c); err != nil {
		return err
	}
	return c.check(vars)
}
