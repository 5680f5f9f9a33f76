package analysis

import (
	"strings"
	"testing"
)

// Alerts are matched however the selector is written down.
func TestAlertsMatch(t *testing.T) {
	for match, want := range map[string]string{
		`{severity="critical"}`:             `ALERTS{severity="critical",alertstate="firing"}`,
		`{severity="critical",}`:            `ALERTS{severity="critical",alertstate="firing"}`,
		"{severity=\"critical\"}\n":         `ALERTS{severity="critical",alertstate="firing"}`,
		"\n  {severity=\"critical\" , } \n": `ALERTS{severity="critical",alertstate="firing"}`,
		`{}`:                                `ALERTS{alertstate="firing"}`,
		`{a="}"}`:                           `ALERTS{a="}",alertstate="firing"}`,
		`{alertstate="pending"}`:            "",
		`X{a="b"}`:                          "",
		`sum(x)`:                            "",
		``:                                  "",
	} {
		c, err := CriterionSpec{Name: "alerts", Asks: asks("alerts", &AlertsSpec{Match: match})}.compile(Placeholders())
		switch {
		case want == "" && err == nil:
			t.Errorf("%q became %s", match, c.Query)
		case want != "" && err != nil:
			t.Errorf("%q: %v", match, err)
		case want != "" && strings.Count(strings.Join(strings.Fields(c.Query), ""), strings.ReplaceAll(want, " ", "")) != 2:
			t.Errorf("%q became %s", match, c.Query)
		}
	}
}
