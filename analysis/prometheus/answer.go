package prometheus

import (
	"strings"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// answer converts what an instant query returned.
func (c *Client) answer(value model.Value, warnings v1.Warnings, infos v1.Infos) analysis.Answer {
	var a analysis.Answer
	switch v := value.(type) {
	case model.Vector:
		a.Kind = analysis.Vector
		for _, s := range v {
			one := sample(s.Metric, s.Value, s.Histogram != nil)
			one.Time = s.Timestamp.Time().UTC()
			a.Samples = append(a.Samples, one)
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
		if strings.HasPrefix(w, "PromQL info:") || c.allowPartial {
			a.Infos = append(a.Infos, w)
			continue
		}
		a.Warnings = append(a.Warnings, w)
	}
	return a
}

// rangeAnswer converts what a range query returned, with its points.
func (c *Client) rangeAnswer(value model.Value, warnings v1.Warnings, infos v1.Infos) analysis.Answer {
	a := c.answer(value, warnings, infos)
	matrix, _ := value.(model.Matrix)
	for _, series := range matrix {
		s := sample(series.Metric, 0, len(series.Histograms) > 0)
		s.Moments = make([]analysis.Moment, len(series.Values))
		for i, v := range series.Values {
			s.Moments[i] = analysis.Moment{Time: v.Timestamp.Time(), Value: analysis.Number(v.Value)}
		}
		a.Samples = append(a.Samples, s)
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
