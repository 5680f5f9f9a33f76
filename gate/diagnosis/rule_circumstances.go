package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var ruleCircumstances = Rule{Family: "Circumstances", Causes: []Cause{
	{Code: "GitOpsManaged", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "Another tool keeps this workload as its source says (Argo CD, Flux, Helm), so what is changed here, an undo too, may be reverted within seconds.",
		Signals: "Labels and annotations of the live object (argocd.argoproj.io/tracking-id, kustomize.toolkit.fluxcd.io/name, helm.toolkit.fluxcd.io/name, meta.helm.sh/release-name) or the managers in its metadata.managedFields.",
		Remedy:  "Revert in the source of that tool, or take the workload out of its care; let only one of them write."},
	{Code: "AdmissionWarning", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "The API server took the object and warned about it; a warning about Pod Security foretells that the pods will be refused where the level is enforced.",
		Signals: "A Warning header of the answer to this run's write.",
		Remedy:  "Do what the warning says before it becomes an error."},
	{Code: "MutableTag", class: remark("run", LayerPod, ScopeSpec),
		Meaning: "The image's tag can mean another image tomorrow: pods of the same revision may run different code, and going back to the tag does not go back to the code.",
		Signals: "The digests in status.containerStatuses[].imageID of pods of one revision differ, or the image has the tag latest or none.",
		Remedy:  "Give each version a tag of its own that is never pushed again, or name the image by digest."},
	{Code: "SelectorOverlap", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "Pods of another workload match this workload's selector, so Services, autoscalers and people mistake one for the other.",
		Signals: "Pods that match spec.selector and whose controller is another object.",
		Remedy:  "Give each workload labels of its own; the selector of an existing one cannot be changed, so that takes a new name."},
	{Code: "UndoTargetUnproven", class: remark("controller", LayerWorkload, ScopeSpec),
		Meaning: "The version before this run was not in order either, so an undo goes back to something that is not known to work.",
		Signals: "The status of the workload as it was read before the first write: no pod available, or its last rollout not complete.",
		Remedy:  "Find the last version that worked in the history of the manifests and apply that."},
}}

// circumstances are what is around a workload and only worth telling when something is wrong: GitOpsManaged,
// AdmissionWarning, MutableTag, SelectorOverlap, UndoTargetUnproven, NoTemplateChange.
func (s *facts) circumstances(found []Finding) []Finding {
	if !slices.ContainsFunc(found, Finding.Blames) {
		return found
	}
	add := func(f Finding, ok bool) {
		if ok {
			found = append(found, f)
		}
	}
	add(s.noTemplateChange(found))
	add(s.keptByOthers())
	add(s.unproven())
	add(s.overlap())
	for _, text := range s.Warnings {
		f := s.finding("AdmissionWarning")
		f.Confidence, f.Cause = Proven, "the API server warned of "+s.w.Ref.String()+": "+quote(text)
		f.Evidence = []Proof{{Type: "status", Text: "Warning: " + quote(text), Ref: s.w.Ref.String()}}
		found = append(found, f)
	}
	return append(found, s.mutableTags()...)
}

// keptByOthers looks for a keeper in the object as it is and, as far as this run changed it, as it was written and before.
func (s *facts) keptByOthers() (Finding, bool) {
	k, ok := keeperOf(s.w.Live, managersOf(s.w.Live, s.w.Applied, s.Previous))
	if !ok || slices.Contains(k.row.managers, s.MadeBy) { // the tool itself has made this rollout
		return Finding{}, false
	}
	f := s.finding("GitOpsManaged")
	f.Detail, f.FieldPath = k.Tool, "metadata"
	f.Cause = fmt.Sprintf("%s manages %s too, and may revert what is changed here, an undo included", k, s.w.Ref)
	f.Evidence = []Proof{{Type: "object", Text: k.Proof, Ref: s.w.Ref.String()}}
	f.Fix = []string{"make the change in " + k.row.source + ", or take the workload out of the care of " + k.Tool}
	return f, true
}

// unproven reports a previous version that was not in order when this run began.
func (s *facts) unproven() (Finding, bool) {
	if s.Undoing || s.Previous == nil || len(s.changes()) == 0 {
		return Finding{}, false
	}
	state := ""
	wanted := rollout.Replicas(s.Previous)
	switch o := s.Previous.(type) {
	case *appsv1.Deployment:
		state = broken(o.Status.ObservedGeneration, wanted, o.Status.AvailableReplicas, o.Status.UpdatedReplicas)
	case *appsv1.StatefulSet:
		if u := o.Spec.UpdateStrategy.RollingUpdate; u != nil && u.Partition != nil {
			wanted -= *u.Partition // a part of it was old on purpose
		}
		state = broken(o.Status.ObservedGeneration, wanted, o.Status.AvailableReplicas, o.Status.UpdatedReplicas)
	case *appsv1.DaemonSet:
		state = broken(o.Status.ObservedGeneration, wanted, o.Status.NumberAvailable, o.Status.UpdatedNumberScheduled)
	}
	if state == "" {
		return Finding{}, false
	}
	f := s.finding("UndoTargetUnproven")
	f.Confidence = Proven
	f.Cause = "the version before this run was not in order either: " + state + "; an undo goes back to that"
	f.Evidence = []Proof{{Type: "status", Text: "before the first write: " + state, Ref: s.w.Ref.String()}}
	f.Fix = []string{"apply the last version that worked, from the history of the manifests"}
	return f, true
}

