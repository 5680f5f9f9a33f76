package analysis

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Question is what a criterion asks, as its kind reads it from a file: one of [*RatioSpec], [*SlowSpec], [*SLOSpec],
// [*QuerySpec], [*AlertsSpec] and [*HTTPSpec].
type Question interface {
	// compile completes a criterion that has what all kinds share.
	compile(s CriterionSpec, c *Criterion, vars Vars) error
}

// Asked is a question, and the key that it stands under.
type Asked struct {
	Kind string
	Question
}

// criterionKind is one way to ask a question. A new one is a file, and a row of criterionKinds.
type criterionKind struct {
	name string // its key
	read func(d *decoder, value *yaml.Node) Question
}

// criterionKinds are all kinds, in the order of the documentation.
func criterionKinds() []criterionKind {
	return []criterionKind{
		{"ratio", readRatio},
		{"slow", readSlow},
		{"slo", readSLO},
		{"query", readQuery},
		{"alerts", readAlerts},
		{"http", readHTTP},
	}
}

// question is the one question that an entry asks.
func (s CriterionSpec) question() (Asked, error) {
	var all []string
	for _, k := range criterionKinds() {
		all = append(all, k.name)
	}
	switch len(s.Asks) {
	case 0:
		return Asked{}, &hinted{"it asks nothing", "add one of " + strings.Join(all, ", ") + ", or a preset"}
	case 1:
		return s.Asks[0], nil
	}
	var names []string
	for _, a := range s.Asks {
		names = append(names, a.Kind)
	}
	slices.SortStableFunc(names, func(a, b string) int { return slices.Index(all, a) - slices.Index(all, b) })
	return Asked{}, &hinted{"it has both " + strings.Join(names, " and "), "write one criterion for each; all of them have to pass"}
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
	case s.Equal != nil:
		return &hinted{"equal has no meaning for bad events", "write max: the share of bad events that is allowed, such as max: 1%"}
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
