package diagnosis

import (
	"fmt"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

var ruleServicePin = Rule{Family: "Services", Find: explainPins, Causes: []Cause{
	{Code: "ServicePinned", class: remark("traffic", LayerService, ScopeEnv),
		Meaning: "A Service sends traffic to the pods of another revision alone: a blue/green release that did not come to its end has pinned it. The new pods get ready and are asked by nobody, and when the pods of that revision are gone, nobody answers.",
		Signals: "The Service's spec.selector has pod-template-hash with the value of a revision that is not the one being rolled out, and without that key it selects the new pods. Stages that pin Services themselves, and undos, are left alone.",
		Remedy:  "Finish the run that has pinned it: `rolloutgate undo` or `resume`, `rolloutgate history` lists the runs. If it is not on record any more, remove the key from the selector."},
}}

// explainPins notices Services that are still pinned to another revision: ServicePinned.
func explainPins(s *facts) []Finding {
	var found []Finding
	for _, v := range s.services() {
		hash, elsewhere := s.pinnedElsewhere(v)
		if !elsewhere || s.template == nil || s.w.Goal > 0 || s.Undoing || s.Status.Desired == 0 {
			continue
		}
		f := s.about(v, "ServicePinned", "spec.selector."+appsv1.DefaultDeploymentUniqueLabelKey)
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("service %s sends no traffic to the new pods: it is pinned to revision %s by a release that did not come to its end", v.Name, hash)
		f.Evidence = []Proof{{Type: "object", Text: fmt.Sprintf("spec.selector has pod-template-hash=%s, and the new pods have %s", hash, s.Status.Revision), Ref: "service/" + v.Name}}
		f.Fix = []string{
			"finish the run that has pinned it: rolloutgate undo, or rolloutgate resume; rolloutgate history lists the runs",
			fmt.Sprintf("if it is not on record any more: kubectl patch service %s -n %s --type json -p '[{\"op\":\"remove\",\"path\":\"/spec/selector/pod-template-hash\"}]'", v.Name, v.Namespace),
		}
		found = append(found, f)
	}
	return found
}

// pinnedElsewhere is the revision to whose pods alone a Service sends traffic that would select the new ones otherwise;
// false when it sends traffic to these, or is none of theirs.
func (s *facts) pinnedElsewhere(v *corev1.Service) (hash string, elsewhere bool) {
	hash, pinned := v.Spec.Selector[appsv1.DefaultDeploymentUniqueLabelKey]
	if !pinned || s.Status.Revision == "" || hash == s.Status.Revision {
		return hash, false
	}
	return hash, selects(unpinned(v.Spec.Selector), s.labels())
}

// unpinned is a selector without the revision to which it may be pinned.
func unpinned(selector map[string]string) map[string]string {
	rest := maps.Clone(selector)
	delete(rest, appsv1.DefaultDeploymentUniqueLabelKey)
	return rest
}
