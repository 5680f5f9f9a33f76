// Package gate is one run: apply, watch, judge, explain, undo, report.
//
// Takes: a Gate (how to judge) and objects. Returns: a Report, complete whatever happened. Never: prints, exits, or
// knows which CI system it runs in.
//
// # Map
//
//	gate            the order of the steps, the verdict, the report
//	gate/manifest   files → objects with file and line
//	gate/cluster    everything that talks to the API server
//	gate/rollout    one workload → how far it is
//	gate/diagnosis  one workload's evidence → why it is bad
//	gate/report     a report → text, JSON, Markdown
//	analysis        PromQL criteria → pass, fail, inconclusive, error
//
// # A walk through one run
//
//  1. Gate.Run plans: one GET an object (the snapshot that an undo goes back to), a server-side dry-run of all.
//  2. If the API server refuses one object, nothing is applied.
//  3. Apply writes what would change, in order, each write bound to the object that was planned.
//  4. Watch follows each workload by name. rollout.Evaluate says how far it is; diagnosis.Explain says what stands in
//     its way; diagnosis.Sightings remembers for how long.
//  5. When all are complete, analysis.Run measures the criteria; the watch goes on meanwhile.
//  6. The first failed workload, confirmed cause, violated criterion, or the end of the time ends it.
//  7. A bad run freezes the evidence (pods, events, logs), because the next step destroys it, and explains it.
//  8. Undo puts every object back to its snapshot, in reverse order, field owners included; what somebody else has
//     changed since is left alone.
//  9. The same watch proves that the old version is back.
//  10. The report says all of it, redacted, and carries the exit code.
package gate
