package analysis

import "go.yaml.in/yaml/v3"

// RatioSpec counts bad events among all. One of Bad and Good is set, and Total.
type RatioSpec struct{ Bad, Good, Total string }

func (r *RatioSpec) keys() []key {
	return []key{{"bad", textKey("bad", &r.Bad)}, {"good", textKey("good", &r.Good)}, {"total", textKey("total", &r.Total)}}
}

func (r *RatioSpec) counts() (*Counts, error) {
	switch {
	case r.Total == "":
		return nil, &hinted{"it has no total", "add total: the counter of all events, such as http_requests_total"}
	case (r.Bad == "") == (r.Good == ""):
		return nil, &hinted{"it needs one of bad and good", `add bad: the counter of bad events, such as http_requests_total{code=~"5.."}`}
	}
	return &Counts{Bad: r.Bad, Good: r.Good, Total: r.Total}, nil
}

func readRatio(d *decoder, value *yaml.Node) Question {
	r := &RatioSpec{}
	d.mapping(value, "ratio", r.keys())
	return r
}

func (r *RatioSpec) compile(s CriterionSpec, c *Criterion, vars Vars) (err error) {
	if c.Counts, err = r.counts(); err != nil {
		return err
	}
	if err := s.limited(c); err != nil {
		return err
	}
	return c.check(vars)
}
