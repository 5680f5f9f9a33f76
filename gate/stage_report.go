package gate

import (
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// StageState is how far a stage has come.
type StageState string

// The states of stages.
const (
	StagePlanned  StageState = "planned"   // of a plan
	StageEarlier  StageState = "earlier"   // it has passed in the run that this one goes on with
	StageNotBegun StageState = "not-begun" // the run has ended before it
	StagePassed   StageState = "passed"
	StageParked   StageState = "parked" // it has passed, and the run waits to be resumed
	StageEnded    StageState = "ended"  // the run has ended in it: exit says how
)

// StageReport is one stage of a run that has several.
type StageReport struct {
	Name  string     `json:"name"`
	State StageState `json:"state"`
	// Pods are the workloads of which only a part becomes new in the stage.
	Pods []NewPods `json:"pods,omitempty"`
	// Hold is for how many seconds it goes on after it has come to where it should be.
	Hold float64 `json:"hold,omitempty"`
	// Approval is set when somebody has to say that the run may go on.
	Approval *StageApproval `json:"approval,omitempty"`
	Started  time.Time      `json:"started,omitzero"`
	Finished time.Time      `json:"finished,omitzero"`
}

// NewPods is how many pods of a workload become new.
type NewPods struct {
	Object manifest.Ref `json:"object"`
	New    int32        `json:"new"`
}

// StageApproval is what somebody was asked about a stage, and has said.
type StageApproval struct {
	Who      string `json:"who,omitempty"`  // a regular expression for the names of those who may answer
	Park     bool   `json:"park,omitempty"` // resuming the run is the answer
	By       string `json:"by,omitempty"`   // who has answered; empty while nobody has
	Approved bool   `json:"approved,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// reportStages puts the stages into the report, where there are several.
func (r *run) reportStages(stages []Stage, state StageState) {
	if len(stages) < 2 {
		return
	}
	for _, s := range stages {
		out := StageReport{Name: s.Name, State: state, Hold: s.Hold.Seconds()}
		for _, ref := range s.goals() {
			out.Pods = append(out.Pods, NewPods{Object: ref, New: s.Goals[ref]})
		}
		if s.Approval != nil {
			out.Approval = &StageApproval{Who: s.Approval.By, Park: s.Approval.Park}
		}
		r.report.Stages = append(r.report.Stages, out)
	}
}

// enterStage and leaveStage note when a stage goes on, and what has become of it.
func (r *run) enterStage(n int, earlier bool) {
	if n < len(r.report.Stages) {
		s := &r.report.Stages[n]
		if s.State = StageEnded; earlier {
			s.State = StageEarlier
			return
		}
		s.Started = now()
	}
}

// stageNames are the names of all stages; none when there is only one.
func (r *run) stageNames() []string {
	if r.stage == "" {
		return nil
	}
	var names []string
	for _, s := range r.stages {
		names = append(names, s.Name)
	}
	return names
}

func (r *run) leaveStage(n int, o Outcome) {
	if n >= len(r.report.Stages) || r.report.Stages[n].State == StageEarlier {
		return
	}
	s := &r.report.Stages[n]
	s.Finished = now()
	switch o {
	case Passed:
		s.State = StagePassed
	case Parked:
		s.State = StageParked
	}
}

// decided puts what somebody has said about the present stage into the report.
func (r *run) decided(d Decided) {
	for i := range r.report.Stages {
		if s := &r.report.Stages[i]; s.Name == d.Stage && s.Approval != nil {
			s.Approval.By, s.Approval.Approved, s.Approval.Reason = d.By, d.Approved, d.Reason
		}
	}
}
