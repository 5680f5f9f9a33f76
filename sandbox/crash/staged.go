package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/sandbox/harness"
)

const (
	// aDay is longer than any Deployment here waits by itself until a pod counts as available.
	aDay = 24 * 60 * 60
	// stands is for how long the pods of a stage whose run is dead are looked at.
	stands = 2 * time.Second
	// countEvery is how often pods are counted.
	countEvery = 300 * time.Millisecond
)

// countedKinds are what is counted, the slices before the Services that they are of.
var countedKinds = []string{"endpointslice", "service", "deployment", "statefulset", "daemonset", "replicaset", "pod"}

// crowd is the number of a workload's pods, without those that are being deleted.
type crowd struct {
	wants, most int  // in all, and new ones, by the fields of the workload
	limited     bool // some are to stay old
	replaces    bool // new pods come in the place of old ones, not beside them
	isNew, old  int
	ready       int
}

// crowdOf counts the pods of the one workload of a scenario with stages. New are those of a version.
func crowdOf(now world, v version) crowd {
	var c crowd
	for _, name := range now.names("deployment", "statefulset", "daemonset") {
		o := now[name].Object
		if now[name].GetKind() == "DaemonSet" {
			desired, _, _ := unstructured.NestedInt64(o, "status", "desiredNumberScheduled")
			strategy, _, _ := unstructured.NestedString(o, "spec", "updateStrategy", "type")
			c.wants, c.limited, c.replaces = int(desired), strategy == "OnDelete", true
			continue
		}
		replicas, _, _ := unstructured.NestedInt64(o, "spec", "replicas")
		c.wants = int(replicas)
		if now[name].GetKind() == "StatefulSet" {
			partition, _, _ := unstructured.NestedInt64(o, "spec", "updateStrategy", "rollingUpdate", "partition")
			c.most, c.limited, c.replaces = int(replicas-partition), partition > 0, true
			continue
		}
		held, _, _ := unstructured.NestedInt64(o, "spec", "minReadySeconds")
		surge, isNumber, _ := unstructured.NestedInt64(o, "spec", "strategy", "rollingUpdate", "maxSurge")
		c.most, c.limited = int(surge), held >= aDay && isNumber
	}
	for _, name := range now.names("pod") {
		pod := now[name]
		if pod.GetDeletionTimestamp() != nil || ownedBy(pod, "Job") {
			continue
		}
		if pod.GetLabels()["version"] == string(v) {
			c.isNew++
		} else {
			c.old++
		}
		if isReady(pod) {
			c.ready++
		}
	}
	if len(now.names("daemonset")) > 0 { // which of its pods are to be new is in no field
		c.most = c.isNew
	}
	return c
}

func ownedBy(o *unstructured.Unstructured, kind string) bool {
	for _, owner := range o.GetOwnerReferences() {
		if owner.Kind == kind {
			return true
		}
	}
	return false
}

func isReady(pod *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, c := range conditions {
		if m, ok := c.(map[string]any); ok && m["type"] == "Ready" {
			return m["status"] == "True"
		}
	}
	return false
}

// wrong says in what a stage is not what it has to be while nobody writes: as many new pods as it allows, and all old
// ones that it leaves.
func (c crowd) wrong() error {
	old := c.wants
	if c.replaces {
		old -= c.most
	}
	if !c.limited || c.isNew == c.most && c.old == old {
		return nil
	}
	return fmt.Errorf("there are %d new pods and %d old ones in a stage of %d and %d", c.isNew, c.old, c.most, old)
}

// stand looks at what a dead run has left: the pods of its stage stay as they are.
func (t *trial) stand(ctx context.Context) ([]string, error) {
	if t.moment.scenario.stages == nil {
		return nil, nil
	}
	count := func() (crowd, []route, error) {
		now, err := lookAt(ctx, t.cluster, t.namespace, countedKinds...)
		return crowdOf(now, t.moment.scenario.next()), routesOf(now), err
	}
	var isNew int
	var wrong error
	err := harness.Until(ctx, settles, "the pods of the stage", func() error {
		c, routes, err := count()
		if err != nil {
			return err
		}
		isNew, wrong = c.isNew, errors.Join(c.wrong(), pinsStand(routes, c.wants))
		return wrong
	})
	if err != nil && wrong == nil {
		return nil, err
	}
	for until := time.Now().Add(stands); wrong == nil && time.Now().Before(until); {
		c, routes, err := count()
		if err != nil {
			return nil, err
		}
		wrong = errors.Join(c.wrong(), pinsStand(routes, c.wants))
		if wrong == nil && c.limited && c.isNew != isNew {
			wrong = fmt.Errorf("there were %d new pods, and then %d", isNew, c.isNew)
		}
		if wrong == nil {
			wrong = harness.Pause(ctx, countEvery)
		}
	}
	if wrong != nil {
		return []string{"after the end of the run: " + wrong.Error()}, nil
	}
	return nil, nil
}

