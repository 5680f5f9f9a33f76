package simulation

import (
	"strings"
)

// event is what a kubelet would post about the misbehaving container. Message
// and count are template expressions and may use the variables of a stage.
type event struct {
	kind, reason, message string
	count                 string // "" for 1
}

// render writes the Event object itself instead of using kwok's own recorder:
// that one takes no templates and would sign as kwok instead of kubelet. The
// name is made of reason and text, so a repetition raises the count of one
// object as it does in a real cluster.
func (e event) render() object {
	count := e.count
	if count == "" {
		count = "1"
	}
	return object{"apply": object{"template": variables + strings.NewReplacer(
		"@KIND", e.kind, "@REASON", e.reason, "@MESSAGE", e.message, "@COUNT", count,
	).Replace(eventTemplate)}}
}

const eventTemplate = `
{{- $text := @MESSAGE }}
apiVersion: v1
kind: Event
metadata:
  name: {{ printf "%s.%s" .metadata.name (sha256sum (printf "%s @REASON %s" .metadata.uid $text) | trunc 16) }}
  namespace: {{ .metadata.namespace }}
involvedObject:
  apiVersion: v1
  kind: Pod
  name: {{ .metadata.name }}
  namespace: {{ .metadata.namespace }}
  uid: {{ .metadata.uid }}
  fieldPath: {{ printf "spec.%s{%s}" (ternary "initContainers" "containers" (eq $behavior "init-crash")) $target | Quote }}
type: @KIND
reason: @REASON
message: {{ $text | Quote }}
count: {{ @COUNT }}
firstTimestamp: {{ .status.startTime | default $now | Quote }}
lastTimestamp: {{ $now | Quote }}
source: {component: kubelet, host: {{ .spec.nodeName }}}
reportingComponent: kubelet
reportingInstance: {{ .spec.nodeName }}
`
