package criteria

import (
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// HasPods reports whether criteria can be about the pods of an object: it has pods of its own, and they serve. Those of
// a Job end.
func HasPods(ref manifest.Ref) bool { return rollout.HasPods(ref.GroupKind()) }

// withPods are the workloads whose pods criteria can be about.
func withPods(workloads []rollout.Workload) []rollout.Workload {
	var out []rollout.Workload
	for _, w := range workloads {
		if HasPods(w.Ref) {
			out = append(out, w)
		}
	}
	return out
}

// allVersions is a pattern for the names of all pods that these workloads ever had.
func allVersions(workloads []rollout.Workload) string {
	var parts []string
	for _, w := range workloads {
		if pattern := rollout.PodNames(w.Ref); pattern != "" {
			parts = append(parts, pattern)
		}
	}
	return strings.Join(parts, "|")
}

// describe fills the variables that describe one workload.
func describe(vars *analysis.Vars, w rollout.Workload, s rollout.Status) {
	vars.Kind, vars.Workload, vars.Revision = w.Ref.Kind, w.Ref.Name, s.Revision
	vars.NewHash, vars.OldHash = s.Revision, s.PreviousRevision
	if w.Ref.Kind == "Deployment" {
		if s.Revision != "" {
			vars.NewReplicaSet = w.Ref.Name + "-" + s.Revision
		}
		if s.PreviousRevision != "" {
			vars.OldReplicaSet = w.Ref.Name + "-" + s.PreviousRevision
		}
	}
	object := w.Live
	if object == nil {
		object = w.Applied
	}
	if template := rollout.PodTemplate(object); template != nil && len(template.Spec.Containers) > 0 {
		c := template.Spec.Containers[0]
		vars.Container, vars.Image = c.Name, c.Image
		name, _, _ := strings.Cut(c.Image, "@")
		if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
			vars.ImageTag = name[i+1:]
		}
	}
}
