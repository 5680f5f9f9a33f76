package prometheus

import (
	"strings"

	"github.com/prometheus/common/model"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// answer converts what client_golang decoded.
func (c *Client) answer(value model.Value, warnings, infos []string) analysis.Answer {
	var a analysis.Answer
	switch v := value.(type) {
	case model.Vector:
		a.Kind = analysis.Vector
		for _, s := range v {
			a.Samples = append(a.Samples, sample(s.Metric, s.Value, s.Histogram != nil))
		}
	case *model.Scalar:
		a.Kind = analysis.Scalar
		a.Samples = []analysis.Sample{{Value: float64(v.Value)}}
	case model.Matrix:
		// Judged by its kind alone, so that its points need no copy.
		a.Kind = analysis.Matrix
	default:
		a.Kind = analysis.Kind(value.Type().String())
	}
	for _, info := range infos {
		a.Infos = append(a.Infos, c.clean(info))
	}
	for _, w := range warnings {
		w = c.clean(w)
		// Servers before 3.0 had one list for both; the prefix is theirs.
		if strings.HasPrefix(w, "PromQL info:") {
			a.Infos = append(a.Infos, w)
			continue
		}
		a.Warnings = append(a.Warnings, w)
	}
	return a
}

func sample(metric model.Metric, value model.SampleValue, histogram bool) analysis.Sample {
	labels := make(map[string]string, len(metric))
	for name, v := range metric {
		labels[string(name)] = string(v)
	}
	return analysis.Sample{Labels: labels, Value: float64(value), Histogram: histogram}
}
