package analysis

import (
	"fmt"
	"strings"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// AlertsSpec counts alerts that fire now and did not fire when the rollout began.
type AlertsSpec struct {
	Match string // a selector without a name, such as {namespace="${namespace}",severity="critical"}
}

func readAlerts(d *decoder, value *yaml.Node) Question {
	a := &AlertsSpec{}
	d.mapping(value, "alerts", []key{{"match", textKey("match", &a.Match)}})
	return a
}

// compile asks Prometheus' own series of alerts. Which alerts fire is told by their names.
func (a *AlertsSpec) compile(s CriterionSpec, c *Criterion, vars Vars) error {
	const hint = `write match as a selector without a name, such as {namespace="${namespace}",severity="critical"}`
	switch {
	case a.Match == "":
		return &hinted{"it has no match", hint}
	case s.Min != nil || s.Equal != nil || c.Baseline != nil || len(s.Each) > 0 || s.Reduce != "" || s.NoData != "" || s.Scope != "" && s.Scope != ScopeAll:
		return &hinted{"alerts has only match, max, for and enforce", "remove the other keys; use query for more"}
	}
	expanded, err := vars.Expand(a.Match)
	if err != nil {
		return err
	}
	selected, err := selector("ALERTS" + expanded)
	if err != nil {
		return &hinted{fmt.Sprintf("match: %q is not a selector", oneLine(a.Match)), hint}
	}
	for _, m := range selected.LabelMatchers {
		if m.Name == "alertstate" || m.Name == model.MetricNameLabel && m.Value != "ALERTS" {
			return &hinted{"match: it selects " + m.Name + " itself", hint}
		}
	}
	match := strings.TrimSuffix(strings.TrimSpace(a.Match), "}")
	firing := "ALERTS" + strings.TrimRight(match, ", \t\n") + `,alertstate="firing"}`
	if len(selected.LabelMatchers) <= 1 {
		firing = `ALERTS{alertstate="firing"}`
	}
	c.Query = fmt.Sprintf("count by (alertname) (%s unless %s @ ${rolloutStart})", firing, firing)
	c.Each, c.NoData, c.Op = []string{"alertname"}, NoDataZero, LessEqual
	c.Limit = Limit{}
	if s.Max != nil {
		c.Limit = *s.Max
	}
	c.Scope = ScopeAll
	query, err := vars.Expand(c.Query)
	if err != nil {
		return err
	}
	_, err = parse(query)
	return err
}
