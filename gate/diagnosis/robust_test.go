package diagnosis

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// strict is the standard catalogue, except that a rule with a bug fails the test.
var strict = func() *Catalogue {
	c := NewCatalogue(rules)
	c.strict = true
	return c
}()

// TestExplainIncomplete knocks parts out of the evidence of every case, as refusals, races and other versions do, and
// changes what the gate has seen: whatever is missing, no rule may fail.
func TestExplainIncomplete(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/*/evidence.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatal("no cases", err)
	}
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			seed := fnv.New64a()
			seed.Write([]byte(dir))
			base := load(t, dir)
			for round := range rounds {
				r := rand.New(rand.NewPCG(seed.Sum64(), uint64(round)))
				ev := knockOut(base, r)
				func() {
					defer func() {
						if problem := recover(); problem != nil {
							t.Fatalf("round %d: %v", round, problem)
						}
					}()
					findings := strict.Explain(ev)
					Layers(ev, findings)
					strict.Needs(ev)
				}()
			}
		})
	}
}

// knockOut returns evidence of which a random part is missing.
func knockOut(ev Evidence, r *rand.Rand) Evidence {
	maybe := func() bool { return r.IntN(4) == 0 }
	w := &ev.Workload
	w.Pods = thin(w.Pods, r)
	for i, p := range w.Pods {
		p = p.DeepCopy()
		knockPod(p, r)
		w.Pods[i] = p
	}
	w.ReplicaSets, w.Revisions, ev.Events, ev.Logs = thin(w.ReplicaSets, r), thin(w.Revisions, r), thin(ev.Events, r), thin(ev.Logs, r)
	ev.Nodes, ev.Quotas, ev.Claims, ev.Services, ev.Slices = thin(ev.Nodes, r), thin(ev.Quotas, r), thin(ev.Claims, r), thin(ev.Services, r), thin(ev.Slices, r)
	ev.Autoscalers, ev.Policies = thin(ev.Autoscalers, r), thin(ev.Policies, r)
	if maybe() {
		ev.Namespace = nil
	}
	if maybe() {
		ev.Previous = nil
	}
	if maybe() {
		ev.Manifest = nil
	}
	if maybe() {
		ev.Requested, ev.Names, ev.Keys = nil, nil, nil
	}
	if maybe() {
		w.Applied = nil
	}
	if maybe() {
		w.Live, w.Last = nil, w.Live
	} else if d, ok := w.Live.(*appsv1.Deployment); ok && maybe() {
		d = d.DeepCopy()
		d.Spec.Replicas, d.Spec.Strategy, d.Status.Conditions = nil, appsv1.DeploymentStrategy{}, nil
		w.Live = d
	}
	ev.TimedOut, ev.CriteriaFailed, ev.Undoing = r.IntN(2) == 0, maybe(), maybe()
	if r.IntN(2) == 0 {
		ev.History.Falls = map[string]int{}
		for i, p := range w.Pods {
			ev.History.Falls[p.Name] = i + r.IntN(5)
		}
		ev.History.Best, ev.History.BestSince = int32(r.IntN(3)), w.Since
	}
	ev.Status = rollout.Evaluate(*w)
	return ev
}

func knockPod(p *corev1.Pod, r *rand.Rand) {
	maybe := func() bool { return r.IntN(4) == 0 }
	if maybe() {
		p.Status.ContainerStatuses, p.Status.InitContainerStatuses = nil, nil
	}
	if maybe() {
		p.Status.Conditions = thin(p.Status.Conditions, r)
	}
	if maybe() {
		p.Status.StartTime, p.Spec.NodeName = nil, ""
	}
	if maybe() {
		p.Labels = nil
	}
	for i := range p.Status.ContainerStatuses {
		switch r.IntN(6) {
		case 0:
			p.Status.ContainerStatuses[i].State = corev1.ContainerState{}
		case 1:
			p.Status.ContainerStatuses[i].LastTerminationState = corev1.ContainerState{}
		case 2:
			p.Status.ContainerStatuses[i].Started = nil
		}
	}
	for i := range p.Spec.Containers {
		if c := &p.Spec.Containers[i]; maybe() {
			c.ReadinessProbe, c.LivenessProbe, c.StartupProbe = nil, nil, nil
		} else if maybe() && c.ReadinessProbe != nil {
			c.ReadinessProbe = &corev1.Probe{}
		}
	}
}

// thin drops some of a list, sometimes all.
func thin[T any](list []T, r *rand.Rand) []T {
	switch r.IntN(4) {
	case 0:
		return nil
	case 1:
		return slices.DeleteFunc(slices.Clone(list), func(T) bool { return r.IntN(2) == 0 })
	}
	return slices.Clone(list)
}

// TestRescue: a rule with a bug is told of, and the others still speak.
func TestRescue(t *testing.T) {
	s := standard.newFacts(Evidence{})
	found := s.apply(Rule{Find: func(*facts) []Finding { var p *corev1.Pod; return []Finding{{Code: p.Name}} }})
	if len(found) != 1 || found[0].Code != "RuleFailed" || found[0].Blames() {
		t.Errorf("got %v", fmt.Sprint(found))
	}
}
