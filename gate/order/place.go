package order

import (
	"cmp"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// phase is a part of a run, in Helm's and Argo CD's sense.
type phase int

const (
	before phase = iota // pre-install, pre-upgrade, PreSync
	main                // what is no hook, and Sync
	after               // post-install, post-upgrade, PostSync
	test
)

// placed is an object and its place in the run: phase, then number, then level.
type placed struct {
	Object
	phase  phase
	number int // a stage, a wave or a hook weight: one axis, as Argo CD has it for the last two
	level  int // by kapp's rules, among objects of the same phase and number
	// until is the last phase that needs the object.
	until phase
	// label names the place in the name of the group: "pre-upgrade", "wave", "stage".
	label string
	// fixed: our own annotation has decided, nothing else moves the object.
	fixed bool
	// helm: placed as a Helm hook. Helm waits for one hook after the other, also for those of one weight.
	helm bool
}

// compare orders by phase and number alone: what annotations say outright.
func compare(a, b placed) int {
	return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.number, b.number))
}

// place finds the place of an object from its own annotations. If this run has none for it, why says so.
func place(object manifest.Object, o Options) (p placed, why string, err error) {
	p = placed{Object: Object{Object: object, read: len(object.Notes)}, phase: main, until: main}
	h, err := hookOf(object)
	if err != nil {
		return p, "", err
	}
	stage, staged, err := number(object, StageAnnotation)
	if err != nil {
		return p, "", err
	}
	switch moments := h.moments(o); {
	case staged:
		p.number, p.label, p.fixed = stage, "stage", true
	case h.isHook() && len(moments) == 0:
		return p, h.why(), nil
	case h.isHook():
		if err := h.once(moments); err != nil {
			return p, "", err
		}
		p.phase, p.until = moments[0].phase, moments[len(moments)-1].phase
		p.label, p.helm = moments[0].name, h.tool.name == helm.name
	}
	if !staged {
		if err := p.setWave(h.isHook()); err != nil {
			return p, "", err
		}
	}
	if h.isHook() {
		p.Hook = true
		if err := p.setPolicies(); err != nil {
			return p, "", err
		}
	}
	return p, "", p.checkName()
}

// setWave reads the wave. A hook without one has Helm's weight for it, as in Argo CD (gitops-engine,
// pkg/sync/syncwaves/waves.go). On what is no hook a weight says nothing to Helm.
func (p *placed) setWave(isHook bool) error {
	wave, found, err := number(p.Object.Object, "argocd.argoproj.io/sync-wave")
	if err == nil && !found && isHook {
		wave, _, err = number(p.Object.Object, "helm.sh/hook-weight")
	}
	p.number = wave
	if p.phase == main {
		p.label = "wave"
	}
	return err
}

// checkName refuses an ordinary object without a name of its own: a run must be able to find and undo what it applied.
func (p *placed) checkName() error {
	switch {
	case p.GetName() != "":
		return nil
	case p.Hook && p.GetGenerateName() != "":
		return nil
	case p.GetGenerateName() != "":
		return failAt(p.Object.Object, "metadata.generateName", "write a fixed metadata.name; only hooks may have a generated one",
			"%s has no name but a metadata.generateName", named(p.Object.Object))
	}
	return failAt(p.Object.Object, "metadata", "", "metadata.name is missing")
}

// bringForward moves a Namespace to the first object in it, and a CustomResourceDefinition to the first of its objects:
// without them those could not be written. Argo CD does the same (gitops-engine, pkg/sync/sync_tasks.go, adjustDeps).
func bringForward(all []placed) {
	for i := range all {
		if all[i].fixed {
			continue
		}
		for _, other := range all {
			if needs(other.Object.Object, all[i].Object.Object) && compare(other, all[i]) < 0 {
				all[i].phase, all[i].number, all[i].label = other.phase, other.number, other.label
			}
		}
	}
}

// needs says whether an object cannot be written before another one.
func needs(object, other manifest.Object) bool {
	switch ref := other.Ref(); ref.GroupKind().String() {
	case "Namespace":
		return object.GetNamespace() == ref.Name
	case "CustomResourceDefinition.apiextensions.k8s.io":
		group, _, _ := unstructured.NestedString(other.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(other.Object, "spec", "names", "kind")
		own := object.GroupVersionKind()
		return own.Group == group && own.Kind == kind
	}
	return false
}

// RunsOnce says whether an object does its work once and is then finished: a Job, a Pod, and perhaps a custom resource,
// such as a Workflow. All else of Kubernetes itself stays and serves.
func RunsOnce(o manifest.Object) bool {
	group := o.GroupVersionKind().Group
	ofKubernetes := !strings.Contains(group, ".") || strings.HasSuffix(group, ".k8s.io") // others may not be named like that
	return helmWaits(o) || !ofKubernetes
}
