package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

// excerpt is the part of some evidence that is shown.
type excerpt struct {
	lines    []string
	headline int // index of the line that says it best; -1 if no line does
	first    int // number of the first line shown, from 1
	total    int
}

// quoteLines picks n lines of a proof: the last ones, which usually say why, unless the headline of a log stands further
// up. Then it is that and what follows, with a few lines that lead to it.
func quoteLines(proof diagnosis.Proof, n int) excerpt {
	lines, headline := proofLines(proof)
	first := max(0, len(lines)-n)
	if headline >= 0 && headline < first {
		first = max(0, headline-n/4)
	}
	last := min(len(lines), first+n)
	e := excerpt{lines: lines[first:last], headline: -1, first: first + 1, total: len(lines)}
	if headline >= first && headline < last {
		e.headline = headline - first
	}
	return e
}

// proofLines are the sanitised lines of a proof, and which of them is the headline. Sanitising may make several lines of
// one: a progress bar returns to its start.
func proofLines(proof diagnosis.Proof) (lines []string, headline int) {
	headline = -1
	for i, raw := range strings.Split(proof.Text, "\n") {
		if i+1 == proof.Headline {
			headline = len(lines)
		}
		lines = append(lines, strings.Split(Sanitize(strings.TrimSuffix(raw, "\r"), 0, 400), "\n")...)
	}
	for len(lines) > 1 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	if headline >= len(lines) {
		headline = -1
	}
	return lines, headline
}

// part says which lines are shown; empty when all are.
func (e excerpt) part() string {
	switch last := e.first + len(e.lines) - 1; {
	case len(e.lines) == e.total:
		return ""
	case last == e.total:
		return fmt.Sprintf("last %d of %s", len(e.lines), count(e.total, "line"))
	default:
		return fmt.Sprintf("lines %d to %d of %d", e.first, last, e.total)
	}
}

// proofTitle says what is quoted, where it was read and when it was written.
func proofTitle(proof diagnosis.Proof, started time.Time, quote func(string) string) []string {
	title := []string{oneLine(proof.Type)}
	if proof.Ref != "" {
		title = append(title, quote(proof.Ref))
	}
	if since := sinceStart(proof.Time, started); since != "" {
		title = append(title, since)
	}
	return title
}

// The words by which the rules begin a proof of what changed.
const inRollout, inRun = "changed in this rollout: ", "changed in this run: "

// changedWords are the changes that may have caused a finding, each in a line of its own, that of the very field first.
func changedWords(f diagnosis.Finding) []string {
	var words []string
	changes := slices.Clone(f.Changes)
	slices.SortStableFunc(changes, func(a, b diagnosis.Change) int {
		return near(b, f) - near(a, f)
	})
	for _, c := range changes {
		text := oneLine(c.String())
		if rest, hidden := strings.CutSuffix(text, " changed"); hidden && c.Before == "" && c.After == "" {
			text = rest + " (not shown: it may be secret)"
		}
		words = append(words, text)
	}
	for _, proof := range f.Evidence {
		text := oneLine(proof.Text)
		if rest, ok := strings.CutPrefix(text, inRollout); ok && len(f.Changes) == 0 && proof.Type == "diff" {
			words = append(words, rest)
		} else if rest, ok := strings.CutPrefix(text, inRun); ok && proof.Type == "diff" {
			words = append(words, rest)
		}
	}
	return words
}

// near is 1 for a change at, above or below the field to blame.
func near(c diagnosis.Change, f diagnosis.Finding) int {
	if strings.HasPrefix(c.Path, f.FieldPath) || strings.HasPrefix(f.FieldPath, c.Path) {
		return 1
	}
	return 0
}

// otherProofs are the proofs that changedWords does not tell.
func otherProofs(f diagnosis.Finding) []diagnosis.Proof {
	var rest []diagnosis.Proof
	for _, proof := range f.Evidence {
		told := strings.HasPrefix(proof.Text, inRollout) || strings.HasPrefix(proof.Text, inRun)
		if proof.Type != "diff" || !told {
			rest = append(rest, proof)
		}
	}
	return rest
}
