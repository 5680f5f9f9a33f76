package main

import (
	"context"
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

// stageShares are the new pods of each stage of a canary here.
var stageShares = []int{1, 2}

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
	for _, name := range now.names("deployment", "statefulset") {
		o := now[name].Object
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
	if t.moment.scenario.canary == nil {
		return nil, nil
	}
	count := func() (crowd, error) {
		now, err := look(ctx, t.cluster, t.namespace)
		return crowdOf(now, t.moment.scenario.next()), err
	}
	var wrong error
	err := harness.Until(ctx, settles, "the pods of the stage", func() error {
		c, err := count()
		if err != nil {
			return err
		}
		wrong = c.wrong()
		return wrong
	})
	if err != nil && wrong == nil {
		return nil, err
	}
	for until := time.Now().Add(stands); wrong == nil && time.Now().Before(until); {
		c, err := count()
		if err != nil {
			return nil, err
		}
		if wrong = c.wrong(); wrong == nil {
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
	stop  context.CancelFunc
	done  chan struct{}
	mu    sync.Mutex
	took  []crowd
	times []time.Time
	err   error
}

// count begins it; nil for a scenario without stages.
func (t *trial) count(ctx context.Context) *census {
	if t.moment.scenario.canary == nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	c := &census{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		for ctx.Err() == nil {
			now, err := lookAt(ctx, t.cluster, t.namespace, "deployment", "statefulset", "pod")
			c.mu.Lock()
			switch {
			case ctx.Err() != nil:
			case err != nil:
				c.err = err
			default:
				c.took, c.times = append(c.took, crowdOf(now, t.moment.scenario.next())), append(c.times, time.Now())
			}
			c.mu.Unlock()
			_ = harness.Pause(ctx, countEvery)
		}
	}()
	return c
}

// end stops it, and says what was wrong at some moment: users have missed pods.
func (c *census) end() ([]string, error) {
	if c == nil {
		return nil, nil
	}
	c.stop()
	<-c.done
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
	g := goesOn{began: time.Now(), isNew: c.isNew, most: len(stageShares) + 1, hooks: map[string]string{}}
	if passed := slices.Index(stageShares, c.most); c.limited && passed >= 0 { // the stages before the one it is in
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
		if w.carriedOut() && (w.resource == "deployments" || w.resource == "statefulsets") {
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
