package report

import (
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
)

// Headline is why a run ended as it did: the first finding, in lines that are clean and not escaped for any sink.
type Headline struct {
	Code    string
	Subject string // the code and the workload
	Cause   string // one sentence
	Changed []string
	Place   string // file and line of the manifest, and the field
	Fix     []string
}

// HeadlineOf is the headline of a report; false when no finding explains how the run ended.
func HeadlineOf(r gate.Report) (Headline, bool) {
	if !explains(r) {
		return Headline{}, false
	}
	f := r.Findings[0]
	h := Headline{
		Code: oneLine(f.Code), Subject: subject(f), Cause: oneLine(f.Cause), Changed: changedWords(f),
		Place: strings.TrimSpace(place(f.File, f.Line) + " " + oneLine(f.FieldPath)),
	}
	for _, fix := range f.Fix {
		h.Fix = append(h.Fix, oneLine(fix))
	}
	return h, true
}

// FailedCriteria says of each criterion that failed why, and what it was before.
func FailedCriteria(r gate.Report) []string {
	var lines []string
	for _, c := range r.Clusters {
		for _, text := range FailedCriteria(c.Report) {
			lines = append(lines, oneLine(c.Name)+": "+text)
		}
	}
	for _, c := range r.Criteria {
		if c.Verdict != analysis.Fail || c.ReportOnly {
			continue
		}
		text := oneLine(c.Name) + ": " + oneLine(c.Reason)
		if c.Before != nil {
			text += "; before the rollout " + rough(c.Unit, *c.Before)
		}
		lines = append(lines, text)
	}
	return lines
}

// Concern is how much somebody has to care about the end of a run.
type Concern string

// Fine: it passed. Doubtful: nothing is known to be wrong with the release. Alarming: the release is bad, or a person has to
// act.
const (
	Fine     Concern = "fine"
	Doubtful Concern = "doubtful"
	Alarming Concern = "alarming"
)

// ConcernOf is that of a report, by which its renderings have their colour.
func ConcernOf(r gate.Report) Concern {
	return map[string]Concern{green: Fine, yellow: Doubtful, red: Alarming}[verdictColor(r)]
}

// Watched are the names of the workloads that a run has watched.
func Watched(r gate.Report) []string {
	var names []string
	for _, c := range r.Clusters {
		for _, name := range Watched(c.Report) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, s := range r.Workloads {
		if name := oneLine(s.Ref.String()); s.Watched && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
