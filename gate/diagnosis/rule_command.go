package diagnosis

import (
	"fmt"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

var ruleCommand = Rule{Family: "Commands that make a release", Causes: []Cause{
	{Code: "CommandFailed", class: now("symptom", LayerWorkload, ScopeSpec), By: byCommand,
		Meaning: "The command that was to make the release has failed, did not end in time, or could not be started.",
		Signals: "Its exit code and the last lines that it printed. What it had changed by then is watched for ten seconds; where the cluster shows why it failed, that cause stands before this one.",
		Remedy:  "Read what it printed. A command that waits for the rollout itself, as helm does with --wait, need not: the run waits, and knows more."},
	{Code: "UndoCommandFailed", class: now("symptom", LayerWorkload, ScopeSpec), By: byUndoCommand,
		Meaning: "The command that was to take the release back has failed, did not end in time, or could not be started. The run has put back what it knows of itself.",
		Signals: "Its exit code and the last lines that it printed.",
		Remedy:  "Read what it printed, and see what the tool knows of the release: of a first release there is nothing that helm rollback could go back to, and helm uninstall is what takes it back."},
	{Code: "UndoDiffers", class: now("symptom", LayerWorkload, ScopeSpec), By: byUndoCommand,
		Meaning: "The command that was to take the release back has ended well, and not everything is as it was before the release.",
		Signals: "The objects as they were read before the release, compared with what is there; what only the API server and controllers write is left out.",
		Remedy:  "See whether the tool has gone back to the right version, and whether somebody else changes the objects; rolloutgate undo puts them back field by field."},
}}

var (
	byCommand = Decision{
		When: "ends the run", Rule: "a command has made the release when it ends with exit code 0",
		Knob: "--timeout", NoFlags: true,
	}
	byUndoCommand = Decision{
		When: "ends the undo", Rule: "a command has taken the release back when it ends with exit code 0 and everything is as it was",
		Knob: "--undo-command and --undo-timeout", NoFlags: true,
	}
)

// CommandFailed says that the command which was to make the release has failed, and what it has printed last.
func CommandFailed(command, why string, lines []string) Finding {
	f := aboutStage("CommandFailed")
	f.Cause = fmt.Sprintf("the command %s has failed: %s", command, why)
	f.Evidence = printed(command, lines)
	f.Fix = []string{"read what it printed"}
	return f
}

// UndoCommandFailed says that the command which was to take the release back has failed.
func UndoCommandFailed(command, why string, lines []string) Finding {
	f := aboutStage("UndoCommandFailed")
	f.Cause = fmt.Sprintf("the undo command %s has failed: %s", command, why)
	f.Evidence = printed(command, lines)
	f.Fix = []string{"read what it printed, and see what the tool knows of the release"}
	return f
}

// UndoDiffers says what of a release is not as it was before, after the command that was to take it back.
func UndoDiffers(command string, differences []string) Finding {
	f := aboutStage("UndoDiffers")
	f.Cause = fmt.Sprintf("the undo command %s has ended well, and not everything is as it was: %s", command, strings.Join(differences, "; "))
	f.Fix = []string{"see whether the tool has gone back to the right version", "rolloutgate undo puts the objects back field by field"}
	return f
}

func printed(command string, lines []string) []Proof {
	if len(lines) == 0 {
		return nil
	}
	return []Proof{{Type: "log", Text: strings.Join(lines, "\n"), Ref: command, Headline: messages.Headline(lines) + 1}}
}

// OnlyLate tells a finding that says nothing but that a rollout has not come to its end yet.
func OnlyLate(f Finding) bool {
	return f.Stage == "forecast" || f.Code == "Unexplained" || f.Code == "NotReady"
}
