// Package telemetry tells servers that keep history how a run went: a trace for an OpenTelemetry collector, and metrics
// for a Prometheus Pushgateway.
//
// Takes: a Report, the events of a run, and where to send what it makes of them. Returns: an error that says which
// server did not take it, and why, without credentials. Never: judges, prints, waits longer than its context, or reads
// more than a few kilobytes of an answer.
package telemetry
