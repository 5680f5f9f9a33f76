package diagnosis

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

var ruleUndo = Rule{Family: "Undo", Causes: []Cause{
	{Code: "UndoImageGone", class: after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
		Meaning: "The undo is stuck because the image of the old version cannot be pulled any more: its tag was deleted, or the permission to read it.",
		Signals: "A pod of the undo fails to pull its image; Detail has the code of that failure.",
		Remedy:  "Push the old image again, or apply a version whose image exists; keep images for as long as a release may be undone."},
	{Code: "UndoImageDrift", class: remark("run", LayerPod, ScopeSpec),
		Meaning: "The tag of the old version was pushed again in between, so the undo brought back the name and not the code.",
		Signals: "Pods of the old version that stayed and those that the undo made have different digests in status.containerStatuses[].imageID.",
		Remedy:  "Find the old digest in the evidence and deploy by it; give each version a tag of its own."},
	{Code: "UndoBlocked", class: after("create", LayerCluster, ScopeEnv, 2, time.Minute),
		Meaning: "The undo is stuck because the old version's pods cannot be created or placed: quota, admission or capacity stands in the way of going back.",
		Signals: "A pod of the undo is refused or finds no node; Detail has the code of that failure.",
		Remedy:  "Do what that code asks for; often the pods of the new version hold what the old ones need, and scaling it down frees it."},
	{Code: "UndoConfigDrift", class: after("start", LayerPod, ScopeSpec, 1, 30*time.Second),
		Meaning: "The undo is stuck because the old version reads a ConfigMap, Secret or key that is not there any more.",
		Signals: "A pod of the undo misses configuration that its template names; Detail has the code of that failure.",
		Remedy:  "Restore the configuration of the old version; keep it for as long as a release may be undone, for example under names with a version."},
	{Code: "UndoPaused", class: atTimeout("controller", LayerWorkload, ScopeSpec),
		Meaning: "The undo put the old template back, but the Deployment is paused, as it was before this run or because somebody paused it, so the pods do not follow.",
		Signals: "spec.paused is true after the undo.",
		Remedy:  "Resume it with kubectl rollout resume."},
	{Code: "UndoRevertedByController", class: now("controller", LayerWorkload, ScopeSpec),
		Meaning: "The undo went through, and then another tool changed the pod template again: a GitOps controller, an operator or another deploy.",
		Signals: "The live pod template differs from the one that the undo restored; metadata.managedFields names the writer.",
		Remedy:  "Revert in the source of that tool; until then it brings the bad version back each time."},
}}

// undoWords are how the headline of an undo begins, by its code.
var undoWords = map[string]string{
	"UndoRevertedByController": "the undo did not last: ",
	"UndoPaused":               "the undo is stuck, the old template is back but nothing rolls: ",
	"UndoConfigDrift":          "the undo is stuck, the old version misses its configuration: ",
	"UndoBlocked":              "the undo is stuck, the old version's pods cannot be made: ",
	"UndoImageGone":            "the undo is stuck, the old version's image cannot be had: ",
}

// undoing puts in front what the first cause means for an undo. The cause itself stays next to it.
func (s *facts) undoing(found []Finding) []Finding {
	if !s.Undoing || len(found) == 0 || !found[0].Blames() {
		return found
	}
	code := s.catalogue.cause(found[0].Code).InUndo
	if code == "" {
		return found
	}
	headline := found[0]
	headline.Code, headline.Detail, headline.entry = code, found[0].Code, s.catalogue.cause(code)
	headline.Cause = undoWords[code] + strings.TrimPrefix(found[0].Cause, "no new pods can be created: ")
	headline.Evidence, headline.Fix = slices.Clone(found[0].Evidence), slices.Clone(found[0].Fix)
	headline.Suppresses = nil
	switch code {
	case "UndoRevertedByController":
		headline.Fix = []string{"revert in the source of whoever wrote it; until then the undo will not last"}
	case "UndoImageGone":
		headline.Fix = append([]string{"push the old image again (a registry's clean-up may have removed it), or apply a version whose image exists"}, headline.Fix...)
	case "UndoConfigDrift":
		headline.Fix = append([]string{"restore the configuration as it was when the old version ran"}, headline.Fix...)
	}
	return append([]Finding{headline}, found...)
}

// drifted is a tag that came to mean something else while the new version was tried.
func (s *facts) drifted(f *Finding, image string) {
	s.become(f, "UndoImageDrift")
	f.Cause = fmt.Sprintf("the undo brought back the name %s and not the code: pods that stayed and pods that it made run different images", image)
	f.Fix = []string{"deploy the old digest from the evidence", "give each version a tag that is never pushed again"}
}
