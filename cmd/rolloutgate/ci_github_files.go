package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// summarize adds the report to the summary page of the step, or a single line where it would be too large for it.
func (g *github) summarize(r gate.Report) error {
	path := g.getenv("GITHUB_STEP_SUMMARY")
	if path == "" {
		return nil
	}
	var page strings.Builder
	if err := report.Markdown(&page, r); err != nil {
		return err
	}
	text, used := page.String(), 0
	if info, err := os.Stat(path); err == nil {
		used = int(info.Size())
	}
	if used+len(text) > maxSummary {
		text = fmt.Sprintf("\n**rolloutgate: %s (exit %d)** The summary of this step is full; the log and the JSON report say more.\n",
			word(r.Exit.Name, "-"), r.Exit.Code)
	}
	if used+len(text) > maxSummary {
		return nil
	}
	return recovered(func() { g.action.AddStepSummary(text) })
}

// output writes the outputs of the step. Callers paste them into shell scripts, so they hold words of closed
// vocabularies, numbers, names that Kubernetes has checked, and paths of ours; what does not fit is left empty.
//
// The library's own writer has a delimiter that everybody knows.
func (g *github) output(r gate.Report, files reportFiles) error {
	path := g.getenv("GITHUB_OUTPUT")
	if path == "" {
		return nil
	}
	delimiter := "rolloutgate_" + rand.Text()
	var text strings.Builder
	for _, o := range outputs(r, files) {
		if strings.Contains(o.value, delimiter) || strings.ContainsAny(o.value, "\r\n") {
			return fmt.Errorf("writing the output %s: its value could pass for another output", o.name)
		}
		fmt.Fprintf(&text, "%s<<%s\n%s\n%s\n", o.name, delimiter, o.value, delimiter)
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("writing the outputs: %w", err)
	}
	_, err = file.WriteString(text.String())
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("writing the outputs: %w", err)
	}
	return nil
}

// stepOutput is one output of a step.
type stepOutput struct{ name, value string }

func outputs(r gate.Report, files reportFiles) []stepOutput {
	var reason, undo string
	var failed manifest.Ref
	if r.Exit.Code != 0 {
		for _, s := range slices.Backward(r.Workloads) {
			if s.Phase == "Failed" {
				failed = s.Ref
			}
		}
		if len(r.Findings) > 0 {
			reason, failed = r.Findings[0].Code, report.About(r.Findings[0])
		}
	}
	if r.Undo != nil {
		undo = string(r.Undo.Result)
	}
	path := func(s string) string {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return ""
		}
		return s
	}
	return []stepOutput{
		{"verdict", word(r.Exit.Name, "-")},
		{"exit-code", strconv.Itoa(r.Exit.Code)},
		{"reason", word(reason, "")},
		{"undo", word(undo, "-")},
		{"failed-kind", word(failed.Kind, "")},
		{"failed-name", word(failed.Name, "-.")},
		{"duration-seconds", strconv.Itoa(int(max(r.Run.Finished.Sub(r.Run.Started), 0).Seconds()))},
		{"report-dir", path(files.dir)},
		{"report-json", path(files.paths["json"])},
		{"report-html", path(files.paths["html"])},
		{"report-junit", path(files.paths["junit"])},
	}
}

// word returns s if it has nothing but ASCII letters, digits and the characters of also, and otherwise nothing.
func word(s, also string) string {
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(also, r):
		default:
			return ""
		}
	}
	return s
}
