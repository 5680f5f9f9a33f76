// Package criteria says which pods and which time the success criteria of a run are asked about.
//
// It stands between a run, which knows workloads, and package analysis, which knows no Kubernetes: an [Asker] makes
// analysis sessions out of workloads, pods and times, before a rollout (Preflight), during one (Measure), after an undo
// (Recheck), and about the past (Plot, Backtest).
//
// Takes: criteria, workloads as they were seen, and a Querier that reaches the server. Returns: facts, measurements and
// results of package analysis. Never: reads the cluster, or decides what follows from a result.
package criteria
