package analysis

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// criterionKind is one way to ask a question. A new one is one file with its functions, and a line in criterionKinds.
type criterionKind struct {
	name    string
	decode  func(d *decoder, value *yaml.Node, into *CriterionSpec)
	present func(CriterionSpec) bool
	// compile completes a criterion that has what all kinds share.
	compile func(s CriterionSpec, c *Criterion, vars Vars) error
}

// criterionKinds are all kinds, in the order of the documentation.
func criterionKinds() []criterionKind {
	return []criterionKind{ratioKind(), slowKind(), sloKind(), queryKind(), alertsKind()}
}

// kind finds the one kind that an entry has.
func (s CriterionSpec) kind() (criterionKind, error) {
	var found []criterionKind
	var all, names []string
	for _, k := range criterionKinds() {
		all = append(all, k.name)
		if k.present(s) {
			found = append(found, k)
			names = append(names, k.name)
		}
	}
	switch len(found) {
	case 0:
		return criterionKind{}, &hinted{"it asks nothing", "add one of " + strings.Join(all, ", ") + ", or a preset"}
	case 1:
		return found[0], nil
	}
	return criterionKind{}, &hinted{"it has both " + strings.Join(names, " and "), "write one criterion for each; all of them have to pass"}
}

// limited takes max, or the whole of min turned around, as the limit of bad events.
func (s CriterionSpec) limited(c *Criterion) error {
	c.Op = LessEqual
	switch {
	case c.Baseline != nil:
		if s.MinIncrease == nil {
			c.Baseline.MinIncrease = Limit{defaultIncrease, Percent}
		}
		c.Limit = Limit{Unit: Percent}
		return nil
	case s.Max != nil:
		c.Limit = *s.Max
	case s.Min != nil:
		return &hinted{"min has no meaning for bad events", "write max: the share of bad events that is allowed; min: 99% is max: 1%"}
	default:
		return &hinted{"it has no limit", "add max, the share of bad events that is allowed, such as max: 1%"}
	}
	if c.Limit.Unit != Percent && c.Limit.Unit != None {
		return &hinted{"max is not a share", "write a percentage, such as max: 1%"}
	}
	if c.Limit.Value < 0 || c.Limit.Value >= 1 {
		return &hinted{fmt.Sprintf("max: %s is not a share of events", Percent.Format(c.Limit.Value)), "write a percentage below 100%, such as max: 1%"}
	}
	c.Limit.Unit = Percent
	return nil
}

// check renders counts once, so that mistakes in the selectors show.
func (c *Criterion) check(vars Vars) error {
	for _, label := range c.Each {
		if label == "" || label == "le" {
			return errors.New("each has a label that cannot be used: " + fmt.Sprintf("%q", label))
		}
	}
	_, err := c.Counts.raw(vars, usualNaming.matchers(vars.Namespace, vars.NewPods), c.Each)
	return err
}

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

func ratioKind() criterionKind {
	return criterionKind{
		name: "ratio",
		decode: func(d *decoder, value *yaml.Node, into *CriterionSpec) {
			into.Ratio = &RatioSpec{}
			d.mapping(value, "ratio", into.Ratio.keys())
		},
		present: func(s CriterionSpec) bool { return s.Ratio != nil },
		compile: func(s CriterionSpec, c *Criterion, vars Vars) (err error) {
			if c.Counts, err = s.Ratio.counts(); err != nil {
				return err
			}
			if err := s.limited(c); err != nil {
				return err
			}
			return c.check(vars)
		},
	}
}
