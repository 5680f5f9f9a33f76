package gate

import (
	"cmp"
	"errors"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// Unbegun is the report of a run that did not come to begin: its manifests cannot be read, there is no cluster, somebody
// lacks a permission. Nothing was changed.
func (g Gate) Unbegun(command string, o Outcome, err error) Report {
	r := Report{
		SchemaVersion: SchemaVersion,
		Run: Run{
			ID: cmp.Or(g.ID, record.NewID()), Command: command, Version: g.Version, Started: now(), Finished: now(),
			Namespace: g.Namespace, Context: g.Context, Pipeline: g.Pipeline,
		},
		Exit: Exit{Code: o.Code(), Name: o.Name(), State: nothingChanged},
	}
	r.Exit.Because(err)
	return r
}

// Because notes why a run could not be carried out, and what file that is about.
func (e *Exit) Because(err error) {
	if err == nil {
		return
	}
	e.Error = newRedactor(nil).text(err.Error()) // credentials in an address
	var (
		invalid *manifest.Error
		spec    *analysis.SpecError
	)
	switch {
	case errors.As(err, &invalid):
		e.File, e.Line = invalid.Path, invalid.Line
	case errors.As(err, &spec):
		e.File, e.Line = spec.File, spec.Line
	}
}

// Started is the event by which the run of the report has begun.
func (r Report) Started() Event {
	return NewEvent(r.Run.Started, manifest.Ref{}, Started{
		SchemaVersion: r.SchemaVersion, Run: r.Run.ID, Command: r.Run.Command, Version: r.Run.Version,
		Namespace: r.Run.Namespace, Context: r.Run.Context, Pipeline: r.Run.Pipeline,
	})
}

// Finished is the event by which the run of the report has ended.
func (r Report) Finished() Event {
	f := Finished{Run: r.Run.ID, Exit: r.Exit, Took: r.Run.Finished.Sub(r.Run.Started), Workloads: r.Workloads}
	if len(r.Findings) > 0 {
		f.Code, f.Cause = r.Findings[0].Code, r.Findings[0].Cause
	}
	if r.Undo != nil {
		f.Undo, f.Undoing = r.Undo.Result, r.Undo.Duration
	}
	for _, c := range r.Criteria {
		f.Criteria = append(f.Criteria, CriterionEnd{Name: c.Name, Verdict: c.Verdict, ReportOnly: c.ReportOnly})
	}
	return NewEvent(r.Run.Finished, manifest.Ref{}, f)
}
