package patch

import (
	"slices"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/schema"
)

// rule says how fields of one struct depend on each other.
type rule int

const (
	// together: the API server compares their values, so all go back or none.
	together rule = iota
	// oneOf: at most one may be there.
	oneOf
	// tagged: the first says which of the others may be there; together when it changes, independent otherwise.
	tagged
	// together and oneOf for the values that several maps have at one key.
	togetherAtKey
	oneOfAtKey
)

type coupling struct {
	rule   rule
	fields []string // none: all but those in besides
	beside []string
}

// couplings are the fields that cannot go back alone, by the name of their type. Without them a partial undo would be
// an object that the API server refuses, and nothing would go back at all.
// Sources: pkg/apis/*/validation of Kubernetes.
func couplings(typeName string, fields *schema.Map) []coupling {
	found := slices.Clone(map[string][]coupling{
		// rollingUpdate is forbidden beside Recreate or OnDelete.
		"io.k8s.api.apps.v1.DeploymentStrategy":        {{rule: tagged, fields: []string{"type", "rollingUpdate"}}},
		"io.k8s.api.apps.v1.DaemonSetUpdateStrategy":   {{rule: tagged, fields: []string{"type", "rollingUpdate"}}},
		"io.k8s.api.apps.v1.StatefulSetUpdateStrategy": {{rule: tagged, fields: []string{"type", "rollingUpdate"}}},
		// Both zero is refused, and a DaemonSet takes only one that is not.
		"io.k8s.api.apps.v1.RollingUpdateDeployment": {{rule: together, fields: []string{"maxSurge", "maxUnavailable"}}},
		"io.k8s.api.apps.v1.RollingUpdateDaemonSet":  {{rule: together, fields: []string{"maxSurge", "maxUnavailable"}}},
		// The deadline must be longer than the time to become available.
		"io.k8s.api.apps.v1.DeploymentSpec": {{rule: together, fields: []string{"minReadySeconds", "progressDeadlineSeconds"}}},
		// The least must not be more than the most.
		"io.k8s.api.autoscaling.v1.HorizontalPodAutoscalerSpec": {{rule: together, fields: []string{"minReplicas", "maxReplicas"}}},
		"io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec": {{rule: together, fields: []string{"minReplicas", "maxReplicas"}}},
		"io.k8s.api.policy.v1.PodDisruptionBudgetSpec":          {{rule: oneOf, fields: []string{"minAvailable", "maxUnavailable"}}},
		// A request must not be above its limit.
		"io.k8s.api.core.v1.ResourceRequirements":       {{rule: togetherAtKey, fields: []string{"requests", "limits"}}},
		"io.k8s.api.core.v1.VolumeResourceRequirements": {{rule: togetherAtKey, fields: []string{"requests", "limits"}}},
		"io.k8s.api.core.v1.ConfigMap":                  {{rule: oneOfAtKey, fields: []string{"data", "binaryData"}}},
		// A privileged container cannot refuse to escalate.
		"io.k8s.api.core.v1.SecurityContext":  {{rule: together, fields: []string{"privileged", "allowPrivilegeEscalation", "capabilities"}}},
		"io.k8s.api.core.v1.Probe":            {{rule: oneOf, fields: []string{"exec", "grpc", "httpGet", "tcpSocket"}}},
		"io.k8s.api.core.v1.LifecycleHandler": {{rule: oneOf}},
		"io.k8s.api.core.v1.EnvVar":           {{rule: oneOf, fields: []string{"value", "valueFrom"}}},
		"io.k8s.api.core.v1.EnvVarSource":     {{rule: oneOf}},
		"io.k8s.api.core.v1.Volume":           {{rule: oneOf, beside: []string{"name"}}},
		// Only some types have node ports, a cluster IP, a class; the API server gives and takes them with the type.
		"io.k8s.api.core.v1.ServiceSpec": {{rule: tagged, fields: []string{"type", "ports", "clusterIP", "clusterIPs", "externalName", "externalTrafficPolicy",
			"healthCheckNodePort", "allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerIP", "loadBalancerSourceRanges", "ipFamilies", "ipFamilyPolicy"}}},
	}[typeName])
	for _, u := range fields.Unions { // those that the schema itself knows
		if u.Discriminator == nil {
			continue
		}
		c := coupling{rule: tagged, fields: []string{*u.Discriminator}}
		for _, f := range u.Fields {
			c.fields = append(c.fields, f.FieldName)
		}
		found = append(found, c)
	}
	return found
}

