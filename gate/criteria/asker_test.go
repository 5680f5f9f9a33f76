package criteria

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// server answers every query with one number, and remembers what it was asked.
type server struct {
	mu    sync.Mutex
	asked []string
}

func (s *server) Query(_ context.Context, promql string, _ time.Time) (analysis.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, promql)
	value := 1.0
	if promql == "time()" {
		value = float64(time.Now().UnixMilli()) / 1000
	}
	return analysis.Answer{Kind: analysis.Vector, Samples: []analysis.Sample{{Value: value}}}, nil
}

func (s *server) QueryRange(context.Context, string, analysis.Range) (analysis.Answer, error) {
	return analysis.Answer{Kind: analysis.Matrix}, nil
}

// questions are the queries so far that name this word, from the last call on.
func (s *server) questions(word string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := slices.DeleteFunc(s.asked, func(q string) bool { return !strings.Contains(q, word) })
	s.asked = nil
	return out
}

func check(t *testing.T, text string) analysis.Criterion {
	t.Helper()
	c, err := analysis.ParseCheck(text, analysis.Placeholders())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// web is a Deployment with one pod of the revision.
func web(revision, pod string) rollout.Workload {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", UID: "d", Generation: 1}}
	d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: "web:v2"}}
	d.Status.ObservedGeneration = 1
	labels := map[string]string{"pod-template-hash": revision}
	yes := true
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-" + revision, Labels: labels, UID: "r",
		OwnerReferences: []metav1.OwnerReference{{UID: "d", Controller: &yes, Kind: "Deployment", Name: "web"}}}}
	rs.Spec.Template = *d.Spec.Template.DeepCopy()
	rs.Spec.Template.Labels = labels
	p := probed(0)
	p.Name, p.UID, p.Labels = pod, "u-"+p.UID, labels
	return rollout.Workload{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Live: d, Applied: d, ReplicaSets: []*appsv1.ReplicaSet{rs}, Pods: []*corev1.Pod{p}, PodsKnown: true}
}

// What a measurement asks is about what it was told last, from whichever goroutine it asks.
func TestMeasurementAsksAboutWhatItWasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		prometheus := &server{}
		a := &Asker{
			Querier: prometheus, Criteria: []analysis.Criterion{check(t, `sum(queue{pod=~"${newPods}",rs="${newReplicaSet}"}) <= 2`)},
			Timing: analysis.Timing{Window: time.Minute, Interval: 15 * time.Second}, Vars: analysis.Vars{Namespace: "shop"},
		}
		a.Began(time.Now())
		all := []rollout.Workload{{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}}, {Ref: manifest.Ref{Kind: "ConfigMap", Name: "web"}}}
		m := a.Measure(t.Context(), all, nil)
		time.Sleep(time.Minute)
		if asked := prometheus.questions("queue"); len(asked) > 0 {
			t.Fatalf("asked before the rollout was complete: %q", asked)
		}
		m.Complete(time.Now(), []rollout.Workload{web("abc", "web-abc-11111")})
		time.Sleep(time.Second)
		if asked := prometheus.questions("queue"); len(asked) != 1 || !strings.Contains(asked[0], `"web-abc-11111"`) || !strings.Contains(asked[0], `rs="web-abc"`) {
			t.Errorf("the first look asks %q", asked)
		}
		m.Update([]rollout.Workload{web("abc", "web-abc-22222")})
		time.Sleep(15 * time.Second)
		if asked := prometheus.questions("queue"); len(asked) != 1 || !strings.Contains(asked[0], `"web-abc-22222"`) {
			t.Errorf("after an update it asks %q", asked)
		}
		var measured int
		for n := range m.News {
			if !n.Done {
				measured++
				continue
			}
			if len(n.Results) != 1 || n.Results[0].Verdict != analysis.Pass {
				t.Errorf("the results are %+v", n.Results)
			}
			break
		}
		if measured != 5 {
			t.Errorf("%d measurements were told before the results, want 5", measured)
		}
	})
}

// Stop tells everything that was measured, and then what it led to.
func TestStopLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &Asker{Querier: &server{}, Criteria: []analysis.Criterion{check(t, "queue <= 2")}, Timing: analysis.Timing{Window: time.Hour, Interval: 15 * time.Second}}
		a.Began(time.Now())
		m := a.Measure(t.Context(), nil, nil)
		m.Complete(time.Time{}, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		measured := 0
		results := m.Stop(errors.New("the time is up"), func(analysis.Measurement) { measured++ })
		if measured != 5 || len(results) != 1 || results[0].Verdict != analysis.Inconclusive || !strings.Contains(results[0].Reason, "the time is up") {
			t.Errorf("%d measurements, then %+v", measured, results)
		}
	})
}

// Before a rollout today's pods stand in for tomorrow's.
func TestPreflightAsksAboutTheRunningPods(t *testing.T) {
	prometheus := &server{}
	a := &Asker{Querier: prometheus, Criteria: []analysis.Criterion{check(t, `sum(queue{pod=~"${newPods}",hash="${newHash}",app="${container}"}) <= 2`)}}
	w := web("abc", "web-abc-11111")
	err := a.Preflight(t.Context(), []rollout.Workload{w}, []rollout.RunningPod{{Owner: w.Ref, Pod: w.Pods[0], Revision: "abc"}})
	if err != nil {
		t.Fatal(err)
	}
	if a.Facts.Criteria[0].State != analysis.OK {
		t.Errorf("the facts are %+v", a.Facts)
	}
	asked := prometheus.questions("sum(queue")
	if len(asked) == 0 || !strings.Contains(asked[0], `{pod=~"web-abc-11111",hash="abc",app="app"}`) {
		t.Errorf("it asks %q", asked)
	}
}

func TestWantsService(t *testing.T) {
	about, other := check(t, `up{service="${service}"} == 1`), check(t, "up == 1")
	one, two := []rollout.Workload{web("abc", "p")}, []rollout.Workload{web("abc", "p"), web("abc", "p")}
	for name, c := range map[string]struct {
		criterion analysis.Criterion
		workloads []rollout.Workload
		service   string
		want      bool
	}{
		"asked": {about, one, "", true}, "not asked": {other, one, "", false}, "two workloads": {about, two, "", false}, "known": {about, one, "web", false},
		"no workload": {about, nil, "", false},
	} {
		a := Asker{Criteria: []analysis.Criterion{c.criterion}, Vars: analysis.Vars{Service: c.service}}
		if _, _, got := a.WantsService(c.workloads); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestAsTheyRun(t *testing.T) {
	got := asTheyRun(analysis.Pods{New: []analysis.Pod{{Name: "a"}}, Old: []analysis.Pod{{Name: "b"}}})
	if len(got.New) != 2 || !got.New[0].Reused || !got.New[1].Reused || len(got.Old) != 1 || got.Old[0].Reused {
		t.Errorf("%+v", got)
	}
}
