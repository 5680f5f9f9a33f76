// Package analysis judges success criteria written in PromQL.
//
// It takes criteria (from a configuration file through [ParseSpec], or from
// one line of text through [ParseCheck]), a [Querier] that answers instant
// queries, and a [Timing]. It returns one [Result] per criterion, whose
// verdict is one of four words: pass, fail, inconclusive or error.
//
// The way of one criterion through the package:
//
//	text ── Vars.Expand ──> PromQL ── split on the AST ──> Criterion
//	Criterion ── Querier.Query ──> Answer ── Measure ──> Point
//	[]Point ── Judge ──> Result ── Overall ──> Verdict
//
// Everything but [Run] is a pure function. Run holds the only timers.
//
// It never opens a connection (the Querier does, see the folder prometheus),
// never imports a Kubernetes package, never turns an absent, ambiguous or
// failed answer into a pass or into a breach, and never reports a pass for a
// window that it did not see to its end.
package analysis
