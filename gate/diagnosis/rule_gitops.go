package diagnosis

import (
	"fmt"
	"strings"
)

var ruleGitOps = Rule{Family: "GitOps", Causes: []Cause{
	{Code: "OwnedByGitOps", class: now("controller", LayerWorkload, ScopeSpec), By: byGitOps,
		Meaning: "The objects belong to a GitOps tool (Argo CD, Flux), which would put back what a run writes, and fight its undo; nothing was changed.",
		Signals: "Labels and annotations of the live object and of what owns it (argocd.argoproj.io/tracking-id, argocd.argoproj.io/instance, kustomize.toolkit.fluxcd.io/name, helm.toolkit.fluxcd.io/name), and the managers in its metadata.managedFields.",
		Remedy:  "Deploy by the repository of that tool, and gate what it rolls out with rolloutgate watch; or suspend it first, and run with --gitops=warn."},
	{Code: "AwaitedImageMissing", class: now("controller", LayerWorkload, ScopeSpec), By: byAwaited,
		Meaning: "A watch was to wait for a version, and it has not come in time: the pod template does not name the image. Nothing was judged.",
		Signals: "The images in the pod template of the live object, or that there is no such object.",
		Remedy:  "Look why the tool that deploys has not done so, and whether --for-image names the image as the manifests do."},
}}

var (
	byGitOps = Decision{
		When: "refuses the run before its first write",
		Rule: "what a GitOps tool keeps is deployed by its source",
		Knob: "--gitops=warn", NoFlags: true,
	}
	byAwaited = Decision{
		When: "ends the watch undecided when its time is up",
		Rule: "a watch with --for-image judges nothing before the image is there",
		Knob: "--for-image and --timeout", NoFlags: true,
	}
)

// OwnedByGitOps says that objects, which have one keeper, are not to be written. Watch is the command that gates what the
// keeper rolls out; empty when none of them has a rollout.
func OwnedByGitOps(objects []Kept, watch string) Finding {
	first := objects[0]
	f := ofDecision("OwnedByGitOps")
	f.Object, f.Workload, f.Detail, f.FieldPath = Subject{Ref: first.Object}, first.Object, first.Keeper.String(), "metadata"
	text := first.String()
	if more := len(objects) - 1; more > 0 {
		text = fmt.Sprintf("%s, and so %s", text, plurally(more, "does", "do")+" "+plural(more, "more object"))
	}
	f.Cause = text + ": it would put back what is written here, and fight the undo"
	for _, o := range objects[:min(len(objects), 5)] {
		at := o.Object
		if o.Through.Name != "" {
			at = o.Through
		}
		f.Evidence = append(f.Evidence, Proof{Type: "object", Text: o.Keeper.Proof, Ref: at.String()})
	}
	deploy := "make the change in " + first.Keeper.row.source
	if watch != "" {
		deploy += ", and gate what comes of it: " + watch
	}
	f.Fix = []string{deploy}
	if command := first.Keeper.Suspend(); command != "" {
		f.Fix = append(f.Fix, "or suspend it first ("+command+"), and run with --gitops=warn")
	} else {
		f.Fix = append(f.Fix, "or suspend it first, and run with --gitops=warn")
	}
	return f
}

// AwaitedImageMissing says that images have not come to a workload in time. Found are those that its pod template has, or
// nil when it is not there; keeper is who is to bring them, as far as that is known.
func AwaitedImageMissing(object Subject, awaited, found []string, keeper string) Finding {
	f := ofDecision("AwaitedImageMissing")
	f.Object, f.Workload, f.Detail = object, object.Ref, strings.Join(awaited, ",")
	has := "its pod template has " + list(found)
	if found == nil {
		has = "it is not there"
	}
	f.Cause = fmt.Sprintf("%s has not come to %s in time: %s", list(awaited), object.Ref, has)
	f.Evidence = []Proof{{Type: "object", Text: has, Ref: object.Ref.String()}}
	if keeper != "" {
		f.Fix = append(f.Fix, "look at "+keeper+": has it seen the change, and was it applied?")
	} else {
		f.Fix = append(f.Fix, "look at the tool that deploys: has it seen the change, and was it applied?")
	}
	f.Fix = append(f.Fix, "compare the image with that in the manifests: registry, name, tag and digest have to be the same", "wait for longer: --timeout")
	return f
}

// ofDecision starts a finding of a cause that decides by a Decision of its own.
func ofDecision(code string) Finding {
	cause := standard.cause(code)
	return Finding{
		Code: code, Layer: cause.layer, Scope: cause.scope, Stage: cause.Stage(), Confidence: Proven, Terminal: cause.terminal, Count: 1,
		Rule: cause.By.Rule, Knob: cause.By.Knob, entry: cause,
	}
}

func plurally(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
