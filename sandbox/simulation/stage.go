package simulation

import (
	"fmt"
	"strconv"
	"strings"
)

// prefix of all annotations and labels of the sandbox.
const prefix = "sandbox.rolloutgate.dev/"

// stage is one row of the table of behaviours: in these situations, after this
// delay, a pod's status becomes this.
type stage struct {
	name   string
	on     []string // situations, as "behaviour/step"; see situation
	delay  string   // jq expression that yields a duration as "1.5s"
	delete bool

	phase    string // of the pod
	fatal    bool   // with restartPolicy Never this ends the pod
	ready    bool
	target   string // status of the container that misbehaves; a template. "" leaves the status alone
	others   string // status of the remaining containers
	initFail bool   // the misbehaving container is the first init container
	events   []event
	logs     [2]string // files served as current and previous log of the misbehaving container
}

// situation is the jq expression every stage selects on. It yields
// "behaviour/step", where step is derived from what the status says already:
// the whole state of a pod is in the API, and kwok may restart at any time.
const situation = `
(.metadata.annotations // {}) as $a
| ($a["` + prefix + `behavior"] // "ready") as $wanted
| (if $wanted != "scripted" and any(.spec.containers[]; .image | endswith(":missing") or endswith("-missing")) then "image-missing" else $wanted end) as $b
| (if $b == "image-missing" then first(.spec.containers[] | select(.image | endswith(":missing") or endswith("-missing")) | .name) // null else null end
   // $a["` + prefix + `container"] // .spec.containers[0].name) as $name
| (if $b == "init-crash" then .status.initContainerStatuses[0]?
   else ([.status.containerStatuses[]? | select(.name == $name)] | first) end) as $s
| ($s.restartCount // 0) as $restarts
| (if ($b | IN("crash-loop", "oom-killed", "liveness-killed", "init-crash")) and $a["` + prefix + `crashes"]
      and $restarts >= ($a["` + prefix + `crashes"] | tonumber) then $b + "-recovered"
   elif $b == "ready" and any(.metadata.ownerReferences[]?; .kind == "Job") then "job"
   elif $b == "ready" and $a["` + prefix + `ready-after"] then "ready-late"
   else $b end) as $b
| (if .metadata.deletionTimestamp then "deleted"
   elif (.status.phase | IN("Succeeded", "Failed")) then "over"
   elif $s == null then "new"
   elif $s.state.running then (if $s.ready then "Ready" elif $restarts > 0 then "Running again" else "Running" end)
   elif $s.state.terminated then "Terminated"
   else ($s.state.waiting.reason // "new") end) as $step
| $b + "/" + $step`

// after is a delay read from an annotation.
func after(annotation, otherwise string) string {
	return fmt.Sprintf(`.metadata.annotations["%s%s"] // "%s"`, prefix, annotation, otherwise)
}

// always is a fixed delay.
func always(duration string) string { return strconv.Quote(duration) }

func (s stage) render() object {
	var steps []any
	for _, e := range s.events {
		steps = append(steps, e.render())
	}
	if s.logs[0] != "" {
		steps = append(steps, podLogs(s.logs[0], s.logs[1]))
	}
	if s.target != "" {
		steps = append(steps, patchStatus(s.status()))
	}
	if s.delete {
		steps = append(steps, object{"delete": true})
	}
	return object{
		"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage",
		"metadata": object{"name": s.name},
		"spec": object{
			"resourceRef": object{"apiGroup": "v1", "kind": "Pod"},
			"selector":    object{"matchExpressions": s.match()},
			"delay": object{
				"durationMilliseconds": 0,
				"durationFrom":         object{"jq": object{"expression": s.delay}},
			},
			"steps": steps,
		},
	}
}

// match asks for the situation. That is an expensive question, and kwok asks it
// for every stage at every change of a pod; where the annotation alone rules a
// stage out, that is asked first.
func (s stage) match() []any {
	if s.delete {
		return []any{object{"jq": object{"key": ".metadata.deletionTimestamp", "operator": "Exists"}}}
	}
	var annotated []string
	for _, on := range s.on {
		behavior, _, _ := strings.Cut(on, "/")
		switch behavior = strings.TrimSuffix(behavior, "-recovered"); behavior {
		case "ready", "ready-late", "job", "image-missing": // these do not need the annotation
			return []any{matchJQ(situation, s.on...)}
		}
		annotated = append(annotated, behavior)
	}
	return []any{
		matchJQ(fmt.Sprintf(".metadata.annotations[%q]", prefix+"behavior"), annotated...),
		matchJQ(situation, s.on...),
	}
}

// status assembles the template of the whole pod status around the snippets of
// the table.
func (s stage) status() string {
	return variables + strings.NewReplacer(
		"@FATAL", strconv.FormatBool(s.fatal),
		"@READY", strconv.FormatBool(s.ready),
		"@INITFAIL", strconv.FormatBool(s.initFail),
		"@PHASE", s.phase,
		"@TARGET", indent(s.target),
		"@OTHERS", indent(s.others),
	).Replace(podStatus)
}

func indent(text string) string {
	return strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ")
}