// independent names the structs of which any part is valid without the others.
func independent(typeName string) bool {
	switch typeName {
	case "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
		"io.k8s.api.core.v1.SecurityContext", "io.k8s.api.core.v1.PodSecurityContext", "io.k8s.api.core.v1.ResourceRequirements",
		"io.k8s.api.core.v1.Affinity", "io.k8s.api.core.v1.Lifecycle", "io.k8s.api.core.v1.PodDNSConfig":
		return true
	}
	return false
}

// couple keeps those fields of out that must not go back without others of which somebody wrote one.
func (m *merge) couple(typeName string, fields *schema.Map, at fieldpath.Path, t three, out map[string]any) {
	for _, c := range couplings(typeName, fields) {
		members := c.fields
		if len(members) == 0 {
			for _, f := range fields.Fields {
				if !slices.Contains(c.beside, f.Name) {
					members = append(members, f.Name)
				}
			}
		}
		if c.rule == togetherAtKey || c.rule == oneOfAtKey {
			m.coupleKeys(c.rule, members, at, t, out)
			continue
		}
		states := make([]member, len(members))
		for i, name := range members {
			states[i] = member{into(at, fieldpath.FieldNameElement(name)), t.get(name), out, name}
		}
		m.enforce(c.rule, states)
	}
}

func (m *merge) coupleKeys(r rule, mapNames []string, at fieldpath.Path, t three, out map[string]any) {
	var all []any
	for _, name := range mapNames {
		of := t.get(name)
		all = append(all, of.before, of.written, of.live)
	}
	for _, key := range keysOfMaps(all...) {
		var states []member
		for _, name := range mapNames {
			values, _ := out[name].(map[string]any)
			values = without(values) // it may be before's own
			to := into(into(at, fieldpath.FieldNameElement(name)), fieldpath.FieldNameElement(key))
			states = append(states, member{to, t.get(name).get(key), values, key})
		}
		m.enforce(r, states)
		for i, name := range mapNames {
			if values := states[i].in; len(values) > 0 {
				out[name] = values
			} else if _, had := out[name]; had && isAbsent(get(t.live, name)) {
				delete(out, name)
			}
		}
	}
}

// member is one of several coupled fields, and the map of the result that it is in.
type member struct {
	at   fieldpath.Path
	of   three
	in   map[string]any
	name string
}

// enforce leaves all members as live has them where the result broke the rule.
func (m *merge) enforce(r rule, members []member) {
	cause := slices.IndexFunc(members, func(x member) bool { return x.of.theirs() })
	if cause < 0 {
		return
	}
	broken := true
	switch r {
	case oneOf, oneOfAtKey:
		n := 0
		for _, x := range members {
			if _, there := x.in[x.name]; there {
				n++
			}
		}
		broken = n > 1
	case tagged:
		broken = members[0].of.ours() || members[0].of.theirs()
	}
	if !broken {
		return
	}
	with := members[cause].at
	if inner, ok := m.keptIn(with); ok {
		with = inner
	}
	for _, x := range members {
		if equal(get(x.in, x.name), x.of.live) {
			continue
		}
		m.drop(x.at)
		m.keep(x.at, with, x.of)
		if isAbsent(x.of.live) {
			delete(x.in, x.name)
		} else {
			x.in[x.name] = x.of.live
		}
	}
}
