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

func readSlow(d *decoder, value *yaml.Node) Question {
	slow := &SlowSpec{}
	d.mapping(value, "slow", []key{{"histogram", textKey("histogram", &slow.Histogram)}, {"over", limitKey("over", &slow.Over)}})
	return slow
}

// compile asks "how many were slower than" instead of "how slow was the slowest percent": p99 <= 500ms is the same
// as at most 1 % above 500ms, but counts have no interpolation error and say how many there were.
func (slow *SlowSpec) compile(s CriterionSpec, c *Criterion, vars Vars) error {
	switch {
	case slow.Histogram == "":
		return &hinted{"it has no histogram", "add histogram, such as http_request_duration_seconds"}
	case slow.Over == nil:
		return &hinted{"it has no over", "add over: the duration above which a request is slow, such as over: 500ms; it has to be a bound of the histogram's buckets"}
	}
	if slow.Over.Value <= 0 || slow.Over.Unit == Percent {
		return &hinted{"over is not a duration above zero", "write the duration above which a request is slow, such as over: 500ms"}
	}
	expanded, err := vars.Expand(slow.Histogram)
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
	over := slow.Over.Value
	if slow.Over.Unit == Seconds && (strings.HasSuffix(metric, "_milliseconds") || strings.HasSuffix(metric, "_ms")) {
		over = math.Round(over*1e9) / 1e6
	}
	c.Counts = &Counts{Histogram: slow.Histogram, Over: over}
	if err := s.limited(c); err != nil {
		return err
	}
	return c.check(vars)
}
