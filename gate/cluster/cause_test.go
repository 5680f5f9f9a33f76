package cluster

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

func deploymentWith(annotations map[string]any, owners ...metav1.ManagedFieldsEntry) *unstructured.Unstructured {
	metadata := map[string]any{"name": "web", "namespace": "shop"}
	if annotations != nil {
		metadata["annotations"] = annotations
	}
	u := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}}
	u.SetManagedFields(owners)
	return u
}

func owner(manager string, operation metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: operation, FieldsV1: metav1.NewFieldsV1(fields)}
}

// TestKeepCause: what is there is sent along when it is ours, and nothing is sent when it is not.
func TestKeepCause(t *testing.T) {
	const owned = `{"f:metadata":{"f:annotations":{"f:kubernetes.io/change-cause":{}}}}`
	last := map[string]any{changeCause: "the last one"}
	for name, test := range map[string]struct {
		before *unstructured.Unstructured
		sent   map[string]any
		kind   string
		ours   bool
		sends  string
		note   string
	}{
		"new":         {ours: true},
		"no cause":    {before: deploymentWith(nil), ours: true},
		"ours":        {before: deploymentWith(last, owner("rolloutgate", metav1.ManagedFieldsOperationApply, owned)), ours: true, sends: "the last one"},
		"of an undo":  {before: deploymentWith(last, owner("rolloutgate-undo", metav1.ManagedFieldsOperationUpdate, owned)), ours: true, sends: "the last one"},
		"by kubectl":  {before: deploymentWith(last, owner(kubectlManager, metav1.ManagedFieldsOperationUpdate, owned)), ours: true, sends: "the last one"},
		"of another":  {before: deploymentWith(last, owner("argocd", metav1.ManagedFieldsOperationApply, owned)), note: "deployment/web: kubernetes.io/change-cause stays, owned by argocd"},
		"of both":     {before: deploymentWith(last, owner("rolloutgate", metav1.ManagedFieldsOperationApply, owned), owner("argocd", metav1.ManagedFieldsOperationApply, owned)), note: "deployment/web: kubernetes.io/change-cause stays, owned by argocd"},
		"of nobody":   {before: deploymentWith(last, owner("argocd", metav1.ManagedFieldsOperationApply, `{"f:spec":{"f:template":{"f:kubernetes.io/change-cause":{}}}}`)), ours: true, sends: "the last one"},
		"in manifest": {before: deploymentWith(last), sent: map[string]any{changeCause: "mine"}, sends: "mine", note: "deployment/web: kubernetes.io/change-cause stays as the manifest has it"},
		"no workload": {before: deploymentWith(last), kind: "ControllerRevision"},
	} {
		c := &Client{fieldManager: "rolloutgate", changeCause: "the next one"}
		w := &patch.Write{Before: test.before, Sent: deploymentWith(test.sent)}
		if test.kind != "" {
			w.Sent.SetKind(test.kind)
		}
		w.Object = manifest.Object{Unstructured: w.Sent}
		w.Ref = w.Object.Ref()
		ours, note := c.keepCause(w)
		if sends := w.Sent.GetAnnotations()[changeCause]; ours != test.ours || sends != test.sends || note != test.note {
			t.Errorf("%s: ours %t, sends %q, note %q", name, ours, sends, note)
		}
		if !ours {
			continue
		}
		w.After = deploymentWith(nil)
		c.giveCause(w)
		if w.Sent.GetAnnotations()[changeCause] != "the next one" || w.After.GetAnnotations()[changeCause] != "the next one" {
			t.Errorf("%s: %v, %v", name, w.Sent, w.After)
		}
	}
	c := &Client{fieldManager: "rolloutgate"}
	w := &patch.Write{Sent: deploymentWith(nil), Object: manifest.Object{Unstructured: deploymentWith(nil)}}
	if ours, note := c.keepCause(w); ours || note != "" {
		t.Error("a run without a cause gives one")
	}
}
