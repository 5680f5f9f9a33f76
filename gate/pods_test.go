package gate

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func TestCountsOfPods(t *testing.T) {
	synctest.Test(t, testCountsOfPods)
}

func testCountsOfPods(t *testing.T) {
	ref := manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}
	r := &run{}
	f := &follower{r: r}
	see := func(all, updated, ready int32) {
		w := rollout.Workload{Ref: ref, Live: &appsv1.Deployment{Status: appsv1.DeploymentStatus{
			Replicas: all, UpdatedReplicas: updated, ReadyReplicas: ready, AvailableReplicas: ready,
		}}}
		f.count(w, rollout.Evaluate(w))
		time.Sleep(atOnce)
	}
	see(3, 0, 3)
	see(3, 0, 3) // no news
	see(4, 1, 3)
	f.count(rollout.Workload{Ref: ref}, rollout.Status{Ref: ref, Watched: true, Reason: rollout.ReasonNotObserved})
	see(4, 4, 4)
	f.undone = map[manifest.Ref]string{ref: "new"} // now the controller calls the old version the new one
	see(4, 0, 4)
	see(4, 3, 3)
	see(3, 3, 3)
	f.count(rollout.Workload{Ref: ref}, rollout.Status{Ref: ref, Watched: true, Updated: 3, Old: 1}) // the other half is on its way
	see(3, 3, 3)
	var got []string
	for _, p := range r.report.Pods {
		if p.Time.IsZero() || p.Object != ref {
			t.Errorf("%+v", p)
		}
		got = append(got, fmt.Sprintf("new %d/%d old %d/%d", p.NewReady, p.New, p.OldReady, p.Old))
	}
	want := "[new 0/0 old 3/3 new 0/1 old 3/3 new 4/4 old 0/0 new 1/1 old 2/3 new 0/0 old 3/3]"
	if fmt.Sprint(got) != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
}

// TestCountsOfPodsAreBounded: a run that flaps for hours keeps its beginning and its end, and of the time between some.
func TestCountsOfPodsAreBounded(t *testing.T) {
	web, db := manifest.Ref{Kind: "Deployment", Name: "web"}, manifest.Ref{Kind: "StatefulSet", Name: "db"}
	began := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	all := withPods(nil, Pods{Time: began, Object: manifest.Ref{Kind: "Job", Name: "none"}}, 40)
	if len(all) != 0 {
		t.Error("what has no pods is counted")
	}
	for i := range 1000 {
		all = withPods(all, Pods{Time: began.Add(time.Duration(i) * time.Second), Object: web, New: int32(i % 7), Old: 3}, 40)
		if i == 3 {
			all = withPods(all, Pods{Time: began.Add(3 * time.Second), Object: db, Old: 3}, 40)
		}
		if len(all) > 40 {
			t.Fatalf("%d counts", len(all))
		}
	}
	first, last, sets := all[0], all[len(all)-1], 0
	for i, p := range all {
		if p.Object == db {
			sets++
		}
		if i > 0 && p.Time.Before(all[i-1].Time) {
			t.Error("the counts are out of order")
		}
	}
	if !first.Time.Equal(began) || last.New != 999%7 || sets != 1 || len(all) < 20 {
		t.Errorf("%d counts from %v to %v, %d of the set", len(all), first, last, sets)
	}
}
