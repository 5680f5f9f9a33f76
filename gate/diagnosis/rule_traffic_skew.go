package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleTrafficSkew = Rule{Family: "Traffic skew", Find: explainSkew, Causes: []Cause{
	{Code: "SessionAffinitySkew", class: remark("traffic", LayerService, ScopeEnv),
		Background: true,
		Meaning:    "A Service keeps each client on the pod that answered it first, so clients stay with old pods while new ones get few requests. What is measured of the new version is then not what its share of pods suggests.",
		Signals:    "spec.sessionAffinity is ClientIP on a Service that selects the pods, while old and new pods serve side by side or a success criterion failed.",
		Remedy:     "Compare versions per request and not per pod, wait longer than the affinity's timeout, or do without sessionAffinity during rollouts."},
	{Code: "TrafficSkewRisk", class: remark("traffic", LayerService, ScopeEnv),
		Background: true,
		Meaning:    "The traffic of a Service is probably not spread evenly over the pods, so some get far more of it than others. The detail names the setting.",
		Signals:    "externalTrafficPolicy or internalTrafficPolicy Local with unequal numbers of pods per node, trafficDistribution or topology-mode with unequal zones, a headless Service, or gRPC ports whose connections live long.",
		Remedy:     "Spread the pods with topologySpreadConstraints, set the policy to Cluster, or balance gRPC per request with a client or proxy that does so."},
}}

// explainSkew names settings by which a Service's traffic is not shared equally, when that may explain what was measured:
// SessionAffinitySkew, TrafficSkewRisk. Only measuring can prove it, so these are never more than suspects.
func explainSkew(s *facts) []Finding {
	oldReady := slices.ContainsFunc(s.old, rollout.IsReady)
	if !s.CriteriaFailed && (s.ready == 0 || !oldReady && s.Status.Old == 0) {
		return nil // no traffic is shared between versions
	}
	var found []Finding
	for _, v := range s.services() {
		if !selects(v.Spec.Selector, s.labels()) {
			continue
		}
		if v.Spec.SessionAffinity == corev1.ServiceAffinityClientIP {
			found = append(found, s.affinity(v))
		}
		found = append(found, s.skews(v)...)
	}
	return found
}

func (s *facts) affinity(v *corev1.Service) Finding {
	keeps := 3 * time.Hour // the API's default
	if c := v.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		keeps = time.Duration(*c.ClientIP.TimeoutSeconds) * time.Second
	}
	f := s.suspect(v, "SessionAffinitySkew", "spec.sessionAffinity", "ClientIP")
	f.Detail = v.Name
	f.Cause = fmt.Sprintf("service %s keeps a client on the same pod for %s after its last request (sessionAffinity ClientIP): clients of old pods do not come to new ones, so measured numbers may tell little about the new version", v.Name, short(keeps))
	f.Fix = []string{"compare the versions per request, or wait until clients have moved"}
	return f
}

// skews finds the settings by which a Service's traffic goes to some pods more than to others.
func (s *facts) skews(v *corev1.Service) []Finding {
	var found []Finding
	local := func(field string) {
		nodes := s.countBy(v, func(e discoveryv1.Endpoint) string { return deref(e.NodeName) })
		if text := uneven("node", nodes); text != "" {
			f := s.suspect(v, "TrafficSkewRisk", "spec."+field, "Local")
			f.Detail = field
			f.Cause = fmt.Sprintf("service %s has %s Local: each node's share stays on the node, and %s", v.Name, field, text)
			f.Fix = []string{"spread the pods over the nodes (topologySpreadConstraints), or set " + field + " to Cluster"}
			found = append(found, f)
		}
	}
	if v.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		local("externalTrafficPolicy")
	}
	if p := v.Spec.InternalTrafficPolicy; p != nil && *p == corev1.ServiceInternalTrafficPolicyLocal {
		local("internalTrafficPolicy")
	}
	near, field := deref(v.Spec.TrafficDistribution), "trafficDistribution"
	if mode := v.Annotations[corev1.AnnotationTopologyMode]; near == "" && mode != "" && mode != "Disabled" {
		near, field = mode, "topology-mode"
	}
	if text := uneven("zone", s.countBy(v, s.zoneOf)); near != "" && text != "" {
		f := s.suspect(v, "TrafficSkewRisk", "spec.trafficDistribution", near)
		if f.Detail = field; field == "topology-mode" {
			f.FieldPath = "metadata.annotations[" + corev1.AnnotationTopologyMode + "]"
		}
		f.Cause = fmt.Sprintf("service %s keeps traffic in its zone (%s %s), and %s", v.Name, field, near, text)
		f.Fix = []string{"spread the pods over the zones with topologySpreadConstraints"}
		found = append(found, f)
	}
	return append(found, s.longLived(v)...)
}

