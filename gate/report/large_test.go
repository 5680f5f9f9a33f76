package report

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// large is a run of many Deployments, each with its Service, of which the one in the middle was bad, and whose undo left the
// last but one as it was.
func large(workloads int) (r gate.Report, bad, left string) {
	began := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	r = gate.Report{
		SchemaVersion: gate.SchemaVersion,
		Run:           gate.Run{ID: "RUN", Command: "run", Namespace: "shop", Started: began, Finished: began.Add(2 * time.Minute)},
		Exit:          gate.Exit{Code: 20, Name: "undo-failed", State: "499 of 500 restored"},
		Undo:          &gate.Undo{Result: gate.UndoFailed, Duration: 30},
	}
	diff := strings.Repeat("-        image: registry.example.com/shop/web:2026-05-03\n+        image: registry.example.com/shop/web:2026-05-04\n", 20)
	for i := range workloads {
		ref := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: fmt.Sprintf("web-%d", i)}
		status := rollout.Status{Ref: ref, Watched: true, Phase: rollout.Complete, Desired: 1, Updated: 1, Ready: 1, Available: 1, Revision: "5d4f8c7b6d"}
		undone := gate.Undone{Object: ref, Action: "restored", Result: "ok"}
		if i == workloads/2 {
			bad, status.Phase, status.Ready, status.Available = ref.String(), rollout.Progressing, 0, 0
			status.Message = "0 of 1 new pods are available"
			r.Findings = append(r.Findings, diagnosis.Finding{Code: "AppCrash", Object: diagnosis.Subject{Ref: ref}, Cause: "the program ends again and again"})
		}
		if i == workloads-2 {
			left, undone.Result = ref.String(), "the API server refused it"
		}
		r.Workloads, r.Undo.Objects = append(r.Workloads, status), append(r.Undo.Objects, undone)
		service := manifest.Ref{Kind: "Service", Namespace: "shop", Name: ref.Name}
		r.Changes = append(r.Changes, gate.Change{Object: service, Action: "unchanged"}, gate.Change{Object: ref, Action: "configured", Diff: diff, Source: manifest.Source{Path: "all.yaml", Line: 20 * i}})
		for n := range 4 {
			at := began.Add(time.Duration(i*100+n) * time.Millisecond)
			if len(r.Timeline) < 2000 {
				e := gate.NewEvent(at, ref, gate.Status{Status: status})
				r.Timeline = append(r.Timeline, e)
			}
			if n == 0 {
				r.Pods = append(r.Pods, gate.Pods{Time: at, Object: ref, New: 1, Desired: 1})
			}
		}
	}
	return r, bad, left
}

// TestLargeReports: the report of five hundred workloads is short enough for each place where it is read, and names what was
// bad and what was left.
func TestLargeReports(t *testing.T) {
	const workloads = 500
	r, bad, left := large(workloads)
	for name, most := range map[string]int{"text": 12 << 10, "markdown": MaxMarkdown, "html": 1 << 20, "junit": 2 << 20, "json": 4 << 20, "ndjson": 4 << 20} {
		for _, f := range Formats() {
			if f.Name != name {
				continue
			}
			var out bytes.Buffer
			if err := f.Write(&out, r, Options{}); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d kB", name, out.Len()/1000)
			if out.Len() > most {
				t.Errorf("%s has %d bytes, want %d at most", name, out.Len(), most)
			}
			for _, want := range []string{bad, left} {
				_, short, _ := strings.Cut(want, "/")
				if !strings.Contains(out.String(), short) {
					t.Errorf("%s does not name %s", name, want)
				}
			}
		}
	}
	var out bytes.Buffer
	if err := Text(&out, r, Options{}); err != nil {
		t.Fatal(err)
	}
	rows := func(title string) string {
		_, rest, _ := strings.Cut(out.String(), "\n"+title)
		rest, _, _ = strings.Cut(rest, "\n\n")
		return rest
	}
	if got := rows("workloads"); !strings.Contains(got, bad) || !strings.Contains(got, "460 more") {
		t.Errorf("the workloads are\n%s", got)
	}
	if got := rows("undo"); !strings.Contains(got, left) {
		t.Errorf("the undo is\n%s", got)
	}
}
