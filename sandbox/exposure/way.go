package main

import "strconv"

// way is how a release goes out.
type way struct {
	name     string // also of its namespaces
	title    string // for the document
	replicas int
	flags    []string // of `rolloutgate run`
	argo     *argo    // instead of that
}

// argo is what a Rollout of Argo Rollouts has that the others have not.
type argo struct {
	FailureLimit int // how many measurements may fail; one more aborts the release
}

// hold is how long a canary goes on before all pods become new; of a release without stages it is the window.
const hold = "60s"

// ways are all there are. A new one is a row here.
func ways() []way {
	return []way{
		{name: "all-at-once", title: "all 4 pods, no stages", replicas: 4},
		{name: "canary-1-of-4", title: "`--canary 1`, 4 pods", replicas: 4, flags: canary()},
		{name: "canary-1-of-10", title: "`--canary 1`, 10 pods", replicas: 10, flags: canary()},
		{name: "argo-limit-3", title: "Argo Rollouts, canary of one of 4 pods, `failureLimit: 3`", replicas: 4, argo: &argo{FailureLimit: 3}},
		{name: "argo-limit-0", title: "the same with `failureLimit: 0`", replicas: 4, argo: &argo{FailureLimit: 0}},
	}
}

func canary() []string { return []string{"--canary", strconv.Itoa(1), "--hold", hold} }

// healthyWay is that of releases that have to pass: the canary takes enough requests for a verdict in half the time.
func healthyWay() way {
	return way{name: "canary-1-of-4", replicas: 4, flags: []string{"--canary", "1", "--hold", "25s", "--window", "15s"}}
}