// broken says what was wrong with a workload: nothing of it served, or its last rollout had not come to its end. A status
// that no controller has written says nothing.
func broken(observed int64, wanted, available, updated int32) string {
	switch {
	case observed == 0:
		return ""
	case wanted > 0 && available == 0:
		return fmt.Sprintf("none of its %s was available", plural(int(wanted), "pod"))
	case updated < wanted:
		return fmt.Sprintf("its own rollout was not complete, %d of %s updated", updated, plural(int(wanted), "pod"))
	}
	return ""
}

// overlap names pods of somebody else that the selector takes in.
func (s *facts) overlap() (Finding, bool) {
	if len(s.foreign) == 0 {
		return Finding{}, false
	}
	var owners []string
	for _, p := range s.foreign {
		o := metav1.GetControllerOf(p)
		owners = union(owners, []string{strings.ToLower(o.Kind) + "/" + o.Name})
	}
	slices.Sort(owners)
	f := s.finding("SelectorOverlap")
	f.Confidence, f.FieldPath, f.Detail = Proven, "spec.selector", strings.Join(owners, ",")
	f.Cause = fmt.Sprintf("the selector of %s also matches %s of %s", s.w.Ref, plural(len(s.foreign), "pod"), list(owners))
	f.Evidence = []Proof{{Type: "object", Text: "matching pods of others: " + list(names(s.foreign)), Ref: s.w.Ref.String()}}
	f.Fix = []string{"give each workload a label of its own and select by it"}
	return f, true
}

// mutableTags looks at what the tags of the images came to.
func (s *facts) mutableTags() []Finding {
	if s.template == nil {
		return nil
	}
	var found []Finding
	for _, c := range s.template.Spec.Containers {
		if strings.Contains(c.Image, "@") {
			continue
		}
		digests := s.digests(c.Name)
		f := s.finding("MutableTag")
		f.Container, f.Detail = c.Name, c.Image
		f.FieldPath = fmt.Sprintf("%s.containers[name=%s].image", s.podPath, c.Name)
		f.Fix = []string{"name the image by digest, or by a tag that is never pushed again"}
		switch {
		case len(digests) > 1 && !s.manyArchitectures():
			f.Cause = fmt.Sprintf("pods of one revision run %d different images of %s: its tag was pushed again", len(digests), c.Image)
			for _, d := range digests {
				f.Evidence = append(f.Evidence, Proof{Type: "status", Text: d.digest, Ref: "pod/" + d.pod + " container " + c.Name})
			}
			if s.Undoing {
				s.drifted(&f, c.Image)
			}
			if s.Nodes == nil {
				f.Confidence = Suspected
				f.Cause += ", unless the nodes have several architectures"
			}
		case moving(c.Image):
			f.Cause = fmt.Sprintf("image %s has no fixed version, so another pull may bring other code", c.Image)
			f.Evidence = []Proof{{Type: "object", Text: "image: " + c.Image, Ref: s.w.Ref.String()}}
		default:
			continue
		}
		found = append(found, f)
	}
	return found
}

// moving reports whether an image has the tag latest, or none, which means the same.
func moving(image string) bool {
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, tagged := strings.Cut(name, ":")
	return name != "" && (!tagged || tag == "latest")
}

// digested is one digest and the first pod that runs it.
type digested struct{ digest, pod string }

// digests are those that the new pods run in a container of this name.
func (s *facts) digests(name string) []digested {
	var all []digested
	for _, p := range s.pods {
		for _, c := range p.Status.ContainerStatuses {
			_, digest, ok := strings.Cut(c.ImageID, "@")
			if c.Name == name && ok && !slices.ContainsFunc(all, func(d digested) bool { return d.digest == digest }) {
				all = append(all, digested{digest, p.Name})
			}
		}
	}
	slices.SortFunc(all, func(a, b digested) int { return cmp.Compare(a.pod, b.pod) })
	return all
}

// manyArchitectures reports whether the nodes differ so that one tag may rightly mean several images: some runtimes
// report the digest of the platform's manifest.
func (s *facts) manyArchitectures() bool {
	var all []string
	for _, n := range s.Nodes {
		all = union(all, []string{n.Labels[corev1.LabelArchStable]})
	}
	return len(all) > 1
}
