// Package analysis judges success criteria, written in PromQL or as a question to an HTTP endpoint.
//
// It takes criteria (from a configuration file through [ParseSpec], or from
// one line of text through [ParseCheck]), a [Querier] that answers PromQL,
// a [Fetcher] that asks endpoints, a [Timing], and what the caller knows about pods. It returns one [Result]
// per criterion, whose verdict is one of four words: pass, fail,
// inconclusive or error.
//
// The way of one criterion through the package:
//
//	YAML ── ParseSpec, a kind (kind*.go), a preset ──> CriterionSpec ── Compile ──> Criterion
//	Criterion ── Preflight ──> CriterionFacts: labels, scrape interval, the running version's value
//	a value:  Vars.Expand ─ inject (scope.go) ──> PromQL ── Query ──> Measure ──> Point
//	          Endpoint.request ──> Request ── Fetch ──> Response ── Endpoint.read ──> Measure ──> Point
//	counts:   Counts.raw or .increase ──> PromQL ── Query ──> tallies ──> tracker ──> share ──> Point
//	[]Point ── Judge or judgeShare ──> Result ── Policy.Decide ──> what follows
//
// A [Session] asks: Preflight before a rollout, Run during and after it,
// Recheck after an undo, Plot and Backtest about the past. Judging is pure
// functions; only sessions have timers.
//
// It never opens a connection (Querier and Fetcher do, see the folders prometheus and endpoint),
// never imports a Kubernetes package, never turns an absent, ambiguous or
// failed answer into a pass or into a breach unless told to, and never
// reports a pass for a window that it did not see to its end, except where an
// early pass was asked for.
package analysis
