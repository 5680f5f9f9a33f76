package report

import (
	"io"

	"github.com/rolloutgate/rolloutgate/gate"
)

// Format is a form in which the result of a run is written.
type Format struct {
	// Name is the word for it on the command line.
	Name string
	// File is its name in a folder of reports; empty: it is not written there.
	File string
	// Write renders the report. The options are for what is printed on a console.
	Write func(io.Writer, gate.Report, Options) error
	// Stream begins to render a run while it goes on. Nil: there is nothing before its end.
	Stream func(io.Writer) Stream
	// Has says whether a run has a file in this form; nil: every run has.
	Has func(gate.Report) bool
}

// Formats are all forms of the report; the first one is for a person at a console. A new one is one file of this package
// and one row here.
func Formats() []Format {
	return []Format{
		{Name: "text", Write: Text},
		{Name: "json", File: "report.json", Write: plain(JSON)},
		{Name: "ndjson", File: "events.ndjson", Write: plain(NDJSON), Stream: StreamNDJSON},
		{Name: "markdown", File: "report.md", Write: plain(Markdown)},
		{Name: "junit", File: "report.junit.xml", Write: plain(JUnit)},
		{Name: "html", File: "report.html", Write: plain(HTML)},
		{Name: "openmetrics", File: "rolloutgate.prom", Write: plain(OpenMetrics), Has: Released},
	}
}

// plain is a rendering that looks the same everywhere.
func plain(write func(io.Writer, gate.Report) error) func(io.Writer, gate.Report, Options) error {
	return func(w io.Writer, r gate.Report, _ Options) error { return write(w, r) }
}
