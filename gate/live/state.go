// Package live is a run as a person watches it: a few lines that change while it goes on.
//
// Takes: the events of a run, one by one, and the size of a terminal. Returns: lines that fit into it. Never: prints, or
// asks for the time.
package live

import (
	"math"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// State is what is known of a run from its events so far. Its zero value is a run that has not begun.
type State struct {
	Timeout time.Duration // of the run; 0 is not shown

	clusters []*cluster // in the order in which they were heard of; empty where there is only one

	started time.Time // of the first event
	step    gate.Step // the present one, and since when
	since   time.Time
	passed  []gate.StepName // the steps before it, each once
	broken  gate.StepName   // the step in which the verdict was a bad one
	judged  *gate.Judged

	stages    []string // of the whole run, when there are several
	stage     int      // the present one
	workloads []workload
	criteria  []criterion
	asked     *gate.Asked // nobody has answered yet
	askedAt   time.Time
	awaited   string // what the run waits for, when nothing has changed for a while

	written              []string // objects that the run has changed
	taken, kept, trouble int      // of these: put back, left alone, not put back
}

// workload is how far one is; back says that its new pods are those of the version that an undo has put back.
type workload struct {
	rollout.Status
	back bool
}

// criterion is what was measured of one.
type criterion struct {
	name   string
	before *gate.Before
	last   *gate.Measured
	values []value // the newest last
}

type value struct {
	number float64
	broken bool // it breaks the limit
}

// maxValues are as many values of a criterion as a line has room for.
const maxValues = 40

// Take takes in what has happened.
func (s *State) Take(e gate.Event) {
	if s.started.IsZero() {
		s.started = e.Time
	}
	if e.Cluster != "" {
		s.inCluster(e)
		return
	}
	switch p := e.Payload.(type) {
	case gate.Waiting:
		s.awaited = report.AwaitedText(p)
		return
	case gate.Said, gate.Printed:
		return
	case gate.Step:
		s.enter(p, e.Time)
	case gate.Applied:
		if p.Action != patch.Unchanged && !slices.Contains(s.written, e.Object.String()) {
			s.written = append(s.written, e.Object.String())
		}
	case gate.Status:
		if !s.status(p.Status) {
			return
		}
	case gate.Before:
		s.criterion(p.Criterion).before = &p
	case gate.Measured:
		s.measured(p)
		return
	case gate.Asked:
		s.asked, s.askedAt = &p, e.Time
	case gate.Decided:
		s.asked = nil
	case gate.Judged:
		s.asked, s.judged = nil, &p
		if p.Outcome != gate.Passed && s.broken == "" {
			s.broken = s.step.Name
		}
	case gate.Taken:
		s.take(p)
	}
	s.awaited = ""
}

// enter begins a step.
func (s *State) enter(p gate.Step, at time.Time) {
	if p.Name == gate.StepDrill { // one run after the other, each of them a new one
		*s = State{Timeout: s.Timeout, started: s.started}
	}
	if len(p.Stages) > 0 {
		s.stages = p.Stages
	}
	if i := slices.Index(s.stages, p.Stage); i >= 0 && i != s.stage {
		s.stage, s.passed = i, nil
	}
	if s.step.Name != "" && !slices.Contains(s.passed, s.step.Name) {
		s.passed = append(s.passed, s.step.Name)
	}
	if p.Name == gate.StepDiagnose { // of what went wrong before it
		s.broken = s.step.Name
	}
	s.step, s.since = p, at
}

// status reports whether there is something new to read.
func (s *State) status(status rollout.Status) bool {
	if !status.Watched {
		return false
	}
	w := workload{status, s.undoing() && slices.Contains(s.written, status.Ref.String())}
	i := slices.IndexFunc(s.workloads, func(other workload) bool { return other.Ref == status.Ref })
	if i < 0 {
		s.workloads = append(s.workloads, w)
		return true
	}
	before := s.workloads[i]
	s.workloads[i] = w
	return before != w
}

func (s *State) criterion(name string) *criterion {
	i := slices.IndexFunc(s.criteria, func(c criterion) bool { return c.name == name })
	if i < 0 {
		i, s.criteria = len(s.criteria), append(s.criteria, criterion{name: name})
	}
	return &s.criteria[i]
}

func (s *State) measured(m gate.Measured) {
	c := s.criterion(m.Criterion)
	c.last = &m
	if m.Number != nil && isFinite(float64(*m.Number)) { // a quotient of nothing has no place on a scale
		c.values = append(c.values, value{float64(*m.Number), m.State == analysis.Breach})
		c.values = c.values[max(0, len(c.values)-maxValues):]
	}
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (s *State) take(t gate.Taken) {
	switch {
	case t.Failure != "":
		s.trouble++
	case t.Action == patch.Left, t.Action == patch.AsWritten:
		s.kept++
	default:
		s.taken++
	}
}

// undoing tells whether the run takes back what it has written.
func (s *State) undoing() bool {
	is := func(name gate.StepName) bool { return s.step.Name == name || slices.Contains(s.passed, name) }
	return is(gate.StepUndo)
}
