package gate

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// restartedAt is the annotation that `kubectl rollout restart` sets. Its own field manager sets it here, too: the next
// apply of the manifest does not name the annotation, and must neither remove it nor roll once more because of that.
const (
	restartedAt    = "kubectl.kubernetes.io/restartedAt"
	restartManager = "kubectl-rollout"
)

// restarts makes writes of the workloads of a plan that would stay as they are although they read a ConfigMap or Secret
// that the plan changes: new pods read it anew. Everything else about such a write is like any other's; it is watched,
// judged and taken back.
func restarts(p patch.Plan, changed []diagnosis.Changed, at time.Time) patch.Plan {
	for i := range p.Writes {
		w := &p.Writes[i]
		if w.Action != patch.Unchanged || !reads(w.Before, changed) {
			continue
		}
		w.Action, w.Manager, w.Added = patch.Configured, restartManager, true
		w.Sent = &unstructured.Unstructured{Object: map[string]any{}}
		w.Sent.SetGroupVersionKind(w.Before.GroupVersionKind())
		w.Sent.SetNamespace(w.Before.GetNamespace())
		w.Sent.SetName(w.Before.GetName())
		stamp := at.UTC().Format(time.RFC3339)
		path := []string{"spec", "template", "metadata", "annotations", restartedAt}
		_ = unstructured.SetNestedField(w.Sent.Object, stamp, path...) // every parent is a map or new
		w.After = w.Before.DeepCopy()
		_ = unstructured.SetNestedField(w.After.Object, stamp, path...)
	}
	return p
}

// reads tells whether the pods of a workload read one of the changed objects in a way that only a restart renews.
func reads(live *unstructured.Unstructured, changed []diagnosis.Changed) bool {
	template := rollout.PodTemplate(rollout.Typed(live))
	if template == nil {
		return false
	}
	for _, c := range changed {
		if c.Object.Namespace == live.GetNamespace() && diagnosis.Reads(template, c.Object) {
			return true
		}
	}
	return false
}
