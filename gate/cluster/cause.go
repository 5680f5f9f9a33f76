package cluster

import (
	"bytes"
	"encoding/json"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// changeCause is the annotation that `kubectl rollout history` prints. Controllers copy it to each revision.
const changeCause = "kubernetes.io/change-cause"

// keepCause sends the cause of the last change along with a manifest that has none, so that to leave it out is no change.
// It tells whether the annotation is ours to write, and why it is not where somebody else has to know.
func (c *Client) keepCause(w *patch.Write) (ours bool, note string) {
	k, known := rollout.KindOf(w.Object.GroupVersionKind().GroupKind())
	if c.changeCause == "" || !known || !k.Replaces {
		return false, ""
	}
	if _, written := w.Sent.GetAnnotations()[changeCause]; written {
		return false, fmt.Sprintf("%s: %s stays as the manifest has it", w.Ref, changeCause)
	}
	if w.Before == nil {
		return true, ""
	}
	last, there := w.Before.GetAnnotations()[changeCause]
	if !there {
		return true, ""
	}
	if manager := c.causedBy(w.Before); manager != "" {
		return false, fmt.Sprintf("%s: %s stays, owned by %s", w.Ref, changeCause, manager)
	}
	annotate(w.Sent, last)
	return true, ""
}

// giveCause makes a write say why it is made.
func (c *Client) giveCause(w *patch.Write) {
	annotate(w.Sent, c.changeCause)
	if w.After != nil {
		annotate(w.After, c.changeCause)
	}
}

func annotate(u *unstructured.Unstructured, cause string) {
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[changeCause] = cause
	u.SetAnnotations(annotations)
}

// causedBy is the manager that owns the annotation of an object; empty when it is this one, or one that is taken over.
func (c *Client) causedBy(live *unstructured.Unstructured) string {
	owner := ""
	for _, m := range live.GetManagedFields() {
		if !ownsCause(m) {
			continue
		}
		if m.Manager == c.fieldManager || m.Operation == metav1.ManagedFieldsOperationUpdate && c.takenOver().Has(m.Manager) {
			continue
		}
		owner = m.Manager
	}
	return owner
}

func ownsCause(m metav1.ManagedFieldsEntry) bool {
	if m.Subresource != "" || m.FieldsV1 == nil || !bytes.Contains(m.FieldsV1.GetRawBytes(), []byte(changeCause)) {
		return false
	}
	var fields struct {
		Metadata struct {
			Annotations map[string]any `json:"f:annotations"`
		} `json:"f:metadata"`
	}
	if err := json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields); err != nil {
		return false
	}
	_, owned := fields.Metadata.Annotations["f:"+changeCause]
	return owned
}
