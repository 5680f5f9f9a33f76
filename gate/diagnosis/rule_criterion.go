package diagnosis

import (
	"cmp"
	"fmt"
	"time"
)

var ruleCriterion = Rule{Family: "Success criteria", Causes: []Cause{
	{Code: "CriterionBreached", class: now("traffic", LayerApplication, ScopeApp), By: byCriterion,
		Meaning: "A success criterion of the run does not hold for the new version.",
		Signals: "The values that were answered during the window; the report has them and the series that contributed most.",
		Remedy:  "Compare the new version's behaviour with the old one's around the first breach, and read the logs of the new pods of that time."},
	{Code: "CriterionInconclusive", class: now("traffic", LayerApplication, ScopeApp), By: byNoAnswer,
		Meaning: "A success criterion could not be judged: there were no data, too few, or what it asks did not answer.",
		Signals: "The answers during the window.",
		Remedy:  "Run the query by hand against the same Prometheus; check --prometheus-url and that the new pods are scraped. Of an endpoint: send the request by hand."},
	{Code: "CriterionFailsBefore", class: now("traffic", LayerApplication, ScopeApp), By: byPreflight,
		Meaning: "A success criterion does not hold for the running version already, so it cannot judge the new one; nothing was changed.",
		Signals: "The criterion's query, asked before the first write.",
		Remedy:  "Repair the service first, or correct the limit; to deploy nevertheless, for example to repair it, run with --preflight=warn."},
	{Code: "CriterionUnusable", class: now("traffic", LayerApplication, ScopeApp), By: byPreflight,
		Meaning: "A success criterion says nothing about the running version: its query fails or finds nothing; nothing was changed.",
		Signals: "The criterion's query, asked before the first write.",
		Remedy:  "Correct the query, or have the pods scraped; rolloutgate analyze tries criteria alone."},
}}

var (
	byCriterion = Decision{
		When: "fails when values break its limit several times in a row, or as soon as counts leave no doubt",
		Rule: "a value fails when it breaks its limit several times in a row",
		Knob: "its limit and for, --settle, --window", NoFlags: true,
	}
	byEvents = Decision{
		Rule: "a share of events fails as soon as the counts leave no doubt, or when it is over the limit at the end of the window",
		Knob: "its limit and minEvents, --settle, --window",
	}
	byNoAnswer = Decision{
		When: "ends the run undecided when its window is over",
		Rule: byCriterion.Rule, Knob: byCriterion.Knob, NoFlags: true,
	}
	byPreflight = Decision{
		When: "refuses the run before its first write",
		Rule: "a criterion that does not hold before the rollout cannot judge it",
		Knob: "--preflight=warn or --preflight=off", NoFlags: true,
	}
)

// Decision is how a cause decides that is not judged by how long and how often it was seen.
type Decision struct {
	When string // for the reference of causes
	Rule string // for the report; see Finding
	Knob string // how to tune it, for both
	// NoFlags: neither --grace nor --no-fail-fast reaches it, and both refuse its code.
	NoFlags bool
}

// Criterion is a success criterion as far as a cause is made of it. Texts are those of the report.
type Criterion struct {
	Name string
	Text string // what is asked and the limit
	// Reason says why the criterion failed, or why it could not be judged.
	Reason string
	// Contributors are the series that contributed most to a breach.
	Contributors []string
	FirstBreach  time.Time
	// Count is how many values were judged; of a share of events, how many events were bad.
	Count  int
	Events bool // a share of events was judged, not values
	// Source is what was asked; "" is Prometheus.
	Source string
}

// CriterionBreached says that a criterion did not hold for the new version.
func CriterionBreached(c Criterion) Finding {
	f := c.judged("CriterionBreached")
	f.Cause = fmt.Sprintf("criterion %q is violated: %s", c.Name, c.Reason)
	f.Fix = []string{"compare the new version's behaviour with the old one's around the first breach", "look at the logs of the new pods at that time"}
	return f
}

// CriterionInconclusive says that a criterion could not be judged.
func CriterionInconclusive(c Criterion) Finding {
	f := c.judged("CriterionInconclusive")
	f.Confidence = Likely
	f.Cause = fmt.Sprintf("criterion %q could not be judged: %s", c.Name, c.Reason)
	f.Fix = []string{"run the query by hand against the same Prometheus", "check --prometheus-url and that the new pods are scraped"}
	if c.Source != "" {
		f.Fix = []string{"send the request by hand, from the machine that this ran on", "check the url and the jsonpath of the criterion, and that the endpoint answers all the time"}
	}
	return f
}

// CriterionFailsBefore says that a criterion did not hold before anything was changed. Reason is the value and the
// limit, "0.31 against < 0.01"; it may be empty.
func CriterionFailsBefore(c Criterion) Finding {
	f := c.finding("CriterionFailsBefore")
	f.Cause = fmt.Sprintf("criterion %q does not hold for the running version already", c.Name)
	if c.Reason != "" {
		f.Cause += ": " + c.Reason
	}
	f.Fix = []string{"repair the service first, or correct the limit", "deploy nevertheless, for example to repair it: --preflight=warn"}
	return f
}

// CriterionUnusable says that a criterion said nothing before anything was changed.
func CriterionUnusable(c Criterion) Finding {
	f := c.finding("CriterionUnusable")
	f.Cause = fmt.Sprintf("criterion %q says nothing about the running version: %s", c.Name, c.Reason)
	f.Fix = []string{"correct the query, or have the pods scraped; 'rolloutgate analyze' tries criteria alone"}
	if c.Source != "" {
		f.Fix = []string{"send the request by hand; 'rolloutgate analyze' tries criteria alone", "deploy nevertheless, for example the version that has the endpoint: --preflight=warn"}
	}
	return f
}

// judged starts a finding about a criterion that was asked again and again.
func (c Criterion) judged(code string) Finding {
	f := c.finding(code)
	f.FirstSeen, f.Count = c.FirstBreach, c.Count
	if c.Events {
		f.Rule, f.Knob = byEvents.Rule, byEvents.Knob
	}
	for _, series := range c.Contributors {
		f.Evidence = append(f.Evidence, Proof{Type: "metric", Text: series, Ref: c.ref()})
	}
	return f
}

// ref is where evidence comes from.
func (c Criterion) ref() string { return cmp.Or(c.Source, "Prometheus") }

func (c Criterion) finding(code string) Finding {
	cause := standard.cause(code)
	return Finding{
		Code: code, Detail: c.Name, Layer: cause.layer, Stage: cause.Stage(), Confidence: Proven, Terminal: cause.terminal,
		Rule: cause.By.Rule, Knob: cause.By.Knob, entry: cause,
		Evidence: []Proof{{Type: "metric", Text: c.Text, Ref: c.ref()}},
	}
}
