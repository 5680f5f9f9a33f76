package main

import "fmt"

// What a Pushgateway has are the values of the last run of each workload. What happened in a month is in the history of
// these values: a run, a release or a failure is a moment at which its timestamp has another value than a step before.
//
// A value that a gateway or a server shows again after a pause is no new one: the step before may be up to half an hour
// ago, and a timestamp that is older than that counts for nothing. Series of several servers for the same workload are one.

// chosen are the series of a metric that the variables of the dashboard choose, one for each workload.
func chosen(metric string) string {
	return fmt.Sprintf(`max by (namespace, workload) (%s{namespace=~"$namespace", workload=~"$workload"})`, metric)
}

// before is chosen a step ago.
func before(metric string) string {
	return fmt.Sprintf(`max by (namespace, workload) (last_over_time(%s{namespace=~"$namespace", workload=~"$workload"}[30m] offset $resolution))`, metric)
}

// fresh has the series of a metric at the moments at which they have got another value.
func fresh(metric string) string {
	return fmt.Sprintf(`%s unless %[1]s == %s`, chosen(metric), before(metric))
}

// happened has the series of a timestamp at the moments at which it happened.
func happened(timestamp string) string {
	return fmt.Sprintf(`(%s) > time() - 1800`, fresh(timestamp))
}

// counted is how often it happened in a time, all workloads together.
func counted(timestamp, in string) string {
	return fmt.Sprintf(`(sum(count_over_time((%s)[%s:$resolution])) or vector(0))`, happened(timestamp), in)
}

// mean is the mean of a duration over the moments at which it was measured.
func mean(seconds, timestamp string) string {
	sum := func(over string) string {
		return fmt.Sprintf(`sum(%s(((%s) and (%s))[$__range:$resolution]))`, over, fresh(seconds), happened(timestamp))
	}
	return sum("sum_over_time") + " / " + sum("count_over_time")
}

// The timestamps, and what was measured at them.
const (
	lastRun     = "rolloutgate_last_run_timestamp_seconds"
	lastChange  = "rolloutgate_last_change_timestamp_seconds"
	lastFailure = "rolloutgate_last_failure_timestamp_seconds"
	lastUndo    = "rolloutgate_last_undo_timestamp_seconds"
	duration    = "rolloutgate_duration_seconds"
	undo        = "rolloutgate_undo_seconds"
	restore     = "rolloutgate_restore_seconds"
	exitCode    = "rolloutgate_exit_code"
)

// workload is what kube-state-metrics says of the rollouts of one kind.
type workload struct{ label, wanted, updated, unavailable string }

var kinds = []workload{
	{"deployment", "kube_deployment_spec_replicas", "kube_deployment_status_replicas_updated", "kube_deployment_status_replicas_unavailable"},
	{"statefulset", "kube_statefulset_replicas", "kube_statefulset_status_replicas_updated", ""},
	{"daemonset", "kube_daemonset_status_desired_number_scheduled", "kube_daemonset_status_updated_number_scheduled", "kube_daemonset_status_number_unavailable"},
}

// share is which part of the pods is of the new version, of the workloads of a kind that are not done.
func (w workload) share() string {
	return fmt.Sprintf(`max by (namespace, %[1]s) (%[2]s{namespace=~"$namespace"}) / (max by (namespace, %[1]s) (%[3]s{namespace=~"$namespace"}) > 0) < 1`,
		w.label, w.updated, w.wanted)
}

// rolling counts the workloads of all kinds that are not done.
func rolling() string {
	sum := ""
	for i, w := range kinds {
		if i > 0 {
			sum += " + "
		}
		sum += fmt.Sprintf("(count(%s) or vector(0))", w.share())
	}
	return sum
}

// missing are the pods of a kind that are not there, where some are not.
func (w workload) missing() string {
	return fmt.Sprintf(`max by (namespace, %s) (%s{namespace=~"$namespace"}) > 0`, w.label, w.unavailable)
}
