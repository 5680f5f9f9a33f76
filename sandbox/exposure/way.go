package main

// way is how a release goes out.
type way struct {
	name     string // also of its namespaces
	title    string // for the document
	replicas int
	hold     string   // how long a canary goes on before all pods become new; of a release without stages it is the window
	flags    []string // of `rolloutgate run`
	argo     *argo    // instead of that
}

// argo is what a Rollout of Argo Rollouts has that the others have not.
type argo struct {
	FailureLimit int // how many measurements may fail; one more aborts the release
}

// long is a hold in which every fault shows, short is one in which a canary takes enough requests for a verdict.
const (
	long  = "60s"
	short = "25s"
)

// ways are all there are. A new one is a row here.
func ways() []way {
	return []way{
		{name: "all-at-once", title: "all 4 pods, no stages", replicas: 4, hold: long, flags: []string{"--window", long}},
		{name: "canary-1-of-4", title: "`--canary 1`, 4 pods", replicas: 4, hold: long, flags: canary(long)},
		{name: "canary-1-of-10", title: "`--canary 1`, 10 pods", replicas: 10, hold: long, flags: canary(long)},
		{name: "blue-green", title: "`--blue-green`, 4 pods", replicas: 4, hold: long, flags: []string{"--blue-green", "--hold", long, "--window", "15s"}},
		{name: argoAsDocumented, title: "Argo Rollouts, canary of one of 4 pods, `failureLimit: 3`", replicas: 4, hold: long, argo: &argo{FailureLimit: 3}},
		{name: argoByDefault, title: "Argo Rollouts, the same with `failureLimit: 0`", replicas: 4, hold: long, argo: &argo{FailureLimit: 0}},
	}
}

const (
	argoAsDocumented = "argo-limit-3"
	argoByDefault    = "argo-limit-0"
)

func canary(hold string) []string {
	return []string{"--canary", "1", "--hold", hold, "--window", "15s"}
}

// healthyWay is that of releases that have to pass.
func healthyWay() way {
	return way{name: "canary-1-of-4", title: "`--canary 1`, 4 pods", replicas: 4, hold: short, flags: canary(short)}
}

// healthyThroughArgo are the ways of noisy releases that others let pass or do not.
func healthyThroughArgo() []way {
	var out []way
	for _, w := range ways() {
		if w.argo != nil {
			w.hold = short
			out = append(out, w)
		}
	}
	return out
}
