package report

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Elapsed is a duration as a reader of a log wants it: 0s, 12s, 2m10s, 1h02m.
func Elapsed(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	switch minutes := int(d.Minutes()); {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", minutes, int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%dh%02dm", minutes/60, minutes%60)
	}
}

// place is "file:line" of a manifest.
func place(path string, line int) string {
	switch path = oneLine(path); {
	case path == "":
		return ""
	case path == "-":
		path = "standard input"
	}
	if line <= 0 {
		return path
	}
	return path + ":" + strconv.Itoa(line)
}

// statusCells are phase, new, ready, available and old of a workload. Kinds without pods have no counts.
func statusCells(s rollout.Status) []string {
	if !s.Watched {
		return []string{"applied"} // and not watched
	}
	phase := oneLine(string(s.Phase))
	if s.Desired == 0 && s.Updated == 0 && s.Ready == 0 && s.Available == 0 && s.Old == 0 {
		return []string{phase, "-", "-", "-", "-"}
	}
	return []string{
		phase, fmt.Sprintf("%d/%d", s.Updated, s.Desired), strconv.Itoa(int(s.Ready)), strconv.Itoa(int(s.Available)),
		strconv.Itoa(int(s.Old)),
	}
}

// awaited says what an unfinished workload waits for, or why it failed.
func awaited(s rollout.Status) string {
	if !s.Watched || s.Phase == rollout.Complete {
		return ""
	}
	if s.Message == "" {
		return oneLine(s.Reason)
	}
	return oneLine(s.Message)
}

func phaseColor(phase rollout.Phase) string {
	switch phase {
	case rollout.Complete:
		return green
	case rollout.Failed:
		return red
	}
	return yellow
}

// wordColor is the colour of a verdict of a criterion or of an undo.
func wordColor(word string) string {
	switch word {
	case "pass", "verified":
		return green
	case "fail", "failed", "error":
		return red
	case "inconclusive", "unverified", "skipped":
		return yellow
	}
	return ""
}

// verdictColor is the colour of a run: green when it passed, red when the release is bad or somebody has to act,
// yellow when nothing is known to be wrong with the release.
func verdictColor(r gate.Report) string {
	switch r.Exit.Code {
	case gate.Passed.Code():
		if blames(r) {
			return red // a diagnosis that found something
		}
		return green
	case gate.Inconclusive.Code(), gate.Superseded.Code(), gate.Retry.Code(), gate.Interrupted.Code(), gate.Terminated.Code(), gate.CalledOff.Code():
		return yellow
	}
	return red
}

// blames tells whether a diagnosis found something broken.
func blames(r gate.Report) bool {
	return r.Run.Command == "diagnose" && slices.ContainsFunc(r.Findings, diagnosis.Finding.Blames)
}

// verdictWord is the word for how the run ended. A diagnosis judges nothing.
func verdictWord(r gate.Report) string {
	switch {
	case blames(r):
		return "broken"
	case r.Run.Command == "diagnose" && r.Exit.Code == gate.Passed.Code():
		return "nothing broken"
	}
	return r.Exit.Name
}
