package simulation

// crashing covers crash-loop, oom-killed and liveness-killed, which differ in
// exit code, reason and events only. With restartPolicy Never the first crash
// ends the pod.
func crashing(logs string) []stage {
	return []stage{
		{name: "crashes-first", on: []string{"crash-loop/Running"}, delay: after("crash-after", "600ms"),
			phase: "Running", fatal: true, target: terminated, others: sibling, logs: [2]string{logs + "/crash.log", ""}},
		{name: "runs-out-of-memory-first", on: []string{"oom-killed/Running"}, delay: after("crash-after", "600ms"),
			phase: "Running", fatal: true, target: terminated, others: sibling, logs: [2]string{logs + "/oom.log", ""}},
		{name: "fails-liveness-first", on: []string{"liveness-killed/Running"}, delay: after("crash-after", "600ms"),
			phase: "Running", fatal: true, target: terminated, others: sibling, logs: [2]string{logs + "/hang.log", ""},
			events: []event{livenessFailed, livenessKilled}},
		{name: "restarts-at-once", on: []string{"crash-loop/Terminated", "oom-killed/Terminated", "liveness-killed/Terminated"}, delay: always("400ms"),
			phase: "Running", target: restarted, others: sibling},
		{name: "crashes-again", on: []string{"crash-loop/Running again"}, delay: after("crash-after", "600ms"),
			phase: "Running", target: backingOff, others: sibling, logs: [2]string{logs + "/crash.log", logs + "/crash.log"},
			events: []event{backOff}},
		{name: "runs-out-of-memory-again", on: []string{"oom-killed/Running again"}, delay: after("crash-after", "600ms"),
			phase: "Running", target: backingOff, others: sibling, logs: [2]string{logs + "/oom.log", logs + "/oom.log"},
			events: []event{backOff}},
		{name: "fails-liveness-again", on: []string{"liveness-killed/Running again"}, delay: after("crash-after", "600ms"),
			phase: "Running", target: backingOff, others: sibling, logs: [2]string{logs + "/hang.log", logs + "/hang.log"},
			events: []event{livenessFailed, livenessKilled, backOff}},
		{name: "restarts-after-back-off", on: []string{"crash-loop/CrashLoopBackOff", "oom-killed/CrashLoopBackOff", "liveness-killed/CrashLoopBackOff"}, delay: after("back-off", "4s"),
			phase: "Running", target: restarted, others: sibling},
	}
}

var (
	backOff = event{"Warning", "BackOff",
		`printf "Back-off restarting failed container %s in pod %s" $target $ref`, `max 1 $restarts`}
	livenessFailed = event{"Warning", "Unhealthy",
		`"Liveness probe failed: HTTP probe failed with statuscode: 500"`, `mul 3 (add1 $restarts)`}
	livenessKilled = event{"Normal", "Killing",
		`printf "Container %s failed liveness probe, will be restarted" $target`, `add1 $restarts`}
)

// initCrashing fails the first init container; the pod stays Pending.
func initCrashing(logs string) []stage {
	crash := [2]string{logs + "/init.log", logs + "/init.log"}
	initializing := waiting("PodInitializing", "")
	return []stage{
		{name: "init-starts", on: []string{"init-crash/new"}, delay: always("300ms"),
			phase: "Pending", initFail: true, target: running, others: initializing},
		{name: "init-crashes-first", on: []string{"init-crash/Running"}, delay: after("crash-after", "600ms"),
			phase: "Pending", fatal: true, initFail: true,
			target: terminated, others: initializing, logs: [2]string{logs + "/init.log", ""}},
		{name: "init-restarts-at-once", on: []string{"init-crash/Terminated"}, delay: always("400ms"),
			phase: "Pending", initFail: true, target: restarted, others: initializing},
		{name: "init-crashes-again", on: []string{"init-crash/Running again"}, delay: after("crash-after", "600ms"),
			phase: "Pending", initFail: true, target: backingOff, others: initializing, logs: crash, events: []event{backOff}},
		{name: "init-restarts-after-back-off", on: []string{"init-crash/CrashLoopBackOff"}, delay: after("back-off", "4s"),
			phase: "Pending", initFail: true, target: restarted, others: initializing},
		{name: "init-succeeds", on: []string{"init-crash-recovered/Running again"}, delay: after("ready-after", "500ms"),
			phase: "Running", ready: true, target: serving, others: sibling},
	}
}

// pullError is containerd's text for a tag that does not exist.
const pullError = `(printf "failed to pull and unpack image %q: failed to resolve reference %q: %s: not found" $image $image $image)`

// missingConfig is the kubelet's text for an object a pod refers to.
const missingConfig = `(printf "configmap %q not found" (index $annotations "` + prefix + `missing-name" | default "app-config"))`

// notStarting covers the containers that never run: the pod has an address and
// stays Pending.
func notStarting() []stage {
	creating := waiting("ContainerCreating", "")
	return []stage{
		{name: "pull-fails", on: []string{"image-missing/new"}, delay: always("500ms"),
			phase: "Pending", target: waiting("ErrImagePull", pullError), others: creating,
			events: []event{
				{"Normal", "Pulling", `printf "Pulling image %q" $image`, ""},
				{"Warning", "Failed", `printf "Failed to pull image %q: %s" $image ` + pullError, ""},
				{"Warning", "Failed", `"Error: ErrImagePull"`, ""},
			}},
		{name: "pull-backs-off", on: []string{"image-missing/ErrImagePull"}, delay: always("1500ms"),
			phase: "Pending", others: creating,
			target: waiting("ImagePullBackOff", `printf "Back-off pulling image %q: ErrImagePull: %s" $image `+pullError),
			events: []event{
				{"Normal", "BackOff", `printf "Back-off pulling image %q" $image`, ""},
				{"Warning", "Failed", `"Error: ImagePullBackOff"`, ""},
			}},
		{name: "pull-is-retried", on: []string{"image-missing/ImagePullBackOff"}, delay: always("20s"),
			phase: "Pending", target: waiting("ErrImagePull", pullError), others: creating},
		{name: "config-is-missing", on: []string{"config-missing/new"}, delay: always("500ms"),
			phase: "Pending", target: waiting("CreateContainerConfigError", missingConfig), others: creating,
			events: []event{{"Warning", "Failed", `printf "Error: %s" ` + missingConfig, ""}}},
		{name: "mount-fails", on: []string{"mount-missing/new"}, delay: always("500ms"),
			phase: "Pending", target: creating, others: creating,
			events: []event{{"Warning", "FailedMount", `printf "MountVolume.SetUp failed for volume %q : %s" "config" ` + missingConfig, ""}}},
	}
}
