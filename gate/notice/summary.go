package notice

import (
	"net/url"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// SummaryVersion is the version of Summary as JSON. Fields are only ever added within one version.
const SummaryVersion = "1"

// Summary is a message for machines. Its JSON form is an interface.
type Summary struct {
	SchemaVersion string      `json:"schemaVersion"`
	ID            string      `json:"id"` // of this message; the same when it is sent again
	Time          time.Time   `json:"time"`
	Occasions     []Occasion  `json:"occasions"` // empty: a test
	Title         string      `json:"title"`
	Text          string      `json:"text"`
	Run           Run         `json:"run"`
	Exit          *gate.Exit  `json:"exit,omitempty"` // nil while the run goes on
	Cause         *Cause      `json:"cause,omitempty"`
	Undo          *Undo       `json:"undo,omitempty"`
	Workloads     []Workload  `json:"workloads,omitempty"`
	Criteria      []Criterion `json:"criteria,omitempty"`
	Approval      *Approval   `json:"approval,omitempty"`
}

// Run says which run a message is about.
type Run struct {
	ID        string          `json:"id,omitempty"`
	Command   string          `json:"command,omitempty"`
	Version   string          `json:"version,omitempty"`
	Namespace string          `json:"namespace,omitempty"`
	Context   string          `json:"context,omitempty"`
	Started   time.Time       `json:"started,omitzero"`
	Finished  time.Time       `json:"finished,omitzero"`
	Pipeline  record.Pipeline `json:"pipeline,omitzero"`
}

// Cause is why the run ended as it did, or what may become the reason.
type Cause struct {
	Code     string   `json:"code"`
	Workload string   `json:"workload,omitempty"`
	Text     string   `json:"text"`
	Changed  []string `json:"changed,omitempty"`
	Place    string   `json:"place,omitempty"` // in the manifest
	Fix      []string `json:"fix,omitempty"`
}

// Undo is what became of putting things back.
type Undo struct {
	Result   gate.UndoResult `json:"result"`
	Duration float64         `json:"duration"` // seconds
}

// Workload is one that was watched.
type Workload struct {
	Name  string `json:"name"` // deployment/web
	Phase string `json:"phase"`
}

// Criterion is one that was judged.
type Criterion struct {
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Value   string `json:"value,omitempty"` // with its unit
	Limit   string `json:"limit,omitempty"`
	Reason  string `json:"reason,omitempty"`
}

// Approval is what a stage waits for.
type Approval struct {
	Stage string  `json:"stage"`
	By    string  `json:"by,omitempty"` // a regular expression for who may answer
	Limit float64 `json:"limit"`        // seconds
}

// maxListed is how many workloads and criteria a summary has.
const maxListed = 100

func newSummary(r gate.Run) Summary {
	return Summary{SchemaVersion: SummaryVersion, ID: record.NewID(), Occasions: []Occasion{}, Run: Run{
		ID: line(r.ID), Command: line(r.Command), Version: line(r.Version), Namespace: line(r.Namespace), Context: line(r.Context),
		Started: r.Started, Finished: r.Finished,
		Pipeline: record.Pipeline{
			System: line(r.Pipeline.System), URL: link(r.Pipeline.URL), Commit: line(r.Pipeline.Commit), Actor: line(r.Pipeline.Actor),
		},
	}}
}

func summaryOfReport(r gate.Report, h report.Headline, explained bool) Summary {
	s := newSummary(r.Run)
	s.Exit = &gate.Exit{Code: r.Exit.Code, Name: line(r.Exit.Name), State: line(r.Exit.State), Error: line(r.Exit.Error), File: line(r.Exit.File), Line: r.Exit.Line}
	if explained {
		s.Cause = &Cause{
			Code: h.Code, Workload: line(report.About(r.Findings[0]).String()), Text: h.Cause, Changed: h.Changed, Place: h.Place, Fix: h.Fix,
		}
		if report.About(r.Findings[0]).Name == "" {
			s.Cause.Workload = ""
		}
	}
	if r.Undo != nil {
		s.Undo = &Undo{Result: r.Undo.Result, Duration: r.Undo.Duration}
	}
	for _, w := range r.Workloads[:min(len(r.Workloads), maxListed)] {
		if w.Watched {
			s.Workloads = append(s.Workloads, Workload{Name: line(w.Ref.String()), Phase: line(string(w.Phase))})
		}
	}
	for _, c := range r.Criteria[:min(len(r.Criteria), maxListed)] {
		one := Criterion{Name: line(c.Name), Verdict: line(string(c.Verdict)), Limit: line(string(c.Op) + " " + c.Unit.Format(float64(c.Limit))), Reason: line(c.Reason)}
		if c.Value != nil {
			one.Value = c.Unit.Format(float64(*c.Value))
		}
		if c.Baseline != "" {
			one.Limit = line(c.Baseline)
		}
		s.Criteria = append(s.Criteria, one)
	}
	return s
}

func (m Message) withSummary(s Summary) Message {
	s.Time, s.Title, s.Text = m.Time, m.Title, m.Text
	s.Occasions = append(s.Occasions, m.Occasions...)
	m.Summary = s
	return m
}

// link is a URL that may be shown as a link; empty when it is none.
func link(text string) string {
	u, err := url.Parse(line(text))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
		return ""
	}
	return u.String()
}