// variables are what the snippets of the table may use: $now, $target (name of
// the misbehaving container), $s (its present status), $restarts, $last (its
// lastState), $began (start of its present run), $image, $oom, $backoff and $ref (the
// pod as the kubelet prints it).
const variables = `
{{- $pod := . }}{{ $now := Now }}
{{- $annotations := .metadata.annotations | default dict }}
{{- $behavior := index $annotations "` + prefix + `behavior" | default "ready" }}
{{- $target := index $annotations "` + prefix + `container" | default (index .spec.containers 0).name }}
{{- $statuses := .status.containerStatuses | default list }}
{{- if eq $behavior "init-crash" }}
  {{- with .spec.initContainers }}{{ $target = (index . 0).name }}{{ end }}
  {{- $statuses = .status.initContainerStatuses | default list }}
{{- end }}
{{- range .spec.containers }}{{ if or (hasSuffix ":missing" .image) (hasSuffix "-missing" .image) }}{{ $target = .name }}{{ end }}{{ end }}
{{- $image := "" }}{{ range .spec.containers }}{{ if eq .name $target }}{{ $image = .image }}{{ end }}{{ end }}
{{- $s := dict }}{{ range $statuses }}{{ if eq .name $target }}{{ $s = . }}{{ end }}{{ end }}
{{- $restarts := $s.restartCount | default 0 | int }}
{{- $last := $s.lastState | default dict }}
{{- $began := dig "state" "running" "startedAt" $now $s }}
{{- $oom := eq $behavior "oom-killed" }}
{{- $backoff := index (list "10s" "20s" "40s" "1m20s" "2m40s" "5m0s") (min 5 (max 0 (sub $restarts 1)) | int) }}
{{- $ref := printf "%s_%s(%s)" .metadata.name .metadata.namespace .metadata.uid }}
`

// podStatus keeps what a kubelet keeps: the start time, the addresses, and the
// transition time of every condition that did not change.
const podStatus = `
{{- $since := dict }}
{{- range (.status.conditions | default list) }}{{ $_ := set $since (printf "%s %s" .type .status) .lastTransitionTime }}{{ end }}
{{- $born := .status.startTime | default $now }}
{{- $phase := "@PHASE" }}{{ if and @FATAL (eq .spec.restartPolicy "Never") }}{{ $phase = "Failed" }}{{ end }}
phase: {{ $phase }}
startTime: {{ $born | Quote }}
{{ if not .status.podIP }}
{{ $ip := PodIPWith .spec.nodeName (.spec.hostNetwork | default false) .metadata.uid .metadata.name .metadata.namespace }}
hostIP: {{ NodeIPWith .spec.nodeName | Quote }}
hostIPs: [{ip: {{ NodeIPWith .spec.nodeName | Quote }}}]
podIP: {{ $ip | Quote }}
podIPs: [{ip: {{ $ip | Quote }}}]
{{ end }}

{{ $names := list }}{{ range .spec.containers }}{{ $names = append $names .name }}{{ end }}
{{ $unready := list "False" "ContainersNotReady" (printf "containers with unready status: [%s]" (join " " $names)) }}
{{ if eq $phase "Succeeded" }}{{ $unready = list "False" "PodCompleted" "" }}{{ end }}
{{ if eq $phase "Failed" }}{{ $unready = list "False" "PodFailed" "" }}{{ end }}
{{ $yes := list "True" "" "" }}
{{ $conditions := dict "PodReadyToStartContainers" $yes "Initialized" $yes "ContainersReady" $yes "Ready" $yes }}
{{ if not @READY }}{{ $_ := set $conditions "ContainersReady" $unready }}{{ $_ := set $conditions "Ready" $unready }}{{ end }}
{{ if @INITFAIL }}
  {{ $_ := set $conditions "Initialized" (list "False" "ContainersNotInitialized" (printf "containers with incomplete status: [%s]" $target)) }}
{{ end }}
{{ if @READY }}{{ range .spec.readinessGates }}{{ $_ := set $conditions .conditionType $yes }}{{ end }}{{ end }}
conditions:
{{ range $type, $c := $conditions }}
- type: {{ $type }}
  status: {{ index $c 0 | Quote }}
  reason: {{ with index $c 1 }}{{ . }}{{ else }}null{{ end }}
  message: {{ with index $c 2 }}{{ . | Quote }}{{ else }}null{{ end }}
  lastProbeTime: null
  lastTransitionTime: {{ index $since (printf "%s %s" $type (index $c 0)) | default $now | Quote }}
{{ end }}

{{ if .spec.initContainers }}
initContainerStatuses:
{{ range $i, $c := .spec.initContainers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  imageID: {{ printf "%s@sha256:%s" .image (sha256sum .image) | Quote }}
  {{ if and @INITFAIL (eq $i 0) }}
  @TARGET
  {{ else if @INITFAIL }}
  ready: false
  started: false
  restartCount: 0
  state: {waiting: {reason: PodInitializing}}
  {{ else if eq (.restartPolicy | default "") "Always" }}
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $born | Quote }}}}
  {{ else }}
  ready: true
  started: false
  restartCount: {{ if eq $behavior "init-crash" }}{{ $restarts }}{{ else }}0{{ end }}
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $born | Quote }}, finishedAt: {{ $born | Quote }}}}
  {{ end }}
{{ end }}
{{ end }}

containerStatuses:
{{ range .spec.containers }}
- name: {{ .name }}
  image: {{ .image | Quote }}
  {{ if eq .name $target }}
  @TARGET
  {{ else }}
  @OTHERS
  {{ end }}
{{ end }}
`
