package main

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// podOf is a pod of a version.
func podOf(name, version string, ready bool) *unstructured.Unstructured {
	status := "False"
	if ready {
		status = "True"
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"kind": "Pod", "metadata": map[string]any{"name": name, "labels": map[string]any{"version": version}},
		"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": status}}},
	}}
}

func TestStagesStand(t *testing.T) {
	staged := &unstructured.Unstructured{Object: map[string]any{"kind": "Deployment", "spec": map[string]any{
		"replicas": int64(2), "minReadySeconds": int64(30 * aDay),
		"strategy": map[string]any{"rollingUpdate": map[string]any{"maxSurge": int64(1)}},
	}}}
	now := world{"deployment/web": staged, "pod/a": podOf("a", "v1", true), "pod/b": podOf("b", "v1", true), "pod/c": podOf("c", "v2", false)}
	c := crowdOf(now, good)
	if c != (crowd{wants: 2, most: 1, limited: true, isNew: 1, old: 2, ready: 2}) || c.wrong() != nil {
		t.Errorf("a stage that stands is %+v: %v", c, c.wrong())
	}
	now["pod/b"] = podOf("b", "v2", true)
	if err := crowdOf(now, good).wrong(); err == nil || err.Error() != "there are 2 new pods and 1 old ones in a stage of 1 and 2" {
		t.Errorf("one that went on: %v", err)
	}
	partition := &unstructured.Unstructured{Object: map[string]any{"kind": "StatefulSet", "spec": map[string]any{
		"replicas": int64(2), "updateStrategy": map[string]any{"rollingUpdate": map[string]any{"partition": int64(1)}},
	}}}
	if c := crowdOf(world{"statefulset/db": partition, "pod/a": now["pod/a"], "pod/b": now["pod/b"]}, good); c.wrong() != nil || !c.limited {
		t.Errorf("a StatefulSet is %+v: %v", c, c.wrong())
	}
}

func TestCensus(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	taken := func(all ...crowd) *census {
		c := &census{stop: func() {}, done: make(chan struct{}), took: all}
		close(c.done)
		for i := range all {
			c.times = append(c.times, noon.Add(time.Duration(i)*time.Second))
		}
		return c
	}
	if wrong, _ := taken(crowd{wants: 3, ready: 3}, crowd{wants: 3, ready: 2, replaces: true}).end(); wrong != nil {
		t.Errorf("wrong: %q", wrong)
	}
	c := taken(crowd{wants: 3, ready: 3, isNew: 2}, crowd{wants: 3, ready: 2, isNew: 1})
	if wrong, _ := c.end(); strings.Join(wrong, "") != "1s after it began 2 of 3 pods were ready" {
		t.Errorf("wrong: %q", wrong)
	}
	if got := c.shrank(noon, 2); got != "there were 1 new pods, and when it began to go on there were 2" {
		t.Errorf("shrank: %q", got)
	}
}
