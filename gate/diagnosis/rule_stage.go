package diagnosis

import (
	"fmt"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

var ruleStage = Rule{Family: "Tests of stages", Causes: []Cause{
	{Code: "StageTestFailed", class: now("symptom", LayerWorkload, ScopeSpec), By: byTest,
		Meaning: "The command by which a stage is tested has failed, did not end in time, or could not be carried out.",
		Signals: "Its exit code and the last lines that it printed.",
		Remedy:  "Read what it printed, and run it by hand against what it tests; see that the machine has what it needs."},
}}

var byTest = Decision{
	When: "ends the stage at once",
	Rule: "a stage that is tested goes on only when its test ends with exit code 0",
	Knob: "test and its timeout in the stages of the config file", NoFlags: true,
}

// StageTestFailed says that the command of a test has failed, and what it has printed last.
func StageTestFailed(stage, command, why string, lines []string) Finding {
	f := aboutStage("StageTestFailed")
	f.Cause = fmt.Sprintf("the test of stage %s has failed: %s: %s", stage, command, why)
	if len(lines) > 0 {
		f.Evidence = []Proof{{Type: "log", Text: strings.Join(lines, "\n"), Ref: command, Headline: messages.Headline(lines) + 1}}
	}
	f.Fix = []string{"read what it printed, and run it by hand against what it tests"}
	return f
}
