package simulation

// Snippets of one container's status. A container instance is named after the
// pod and its restarts, as a runtime would give every start a new id.
const (
	newID = `containerID: containerd://{{ printf "%s/%s/%d" $pod.metadata.uid .name $restarts | sha256sum }}
imageID: {{ printf "%s@sha256:%s" .image (sha256sum .image) | Quote }}`

	running = newID + `
ready: false
started: true
restartCount: {{ $restarts }}
state: {running: {startedAt: {{ $began | Quote }}}}
lastState: {{ $last | toJson }}`

	serving = newID + `
ready: true
started: true
restartCount: {{ $restarts }}
state: {running: {startedAt: {{ $began | Quote }}}}
lastState: {{ $last | toJson }}`

	restarted = `{{ $restarts := add1 $restarts }}` + newID + `
ready: false
started: true
restartCount: {{ $restarts }}
state: {running: {startedAt: {{ $now | Quote }}}}
lastState: {{ dict "terminated" (dig "state" "terminated" (dig "terminated" nil $last) $s) | toJson }}`

	// A kubelet restarts a container at once the first time, and reports it as
	// terminated in between; from then on it waits longer and longer.
	terminated = newID + `
ready: false
started: false
restartCount: {{ $restarts }}
state: {terminated: ` + death + `}
lastState: {{ $last | toJson }}`

	backingOff = newID + `
ready: false
started: false
restartCount: {{ $restarts }}
state:
  waiting:
    reason: CrashLoopBackOff
    message: {{ printf "back-off %s restarting failed container=%s pod=%s" $backoff .name $ref | Quote }}
lastState: {terminated: ` + death + `}`

	death = `{exitCode: {{ if $oom }}137{{ else if eq $behavior "liveness-killed" }}143{{ else }}1{{ end }},
  reason: {{ if $oom }}OOMKilled{{ else }}Error{{ end }},
  startedAt: {{ $began | Quote }}, finishedAt: {{ $now | Quote }},
  containerID: containerd://{{ printf "%s/%s/%d" $pod.metadata.uid .name $restarts | sha256sum }}}`

	completed = newID + `
ready: false
started: false
restartCount: {{ $restarts }}
state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $began | Quote }}, finishedAt: {{ $now | Quote }}}}`

	// siblings of a container that fails after its start run well.
	sibling = `ready: true
started: true
restartCount: 0
imageID: {{ printf "%s@sha256:%s" .image (sha256sum .image) | Quote }}
containerID: containerd://{{ printf "%s/%s/0" $pod.metadata.uid .name | sha256sum }}
state: {running: {startedAt: {{ $born | Quote }}}}`
)

// waiting is the status of a container that has not started, with a reason and
// an expression for the message ("" for none).
func waiting(reason, message string) string {
	text := `imageID: ""
ready: false
started: false
restartCount: 0
state:
  waiting:
    reason: ` + reason
	if message != "" {
		text += "\n    message: {{ " + message + " | Quote }}"
	}
	return text
}

// podStages is the table of all behaviours: what is not in it does not happen.
func podStages(logs string) []stage {
	var all []stage
	for _, group := range [][]stage{
		{{name: "pod-deleted", delay: after("terminate-after", "0s"), delete: true}},
		healthy(), jobs(), neverReady(logs), crashing(logs), initCrashing(logs), notStarting(),
	} {
		all = append(all, group...)
	}
	return all
}

// healthy pods need one write to become ready, so that a thousand of them are
// cheap; those that take their time are seen running first.
func healthy() []stage {
	return []stage{
		{name: "ready", on: []string{"ready/new"}, delay: always("500ms"),
			phase: "Running", ready: true, target: serving, others: sibling},
		{name: "starts", on: []string{"ready-late/new", "never-ready/new", "flap/new", "crash-loop/new", "oom-killed/new", "liveness-killed/new", "job/new"}, delay: always("300ms"),
			phase: "Running", target: running, others: sibling},
		{name: "ready-late", on: []string{"ready-late/Running"}, delay: after("ready-after", "0s"),
			phase: "Running", ready: true, target: serving, others: sibling},
		{name: "ready-after-crashes", on: []string{"crash-loop-recovered/Running again", "oom-killed-recovered/Running again", "liveness-killed-recovered/Running again"}, delay: after("ready-after", "500ms"),
			phase: "Running", ready: true, target: serving, others: sibling},
		{name: "flaps-up", on: []string{"flap/Running"}, delay: after("flap-every", "3s"),
			phase: "Running", ready: true, target: serving, others: sibling},
		{name: "flaps-down", on: []string{"flap/Ready"}, delay: after("flap-every", "3s"),
			phase: "Running", target: running, others: sibling, events: []event{unhealthy}},
	}
}

var unhealthy = event{"Warning", "Unhealthy", `"Readiness probe failed: HTTP probe failed with statuscode: 503"`, probes}

// probes counts one failure in ten seconds since the pod's start, the default
// period of a probe.
const probes = `add1 (div (sub (now | unixEpoch | int64) (.status.startTime | default $now | toDate "2006-01-02T15:04:05Z07:00" | unixEpoch | int64)) 10)`

func jobs() []stage {
	return []stage{
		{name: "job-completes", on: []string{"job/Running"}, delay: after("complete-after", "1s"),
			phase: "Succeeded", target: completed, others: completed},
	}
}

func neverReady(logs string) []stage {
	return []stage{
		{name: "fails-its-probe", on: []string{"never-ready/Running"}, delay: always("1s"),
			events: []event{unhealthy}, logs: [2]string{logs + "/never-ready.log", ""}},
	}
}
