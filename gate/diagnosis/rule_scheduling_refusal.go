package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// unschedulable decodes the scheduler's refusal.
func (s *facts) unschedulable(p *corev1.Pod, c *corev1.PodCondition) Finding {
	r := messages.ParseUnschedulable(c.Message)
	if len(s.Nodes) < r.Nodes && s.Nodes != nil {
		part := *s // not all nodes were listed: what these have proves nothing
		part.Nodes = nil
		s = &part
	}
	most := r.Main()
	switch most.Code {
	case "", "PvcNotFound", "PvcDeleting", "PvcUnbound", "PvcLost", "WaitingPreemption":
		f := s.refusedBefore(p, r)
		f.Evidence = append([]Proof{scheduledProof(p, c)}, f.Evidence...)
		return f
	}
	f := s.on(p, s.placed(p, most.Code))
	f.Cause = fmt.Sprintf("no node takes the pod: %s", s.reasons(r))
	f.Evidence = []Proof{scheduledProof(p, c)}
	f.FirstSeen = c.LastTransitionTime.Time
	if f.Decides() && (!r.Fixed() || s.nodesRefused() && r.Cordoned()) {
		f.Terminal = TerminalTimeout // some nodes would take the pod if others left
	}
	s.sayRefusal(&f, p, r, c.Message)
	if messages.Apart(f.Code) || f.Code == "InsufficientResources" || f.Code == "RequestTooBig" {
		s.unread(&f)
	}
	s.autoscaler(&f, p)
	return f
}

// sayRefusal adds what is known beyond the scheduler's words.
func (s *facts) sayRefusal(f *Finding, p *corev1.Pod, r messages.Unschedulable, message string) {
	switch f.Code {
	case "InsufficientResources":
		s.sayInsufficient(f, p, r)
	case "NodeSelectorMismatch":
		s.sayLabels(f, p)
	case "UntoleratedTaint":
		s.sayTaints(f, p, message)
	case "PodAffinityUnsatisfied":
		f.FieldPath = s.podPath + ".affinity.podAffinity"
		f.Fix = []string{"check that pods with the labels of podAffinity run in the same topology"}
	case "PodAntiAffinityUnsatisfied", "TopologySpreadUnsatisfied", "HostPortConflict", "RwopInUse":
		s.sayConflict(f, p, r)
	case "NodesCordoned":
		s.sayCordoned(f, p)
	case "VolumeTopologyConflict":
		f.FieldPath = s.podPath + ".volumes"
		f.Fix = []string{"add a node where the volume is: kubectl get pv shows its nodeAffinity", "or delete the claim, if its data may go, and let it be made anew"}
	case "VolumeLimitReached", "CsiDriverMissing":
		f.FieldPath = s.podPath + ".volumes"
		f.Fix = []string{"look at the claims of the pod: kubectl get pvc,pv -n " + p.Namespace}
	case "DeviceClaimUnallocatable":
		f.FieldPath = s.podPath + ".resourceClaims"
		f.Fix = []string{"look at the claims and the devices: kubectl get resourceclaims -n " + p.Namespace + "; kubectl get resourceslices"}
	default:
		if strings.Contains(message, "required features") {
			f.Cause += "; the pod uses a feature that the kubelets of these nodes do not declare"
			f.Fix = []string{"upgrade the nodes, or do without the feature"}
		}
	}
}

// refusedBefore is about refusals that hold for all nodes at once.
func (s *facts) refusedBefore(p *corev1.Pod, r messages.Unschedulable) Finding {
	text := r.General
	if len(r.Clauses) > 0 {
		text = r.Main().Text
	}
	if claim := messages.MissingClaim(text); claim != "" {
		return s.claimNotFound(p, claim)
	}
	if claim := messages.DeletedClaim(text); claim != "" {
		return s.claimLeaving(p, claim)
	}
	code := messages.ClauseCode(text)
	f := s.on(p, code)
	f.Cause = "the pod cannot be scheduled: " + quote(text)
	switch code {
	case "PvcUnbound", "PvcLost":
		f.FieldPath = s.podPath + ".volumes"
		f.Cause = "a claim of the pod has no volume: " + quote(text)
		f.Fix = []string{"look at the claims' events: kubectl describe pvc -n " + p.Namespace}
		if strings.Contains(text, "enough free storage") || strings.Contains(text, "create the persistentvolumeclaim") {
			f.Terminal = TerminalTimeout
		} else if code == "PvcUnbound" {
			s.sayUnbound(&f, p)
		}
	case "NoNodes":
		f.Confidence = Proven
		f.Cause = "the cluster has no nodes"
		f.Fix = []string{"add a node"}
	case "WaitingPreemption":
		return s.preempting(p, nil)
	case "RwopInUse":
		s.sayConflict(&f, p, r)
	case "DeviceClaimUnallocatable":
		s.sayRefusal(&f, p, r, text)
	}
	if f.Decides() && code != "PvcUnbound" && code != "PvcLost" && code != "NodeSelectorMismatch" {
		f.Terminal = TerminalTimeout
	}
	s.autoscaler(&f, p)
	return f
}

// reasons puts the clauses into words, the most common first.
func (s *facts) reasons(r messages.Unschedulable) string {
	clauses := slices.Clone(r.Clauses)
	slices.SortStableFunc(clauses, func(a, b messages.Clause) int { return b.Nodes - a.Nodes })
	var words []string
	for _, c := range clauses {
		text := strings.TrimPrefix(c.Text, "node(s) ")
		text = strings.Replace(text, "Insufficient ", "have too little ", 1)
		text = strings.Replace(text, "Too many pods", "have as many pods as they may", 1)
		words = append(words, fmt.Sprintf("%d of %d %s", c.Nodes, r.Nodes, text))
	}
	return quote(strings.Join(words, ", "))
}
