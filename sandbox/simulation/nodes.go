package simulation

import (
	"fmt"
)

// managed is the annotation by which kwok knows its nodes.
const managed = "kwok.x-k8s.io/node"

// NodeName is the name of the i-th simulated node, from 0.
func NodeName(i int) string { return fmt.Sprintf("sim-%d", i+1) }

// NodeObjects returns the Node objects to create: big enough that only a test that
// asks for too much meets "Insufficient cpu".
func (c Config) NodeObjects() []any {
	var nodes []any
	for i := range c.Nodes {
		name := NodeName(i)
		room := object{"cpu": "32", "memory": "256Gi", "pods": "500", "ephemeral-storage": "1Ti"}
		nodes = append(nodes, object{
			"apiVersion": "v1", "kind": "Node",
			"metadata": object{
				"name":        name,
				"annotations": object{managed: "fake"},
				"labels": object{
					NodeLabel:                          "true",
					"kubernetes.io/hostname":           name,
					"kubernetes.io/os":                 "linux",
					"kubernetes.io/arch":               "amd64",
					"topology.kubernetes.io/region":    "sandbox",
					"topology.kubernetes.io/zone":      fmt.Sprintf("sandbox-%c", 'a'+i%3),
					"node.kubernetes.io/instance-type": "simulated",
				},
			},
			// 1,022 addresses a node, which is more than its 500 pods need even while they are replaced.
			"spec":   object{"podCIDR": podCIDR(i)},
			"status": object{"allocatable": room, "capacity": room},
		})
	}
	return nodes
}

func podCIDR(i int) string { return fmt.Sprintf("10.%d.%d.0/22", 128+i/64, i%64*4) }

// nodeStages make a new node ready at once and renew its conditions rarely: its
// lease, which kwok keeps, is what counts as its heartbeat.
func nodeStages() []object {
	const ready = `[.status.conditions[]? | select(.type == "Ready" and .status == "True")] | length`
	stage := func(name, match string, delay int, status string) object {
		return object{
			"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage",
			"metadata": object{"name": name},
			"spec": object{
				"resourceRef": object{"apiGroup": "v1", "kind": "Node"},
				"selector":    object{"matchExpressions": []any{matchJQ(ready, match)}},
				"delay":       object{"durationMilliseconds": delay},
				"steps":       []any{patchStatus(status)},
			},
		}
	}
	return []object{
		stage("node-boots", "0", 0, nodeConditions+nodeIdentity),
		stage("node-renews-conditions", "1", 300_000, nodeConditions),
	}
}

const nodeConditions = `
{{ $now := Now }}{{ $created := .metadata.creationTimestamp }}
conditions:
{{ range NodeConditions }}
- type: {{ .type }}
  status: {{ .status | Quote }}
  reason: {{ .reason }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $created | Quote }}
{{ end }}
`

const nodeIdentity = `
addresses:
- {type: InternalIP, address: {{ NodeIP | Quote }}}
- {type: Hostname, address: {{ .metadata.name | Quote }}}
daemonEndpoints: {kubeletEndpoint: {Port: {{ NodePort }}}}
nodeInfo:
  architecture: amd64
  operatingSystem: linux
  osImage: sandbox
  kernelVersion: "0"
  containerRuntimeVersion: kwok://{{ Version }}
  kubeletVersion: kwok-{{ Version }}
  kubeProxyVersion: ""
  bootID: {{ .metadata.uid | Quote }}
  machineID: {{ .metadata.uid | Quote }}
  systemUUID: {{ .metadata.uid | Quote }}
`

// matchJQ selects objects for which the jq expression yields one of the values.
func matchJQ(expression string, values ...string) object {
	return object{"jq": object{"key": expression, "operator": "In", "values": values}}
}

// patchStatus is a step that merges a template's output into the status.
func patchStatus(template string) object {
	return object{"patch": object{"subresource": "status", "root": "status", "template": template}}
}
