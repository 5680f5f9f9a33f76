package diagnosis

import (
	"fmt"
	"time"
)

var ruleApproval = Rule{Family: "Approvals", Causes: []Cause{
	{Code: "StageRejected", class: now("symptom", LayerWorkload, ScopeSpec), By: byPerson,
		Meaning: "Somebody who was asked has said no to going on with the release.",
		Signals: "The lease of the run, on which `rolloutgate reject` writes.",
		Remedy:  "Ask them; the reason that they gave is in the finding."},
	{Code: "StageNotApproved", class: now("symptom", LayerWorkload, ScopeSpec), By: byPerson,
		Meaning: "A stage had to be approved, and nobody has said anything in time.",
		Signals: "The lease of the run, on which `rolloutgate approve` writes.",
		Remedy:  "Run again when somebody is there, wait for longer, or park the run and resume it in a job that somebody has to start."},
}}

var byPerson = Decision{
	When: "ends the stage at once",
	Rule: "a stage that has to be approved goes on only when somebody says so",
	Knob: "--approve-timeout and --approve-by", NoFlags: true,
}

// StageRejected says that somebody has said no to a stage. Reason may be empty.
func StageRejected(stage, by, reason string) Finding {
	f := aboutStage("StageRejected")
	f.Cause = fmt.Sprintf("%s has rejected stage %s", by, stage)
	if reason != "" {
		f.Cause += ": " + reason
	}
	f.Fix = []string{"ask them"}
	return f
}

// StageNotApproved says that nobody has answered in time.
func StageNotApproved(stage string, waited time.Duration) Finding {
	f := aboutStage("StageNotApproved")
	f.Cause = fmt.Sprintf("nobody has approved stage %s within %s", stage, short(waited))
	f.Fix = []string{"run again when somebody is there", "wait for longer: --approve-timeout"}
	return f
}

func aboutStage(code string) Finding {
	cause := standard.cause(code)
	return Finding{
		Code: code, Layer: cause.layer, Stage: cause.Stage(), Confidence: Proven, Terminal: cause.terminal,
		Rule: cause.By.Rule, Knob: cause.By.Knob, entry: cause,
	}
}
