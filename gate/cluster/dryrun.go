package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// kubectlManager is the field manager of `kubectl apply` without --server-side. It owns its fields by Update, so a
// server-side apply next to it would add to its fields where the user means to replace them.
const kubectlManager = "kubectl-client-side-apply"

func kubectlManagers() sets.Set[string] { return sets.New(kubectlManager) }

// takenOverBy tells whether `kubectl apply` (client-side) owns fields of the object.
func takenOverBy(live *unstructured.Unstructured) bool {
	for _, m := range live.GetManagedFields() {
		if m.Manager == kubectlManager && m.Operation == metav1.ManagedFieldsOperationUpdate && m.Subresource == "" {
			return true
		}
	}
	return false
}

// owns tells whether our manager owns the field by an earlier apply; path is in the form of managed fields (f:spec).
func (c *Client) owns(live *unstructured.Unstructured, path ...string) bool {
	for _, m := range live.GetManagedFields() {
		if m.Manager != c.fieldManager || m.Operation != metav1.ManagedFieldsOperationApply || m.FieldsV1 == nil {
			continue
		}
		var fields map[string]any
		if json.Unmarshal(m.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, found, _ := unstructured.NestedFieldNoCopy(fields, path...); found {
			return true
		}
	}
	return false
}

// dryRun asks the API server what the object would become. Schema, admission, quota of the object itself, immutable
// fields and field ownership are all checked by it.
func (c *Client) dryRun(ctx context.Context, w *patch.Write) (*unstructured.Unstructured, error) {
	predicted, err := c.patch(ctx, w, w.Sent, true)
	if w.Before == nil || !takenOverBy(w.Before) {
		return predicted, err
	}
	if err = withoutConflicts(err, kubectlManager); err != nil {
		return nil, err
	}
	return c.dryRunTakeOver(ctx, w)
}

// patch sends one server-side apply.
func (c *Client) patch(ctx context.Context, w *patch.Write, body *unstructured.Unstructured, dryRun bool) (*unstructured.Unstructured, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, &localError{fmt.Errorf("encoding %s: %w", w.Ref, err)}
	}
	o := metav1.PatchOptions{FieldManager: c.fieldManager, Force: &c.force, FieldValidation: metav1.FieldValidationStrict}
	if dryRun {
		o.DryRun = []string{metav1.DryRunAll}
	}
	return c.of(w).Patch(ctx, w.Ref.Name, types.ApplyPatchType, data, o)
}

// withoutConflicts drops the conflicts with one manager from an apply's error; nil when nothing else is left.
func withoutConflicts(err error, manager string) error {
	status, ok := err.(*apierrors.StatusError)
	if !ok || !apierrors.IsConflict(err) || status.ErrStatus.Details == nil {
		return err
	}
	kept := []metav1.StatusCause{}
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			return err
		}
		if !strings.Contains(cause.Message, `"`+manager+`"`) {
			kept = append(kept, cause)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	out := status.ErrStatus.DeepCopy()
	out.Details.Causes = kept
	return &apierrors.StatusError{ErrStatus: *out}
}

// dryRunTakeOver predicts an apply that first takes the ownership of kubectl's fields over. The API server cannot try
// two writes in a row, so the three-way merge that kubectl itself would make stands in for them: it removes what
// kubectl applied before and the manifest no longer has.
func (c *Client) dryRunTakeOver(ctx context.Context, w *patch.Write) (*unstructured.Unstructured, error) {
	original := []byte(w.Before.GetAnnotations()[patch.LastApplied])
	if len(original) == 0 {
		original = []byte("{}")
	}
	modified, err := json.Marshal(w.Sent)
	if err != nil {
		return nil, &localError{fmt.Errorf("encoding %s: %w", w.Ref, err)}
	}
	current, err := json.Marshal(w.Before)
	if err != nil {
		return nil, &localError{fmt.Errorf("encoding the live %s: %w", w.Ref, err)}
	}
	kind, data, err := threeWay(w.Before, original, modified, current)
	if err != nil {
		return nil, &localError{fmt.Errorf("comparing %s with what kubectl applied: %w", w.Ref, err)}
	}
	return c.of(w).Patch(ctx, w.Ref.Name, kind, data, metav1.PatchOptions{
		FieldManager: kubectlManager, DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict,
	})
}

func threeWay(live *unstructured.Unstructured, original, modified, current []byte) (types.PatchType, []byte, error) {
	typed, err := scheme.Scheme.New(live.GroupVersionKind())
	if runtime.IsNotRegisteredError(err) {
		data, err := jsonmergepatch.CreateThreeWayJSONMergePatch(original, modified, current)
		return types.MergePatchType, data, err
	}
	if err != nil {
		return "", nil, err
	}
	schema, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return "", nil, err
	}
	data, err := strategicpatch.CreateThreeWayMergePatch(original, modified, current, schema, true)
	return types.StrategicMergePatchType, data, err
}
