package diagnosis

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleUnexplained = Rule{Family: "Unexplained", Causes: []Cause{
	{Code: "NotReady", class: atTimeout("probe", LayerPod, ScopeApp),
		ReadsLogs: true,
		Meaning:   "A new pod is not ready, and nothing that was read says why.",
		Signals:   "The pod's condition Ready is not True when the time is up, and no other rule found a cause; the evidence lists what was looked at and is well.",
		Remedy:    "Describe the pod and look at what the list leaves out; what could not be read is named there too."},
	{Code: "Unexplained", class: atTimeout("symptom", LayerWorkload, ScopeApp),
		Meaning: "The rollout did not finish in time, and nothing that was read says why.",
		Signals: "No rule found a cause when the time was up; the conditions of the object itself are quoted where they say that something is bad.",
		Remedy:  "Describe the object and look at what the list of evidence leaves out; grant the rights to read what it says could not be read."},
}}

// unexplained is the last resort when the time is up: NotReady for pods that nothing is known to be wrong with, else
// Unexplained with what the object itself says. Both list what was looked at and is well.
func (s *facts) unexplained() []Finding {
	if s.Status.Phase == rollout.Complete {
		return nil
	}
	if len(explainOwn(s)) > 0 {
		return nil // its own expressions say what is missing
	}
	checked := s.checked()
	var found []Finding
	for _, p := range s.pods {
		if rollout.IsReady(p) {
			continue
		}
		f := s.on(p, "NotReady")
		f.Confidence = Suspected
		f.Cause = fmt.Sprintf("pod %s is not ready%s, and nothing says why: %s", p.Name, s.timeout(), podState(p))
		f.Evidence = append([]Proof{{Type: "status", Text: podState(p), Ref: podRef(p).String()}}, checked...)
		f.Fix = []string{"kubectl describe pod -n " + p.Namespace + " " + p.Name}
		found = append(found, f)
	}
	if len(found) > 0 {
		return merge(found)
	}
	f := s.finding("Unexplained")
	f.Confidence = Suspected
	what := "no pod-level reason found"
	if bad := badConditions(s.w.Live); bad != "" {
		what = bad
		f.Confidence = Likely
	} else if s.Status.Message != "" {
		what += "; " + s.Status.Message
	}
	f.Cause = fmt.Sprintf("%s did not become ready in time%s: %s", s.w.Ref, s.timeout(), what)
	f.Evidence = checked
	f.Fix = []string{"kubectl describe " + strings.ToLower(s.w.Ref.Kind) + " -n " + s.w.Ref.Namespace + " " + s.w.Ref.Name}
	return []Finding{f}
}

// checked lists what was looked at, what of it is well, and what could not be read.
func (s *facts) checked() []Proof {
	warnings := 0
	for _, list := range s.events {
		for _, e := range list {
			if e.Warning {
				warnings++
			}
		}
	}
	looked := fmt.Sprintf("looked at %s, %s (%s) and %s", plural(len(s.pods), "new pod"), plural(len(s.Events), "event"), plural(warnings, "warning"), plural(len(s.Logs), "log"))
	if len(s.Unreadable) > 0 {
		looked += "; could not read " + strings.Join(s.Unreadable, ", ")
	}
	proofs := []Proof{{Type: "object", Text: looked, Ref: s.w.Ref.String()}}
	if well := s.well(); len(well) > 0 {
		proofs = append(proofs, Proof{Type: "object", Text: "well: " + strings.Join(well, "; "), Ref: s.w.Ref.String()})
	}
	return proofs
}

// well lists the stages of a pod's life that every new pod passed.
func (s *facts) well() []string {
	if len(s.pods) == 0 {
		return nil
	}
	var scheduled, running, ready, all int
	restarts := int32(0)
	for _, p := range s.pods {
		if p.Spec.NodeName != "" {
			scheduled++
		}
	}
	for _, c := range s.containers {
		if c.initial && !c.sidecar {
			continue
		}
		all++
		restarts += c.status.RestartCount
		if c.status.State.Running != nil {
			running++
		}
		if c.status.Ready {
			ready++
		}
	}
	var texts []string
	say := func(passed bool, text string) {
		if passed {
			texts = append(texts, text)
		}
	}
	say(scheduled == len(s.pods), "every new pod has a node")
	say(s.Nodes != nil && scheduled > 0 && len(s.sickNodesOf()) == 0, "their nodes are ready")
	say(all > 0 && running == all, "every container runs")
	say(all > 0 && ready == all, "every container is ready")
	say(running > 0 && restarts == 0, "none restarted")
	return texts
}

// sickNodesOf are the nodes of new pods that are not ready.
func (s *facts) sickNodesOf() []string {
	var sick []string
	for _, n := range s.Nodes {
		used := slices.ContainsFunc(s.pods, func(p *corev1.Pod) bool { return p.Spec.NodeName == n.Name })
		ready := slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		if used && !ready {
			sick = append(sick, n.Name)
		}
	}
	return sick
}

// podState is one line about a pod.
func podState(p *corev1.Pod) string {
	text := "phase " + string(p.Status.Phase)
	for _, c := range p.Status.Conditions {
		if c.Status != corev1.ConditionTrue && c.Message != "" {
			text += ", " + string(c.Type) + "=" + string(c.Status) + ": " + quote(c.Message)
		}
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if c.State.Waiting != nil {
			text += ", container " + c.Name + " waits: " + c.State.Waiting.Reason
		}
	}
	return text
}

// badConditions are the conditions of an object that say that it is not well, as most controllers write them.
func badConditions(live rollout.Object) string {
	if live == nil {
		return ""
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(live)
	if err != nil {
		return ""
	}
	status, _ := fields["status"].(map[string]any)
	conditions, _ := status["conditions"].([]any)
	var words []string
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		kind, _ := m["type"].(string)
		value, _ := m["status"].(string)
		message, _ := m["message"].(string)
		good := map[string]bool{"Ready": true, "Available": true, "Established": true, "NamesAccepted": true, "Accepted": true, "Programmed": true}[kind]
		bad := map[string]bool{"Stalled": true, "Failed": true, "Degraded": true}[kind]
		if good && value == "False" || bad && value == "True" {
			words = append(words, fmt.Sprintf("%s=%s: %s", kind, value, quote(message)))
		}
	}
	return strings.Join(words, "; ")
}
