// Package gate is one run: plan, write, watch, judge, explain, undo, report.
//
// Takes: a Gate (how to judge, and the cluster) and objects. Returns: a Report, complete whatever happened. Never:
// prints, exits, talks to a network by itself, or knows which CI system it runs in.
//
// A run is a value: a list of stages, each with writes that carry their own "before". It goes one straight way:
//
//	read → order → plan → (stage: write → watch → judge)* → verdict → (explain → undo → watch → recheck) → report
//
// # Reading order
//
//	stage.go     what a run consists of
//	stage_….go   planners, which make stages; stage_order.go: of what waits for what
//	hook.go      objects that do their work at their moment in a run
//	phase.go     what a run is doing at a moment, and what a signal or the end of its time means then: one table
//	run.go       the straight way
//	follow.go    the loop inside "watch": events in, intents out
//	options.go   what is said of one object alone; treat.go: what follows from that
//	look.go      what one look at a workload means; it changes nothing
//	judge.go     the only place that calls a rollout good or bad
//	conclude.go  what follows from the verdict; undo.go takes back what was written
//	kept_….go    what stays of a bad version when it is undone: whole logs, a pod
//	claim.go     which leases a run wants; lock.go: of two runs at the same objects one waits
//	keep.go      the run on record, from before its first write until after its last
//	adopt.go     a run takes over what a killed one has left
//	recover.go   undo and resume: a run on record is put back, or gone on with
//	wrap.go      a command makes the release, in the place of writing; wrap_undo.go: and takes it back
//	drill.go     bad releases of a copy, one run each
//	turn.go      a run that is a part of a larger one waits for its turn, and is called off
//	outcome.go   how a run can end, and what an error means
//	event.go     what a run tells, as values; gate/report makes the words
//
// # Around it
//
//	gate/manifest   files → objects with file and line
//	gate/order      objects → groups that are written one after the other
//	gate/patch      one write, and its inverse
//	gate/record     a run as it is kept, and the lease that says that it goes on
//	gate/rollout    one workload → how far it is
//	gate/readiness  expressions of a user over one object → how far it is
//	gate/diagnosis  one workload's evidence → why it is bad
//	gate/rights     what an account has to be allowed for a run, and why
//	gate/drill      a workload → a harmless copy, and broken variants of it
//	gate/criteria   which pods, which window: between a run and package analysis
//	gate/cluster    the API server; it satisfies Cluster
//	gate/fleet      runs in several clusters → when each may go on, what is taken back, and one Report
//	gate/report     a Report or an Event → text, JSON, NDJSON, Markdown, JUnit, HTML, OpenMetrics
//	gate/notice     a Report or an Event → a message to people
//	gate/live       Events → the lines that a terminal shows of a run that goes on
//	gate/telemetry  a Report and its Events → a trace and metrics, for the servers that keep them
//
// # A walk through one run
//
//  1. The objects are put into their order, which leaves out the hooks that this run does not have. Run plans: one GET an
//     object (the snapshot that an undo goes back to), a dry-run of all. If the API server refuses one object, nothing is
//     written. The criteria are asked about the running version.
//     It takes its lease, looks who else has one, and puts itself on record: from here on it can be killed.
//  2. Planners make stages of each group of objects. A stage writes its objects in order, each write on the condition that
//     the object still is the one that was planned. A write whose answer is lost is remembered like any other.
//  3. A follower watches the workloads. rollout.Evaluate says how far each is, diagnosis.Explain what stands in its way;
//     a finding that lasts is confirmed on all the evidence, which is read beside the loop.
//  4. When all are complete, the window of the criteria runs; the watch goes on meanwhile.
//  5. judge makes the verdict: the first failed workload, confirmed finding, violated criterion, or the end of the time.
//  6. A bad run reads the evidence, because the next step destroys it, and explains it. A signal cuts this short.
//     If it is to keep whole logs or a pod, it does so then, each within a few seconds.
//  7. Undo takes the writes back in reverse order: what this run changed and nobody else has changed since. No signal
//     but the third cuts this short.
//  8. The same follower proves that the old version is back.
//  9. How it ended goes on record, the lease is given back. The report says all of it, redacted, and carries the exit code.
package gate
