package analysis

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// SLOSpec is a ratio whose limit follows from an objective: max = (1 - objective) * burn.
type SLOSpec struct {
	Objective *Limit  // the share of good events that is promised, such as 99.9%
	Burn      float64 // how many times as fast as sustainable the error budget may burn; 0 stands for defaultBurn
	RatioSpec
}

// defaultBurn spends 2 % of a 30 days' budget in an hour: the rate at which the SRE Workbook (chapter "Alerting on
// SLOs") wakes somebody up.
const defaultBurn = 14.4

func readSLO(d *decoder, value *yaml.Node) Question {
	slo := &SLOSpec{}
	d.mapping(value, "slo", append([]key{
		{"objective", limitKey("objective", &slo.Objective)},
		{"burn", ratioKey("burn", &slo.Burn)},
	}, slo.RatioSpec.keys()...))
	return slo
}

func (slo *SLOSpec) compile(s CriterionSpec, c *Criterion, vars Vars) (err error) {
	if slo.Objective == nil || slo.Objective.Value <= 0 || slo.Objective.Value >= 1 {
		return &hinted{"its objective is not a share", "write the promised share of good events, such as objective: 99.9%"}
	}
	if s.limits() > 0 || c.Baseline != nil {
		return &hinted{"the limit of an slo follows from its objective", "remove max, min, equal and baseline"}
	}
	if c.Counts, err = slo.counts(); err != nil {
		return err
	}
	burn := slo.Burn
	if burn == 0 {
		burn = defaultBurn
	}
	limit := Limit{(1 - slo.Objective.Value) * burn, Percent}
	if limit.Value >= 1 {
		return &hinted{fmt.Sprintf("with a burn of %s every event may be bad", plain(burn)), "lower burn"}
	}
	s.Max = &limit
	if err := s.limited(c); err != nil {
		return err
	}
	return c.check(vars)
}
