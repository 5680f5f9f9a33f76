package eventlog

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func TestReadsWhatItWrites(t *testing.T) {
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	number := analysis.Number(0.5)
	var want []gate.Event
	for _, p := range []gate.Payload{
		gate.Step{Name: gate.StepApply, Stages: []string{"canary", "all"}, Limit: time.Minute},
		gate.Status{Status: rollout.Status{Ref: web, Phase: rollout.Complete, Ready: 3, Watched: true}},
		gate.Waiting{Since: time.Second, Workloads: []rollout.Status{{Ref: web}}},
		gate.Measured{Criterion: "errors", Number: &number},
		gate.Taken{Action: patch.Left, Kept: []patch.Kept{{Path: "spec.replicas"}}},
		gate.Applied{Pin: &patch.Pin{Old: "a", To: "b"}},
		gate.Judged{Outcome: gate.Rejected}, gate.Said{Line: "a line"},
	} {
		want = append(want, gate.NewEvent(time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC), web, p))
	}
	path := filepath.Join(t.TempDir(), "events.json")
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}
