package gate

import (
	"testing"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func TestDiagnosedState(t *testing.T) {
	ref := func(name string) manifest.Ref { return manifest.Ref{Group: "apps", Kind: "Deployment", Name: name} }
	workload := func(name string, phase rollout.Phase) rollout.Status {
		return rollout.Status{Ref: ref(name), Phase: phase, Watched: true}
	}
	blame := func(name, code string) diagnosis.Finding {
		return diagnosis.Finding{Code: code, Workload: ref(name), Terminal: diagnosis.TerminalAfter}
	}
	for want, tt := range map[string]struct {
		workloads []rollout.Status
		findings  []diagnosis.Finding
	}{
		"there are no workloads":   {},
		"deployment/a is in order": {[]rollout.Status{workload("a", rollout.Complete)}, nil},
		"nothing is known to be wrong; 1 of 2 workloads not complete": {
			[]rollout.Status{workload("a", rollout.Complete), workload("b", rollout.Progressing)}, nil},
		"1 of 2 workloads is broken: deployment/b (CrashLoop)": {
			[]rollout.Status{workload("a", rollout.Complete), workload("b", rollout.Progressing)},
			[]diagnosis.Finding{blame("b", "CrashLoop"), blame("b", "Other")}},
		"2 of 3 workloads are broken: deployment/a (CrashLoop), deployment/c (ProgressDeadlineExceeded); 1 not complete": {
			[]rollout.Status{workload("a", rollout.Complete), workload("b", rollout.Progressing),
				{Ref: ref("c"), Phase: rollout.Failed, Watched: true, Reason: "ProgressDeadlineExceeded"}},
			[]diagnosis.Finding{blame("a", "CrashLoop"), {Code: "Remark", Workload: ref("b"), Terminal: diagnosis.TerminalContext}}},
		"4 of 4 workloads are broken: deployment/a (A), deployment/b (B), deployment/c (C), and 1 more": {
			make([]rollout.Status, 4), []diagnosis.Finding{blame("a", "A"), blame("b", "B"), blame("c", "C"), blame("d", "D")}},
	} {
		if got := diagnosedState(tt.workloads, brokenWorkloads(tt.workloads, tt.findings)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