// longLived is about connections that stay with the pod to which they were opened.
func (s *facts) longLived(v *corev1.Service) []Finding {
	for i, p := range v.Spec.Ports {
		protocol := strings.ToLower(deref(p.AppProtocol))
		name := strings.ToLower(p.Name)
		if protocol != "grpc" && protocol != "kubernetes.io/h2c" && protocol != "h2c" && protocol != "http2" && !strings.HasPrefix(name, "grpc") && !strings.HasPrefix(name, "h2c") && !strings.HasPrefix(name, "http2") {
			continue
		}
		f := s.suspect(v, "TrafficSkewRisk", fmt.Sprintf("spec.ports[%d]", i), fmt.Sprint(p.Name, " ", p.Port))
		f.Detail = "grpc"
		if v.Spec.ClusterIP == corev1.ClusterIPNone {
			f.Detail = "headless"
			f.Cause = fmt.Sprintf("service %s is headless and speaks gRPC or HTTP/2 on port %d: clients choose pods themselves, from names that they may have looked up before the new pods were there", v.Name, p.Port)
			f.Fix = []string{"let clients look the name up again and balance round_robin, with a maximum connection age on the server"}
			return []Finding{f}
		}
		f.Cause = fmt.Sprintf("service %s speaks gRPC or HTTP/2 on port %d: a connection stays with the pod to which it was opened, so clients that were there before keep to the old pods", v.Name, p.Port)
		f.Fix = []string{"set a maximum connection age on the server, or balance per request with a proxy or mesh"}
		return []Finding{f}
	}
	if v.Spec.ClusterIP == corev1.ClusterIPNone && s.w.Ref.Kind == "Deployment" {
		f := s.suspect(v, "TrafficSkewRisk", "spec.clusterIP", "None")
		f.Detail = "headless"
		f.Cause = fmt.Sprintf("service %s is headless: clients choose pods themselves, from names that they may have looked up before the new pods were there", v.Name)
		f.Fix = []string{"give the Service an address of its own, or let clients look the name up often"}
		return []Finding{f}
	}
	return nil
}

// suspect starts a finding about a setting of a Service that fits, among others.
func (s *facts) suspect(v *corev1.Service, code, field, value string) Finding {
	f := s.about(v, code, field)
	f.Confidence = Suspected
	f.Evidence = []Proof{{Type: "object", Text: field + ": " + value, Ref: "service/" + v.Name}}
	return f
}

// countBy counts the pods that a Service sends traffic to by where they are; pods without a place are left out.
func (s *facts) countBy(v *corev1.Service, place func(discoveryv1.Endpoint) string) map[string]int {
	counts := map[string]int{}
	for _, e := range s.endpointsOf(v) {
		ready := e.Conditions.Ready == nil || *e.Conditions.Ready
		if where := place(e); ready && where != "" {
			counts[where]++
		}
	}
	return counts
}

// zoneOf is the zone of an endpoint, or of its node.
func (s *facts) zoneOf(e discoveryv1.Endpoint) string {
	if zone := deref(e.Zone); zone != "" {
		return zone
	}
	for _, n := range s.Nodes {
		if n.Name == deref(e.NodeName) {
			return n.Labels[corev1.LabelTopologyZone]
		}
	}
	return ""
}

// uneven says how unequal numbers are when the largest is at least twice the smallest; empty when it is not.
func uneven(place string, counts map[string]int) string {
	if len(counts) < 2 {
		return ""
	}
	places := slices.Sorted(maps.Keys(counts))
	most, least := places[0], places[0]
	for _, p := range places {
		if counts[p] > counts[most] {
			most = p
		}
		if counts[p] < counts[least] {
			least = p
		}
	}
	if counts[most] < 2*counts[least] {
		return ""
	}
	times := float64(counts[most]) / float64(counts[least])
	return fmt.Sprintf("%s %s has %s and %s %s has %d: a pod of %s may get %.1f times as much as one of %s",
		place, most, plural(counts[most], "pod"), place, least, counts[least], least, times, most)
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}