// census counts the pods of a case again and again.
type census struct {
	stop   context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
	took   []crowd
	times  []time.Time
	behind error // in what a Service was wrong at some time
	err    error
}

// count begins it; nil for a scenario without stages.
func (t *trial) count(ctx context.Context) *census {
	if t.moment.scenario.stages == nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	c := &census{stop: stop, done: make(chan struct{})}
	var drawn curtain
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			now, err := lookAt(ctx, t.cluster, t.namespace, countedKinds...)
			c.mu.Lock()
			switch {
			case ctx.Err() != nil:
			case err != nil:
				c.err = err
			default:
				c.took, c.times = append(c.took, crowdOf(now, t.moment.scenario.next())), append(c.times, time.Now())
				c.lookBehind(routesOf(now), t.moment.scenario.hidden, &drawn)
			}
			c.mu.Unlock()
			_ = harness.Pause(ctx, countEvery)
		}
	}()
	return c
}

// lookBehind keeps the first thing that was wrong with a Service.
func (c *census) lookBehind(routes []route, hidden bool, drawn *curtain) {
	wrong := allReached(routes)
	if hidden {
		wrong = errors.Join(wrong, drawn.early(routes))
	}
	if c.behind == nil && wrong != nil {
		c.behind = fmt.Errorf("%s after it began %w", c.times[len(c.times)-1].Sub(c.times[0]).Round(time.Millisecond), wrong)
	}
}

// end stops it, and says what was wrong at some moment: users have missed pods.
func (c *census) end() ([]string, error) {
	if c == nil {
		return nil, nil
	}
	c.stop()
	<-c.done
	if c.behind != nil {
		return []string{c.behind.Error()}, c.err
	}
	for i, one := range c.took {
		least := one.wants
		if one.replaces {
			least--
		}
		if one.ready < least {
			return []string{fmt.Sprintf("%s after it began %d of %d pods were ready", c.times[i].Sub(c.times[0]).Round(time.Millisecond), one.ready, one.wants)}, c.err
		}
	}
	return nil, c.err
}

// shrank says that there were fewer new pods at some time since than at first: a stage was done again.
func (c *census) shrank(since time.Time, first int) string {
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, one := range c.took {
		if c.times[i].After(since) && one.isNew < first {
			return fmt.Sprintf("there were %d new pods, and when it began to go on there were %d", one.isNew, first)
		}
	}
	return ""
}

// goesOn is what has to stay while somebody goes on with a run: the new pods that there are, and the hook that has begun.
type goesOn struct {
	began time.Time
	isNew int
	most  int               // writes of the workload that there are to make
	hooks map[string]string // the uids of those of the new version
}

func (t *trial) beginsToGoOn(now world) goesOn {
	v := t.moment.scenario.next()
	c := crowdOf(now, v)
	g := goesOn{began: time.Now(), isNew: c.isNew, most: len(t.moment.scenario.shares) + 1, hooks: map[string]string{}}
	if passed := slices.Index(t.moment.scenario.shares, c.most); c.limited && passed >= 0 { // the stages before the one it is in
		g.most -= passed
	}
	for _, name := range now.names("job") {
		if now[name].GetLabels()["version"] == string(v) && isHook(now[name]) {
			g.hooks[name] = string(now[name].GetUID())
		}
	}
	return g
}

// wrong compares with what is there when it has gone on to a good end.
func (g goesOn) wrong(now world, c *census, written []write) []string {
	out := []string{c.shrank(g.began, g.isNew)}
	writes := 0
	for _, w := range written {
		if w.carriedOut() && (w.resource == "deployments" || w.resource == "statefulsets" || w.resource == "daemonsets") {
			writes++
		}
	}
	if c != nil && writes > g.most {
		out = append(out, fmt.Sprintf("the workload was written %d times, and %d stages were left", writes, g.most))
	}
	for name, uid := range g.hooks {
		if now[name] == nil || string(now[name].GetUID()) != uid {
			out = append(out, name+" had begun, and was made once more")
		}
	}
	return out
}

// isHook tells that an object does its work at its moment, as Helm's hooks do. An undo does not bring back one of an
// earlier run.
func isHook(o *unstructured.Unstructured) bool {
	return o != nil && o.GetAnnotations()["helm.sh/hook"] != ""
}
