package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// tooMany proves that the replicas can never all run, whoever leaves and whether or not the first ones come up: each of
// them needs something that only one pod at a time can have, and there is less of it than replicas.
func (s *facts) tooMany(f *Finding, p *corev1.Pod) bool {
	wanted := s.fixedReplicas()
	if wanted < 2 {
		return false
	}
	if claim := s.onePodClaim(); claim != "" && f.Code == "RwopInUse" {
		f.Detail, f.FieldPath = claim, s.volumeField(p, claim)
		s.never(f, fmt.Sprintf("%d replicas share claim %s, which one pod at a time may use (ReadWriteOncePod)", wanted, claim),
			"set replicas to 1, or use access mode ReadWriteOnce or ReadWriteMany")
		return true
	}
	why := ownNode(p)
	nodes := s.possible(p)
	if why == "" || s.Nodes == nil || len(nodes) == 0 || len(nodes) >= wanted {
		return false
	}
	s.never(f, fmt.Sprintf("%d replicas need a node each (%s), and only %s may take them: %s", wanted, why, plural(len(nodes), "node"), list(nodes)),
		fmt.Sprintf("set replicas to %d, or let more nodes take the pods", len(nodes)))
	return true
}

// never makes a finding one that arithmetic proves and nothing but another manifest or another cluster heals.
func (s *facts) never(f *Finding, proof, fix string) {
	f.Terminal, f.After, f.Confidence = TerminalDeadlock, proofStands, Proven
	f.Cause += "; " + proof + ", so they can never all run"
	f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: proof})
	f.Fix = append([]string{fix}, f.Fix...)
}

// fixedReplicas is how many pods of the new version there have to be in the end; 0 where that is no fixed number: an
// autoscaler may settle for fewer.
func (s *facts) fixedReplicas() int {
	if s.scaler() != nil {
		return 0
	}
	switch o := s.w.Live.(type) {
	case *appsv1.Deployment, *appsv1.ReplicaSet:
		return int(rollout.Replicas(o))
	case *appsv1.StatefulSet:
		if u := o.Spec.UpdateStrategy.RollingUpdate; u != nil && u.Partition != nil {
			return int(rollout.Replicas(o) - *u.Partition)
		}
		return int(rollout.Replicas(o))
	}
	return 0
}

// ownNode says why two pods like this one can never share a node; empty when they can.
func ownNode(p *corev1.Pod) string {
	for _, c := range p.Spec.Containers {
		for _, port := range c.Ports {
			if port.HostPort != 0 {
				return fmt.Sprintf("host port %d", port.HostPort)
			}
		}
	}
	if keepsAway(p, p) {
		return "anti-affinity to themselves"
	}
	return ""
}

// possible are the nodes that may take a pod like this one now or after a while: a cordoned node counts, and so does one
// with a taint that passes.
func (s *facts) possible(p *corev1.Pod) []string {
	var names []string
	for _, n := range s.matching(p) {
		if !slices.ContainsFunc(untolerated(p, n), func(t corev1.Taint) bool { return !passes(t.Key) }) {
			names = append(names, n.Name)
		}
	}
	return names
}

// onePodClaim is a claim in the template, which all replicas share, that only one pod at a time may use.
func (s *facts) onePodClaim() string {
	if s.template == nil {
		return ""
	}
	for _, v := range s.template.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		for _, c := range s.Claims {
			if c.Name == v.PersistentVolumeClaim.ClaimName && strings.Contains(fmt.Sprint(c.Spec.AccessModes), string(corev1.ReadWriteOncePod)) {
				return c.Name
			}
		}
	}
	return ""
}
