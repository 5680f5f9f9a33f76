package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// dryRun asks the API server what the object would become, and sets After. Schema, admission, quota of the object
// itself, immutable fields and field ownership are all checked by it. It sets Merge when an apply alone is refused for
// what the API server has put in the way itself.
func (c *Client) dryRun(ctx context.Context, w *patch.Write) error {
	predicted, err := c.patch(ctx, w, w.Sent, true)
	if w.Before == nil {
		w.After = predicted
		return err
	}
	owners, prepare, ownersErr := c.prepared(w.Before, w.Sent)
	if ownersErr != nil {
		return ownersErr
	}
	switch {
	case !prepare && apierrors.IsInvalid(err):
		return c.dryRunMerge(ctx, w, owners, err)
	case !prepare:
		w.After = predicted
		return err
	}
	// The API server has judged an apply with today's owners: what it says of them and of the result does not count.
	if err = withoutConflicts(err, c.takenOver()); err != nil && !apierrors.IsInvalid(err) {
		return err
	}
	return c.dryRunMerge(ctx, w, owners, nil)
}

// dryRunMerge predicts an apply to an object whose field owners are not yet what they will be, or one that was refused.
// The API server cannot try two writes in a row, so the merge is done here and is sent as it comes out. A field that
// the API server refuses although nobody has asked for it is left out then. refused is why an apply was refused; nil when
// that is not known.
func (c *Client) dryRunMerge(ctx context.Context, w *patch.Write, owners []metav1.ManagedFieldsEntry, refused error) error {
	live := w.Before.DeepCopy()
	live.SetManagedFields(owners)
	known := c.schemas(ctx, live)
	merged, err := patch.Apply(live, w.Sent, c.fieldManager, known)
	if err != nil {
		return cmp.Or(refused, error(&localError{fmt.Errorf("comparing %s with what is there: %w", w.Ref, err)}))
	}
	if refused != nil && !c.withoutForbidden(merged, w, refused, known) {
		return refused
	}
	for removed := refused != nil; ; removed = true {
		change, err := mergePatch(live, merged)
		if err != nil {
			return &localError{fmt.Errorf("comparing %s with what is there: %w", w.Ref, err)}
		}
		w.After, err = c.merge(ctx, w, change, "")
		switch {
		case err == nil && removed:
			w.Merge = change
			return nil
		case apierrors.IsInvalid(err) && c.withoutForbidden(merged, w, err, known):
			refused = cmp.Or(refused, err)
			continue // fewer fields each time
		case apierrors.IsInvalid(err):
			return cmp.Or(refused, err) // the first answer is about what was asked for, the later ones about what was tried
		}
		return err
	}
}

// withoutForbidden removes the fields from merged that an answer of the API server names, where nobody asks for them.
func (c *Client) withoutForbidden(merged *unstructured.Unstructured, w *patch.Write, err error, known patch.Types) bool {
	var status *apierrors.StatusError
	if !errors.As(err, &status) || status.ErrStatus.Details == nil {
		return false
	}
	removed := false
	for _, cause := range status.ErrStatus.Details.Causes {
		if messages.SaysImmutable(cause.Message) {
			return false // nothing that could be left out makes it acceptable
		}
		if patch.Forbidden(merged, w.Sent, cause.Field, c.fieldManager, c.force, known) {
			removed = true
		}
	}
	return removed
}

// mergePatch is the JSON merge patch between two states of an object, without what only the server sets.
func mergePatch(from, to *unstructured.Unstructured) ([]byte, error) {
	before, err := json.Marshal(patch.WithoutServerFields(from))
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(patch.WithoutServerFields(to))
	if err != nil {
		return nil, err
	}
	return jsonmergepatch.CreateThreeWayJSONMergePatch(before, after, before)
}

// merge sends a JSON merge patch, on the condition that the object has the version. Without a version it is a dry-run.
func (c *Client) merge(ctx context.Context, w *patch.Write, change []byte, version string) (*unstructured.Unstructured, error) {
	return c.mergeAs(ctx, w, c.fieldManager, change, version)
}

func (c *Client) mergeAs(ctx context.Context, w *patch.Write, manager string, change []byte, version string) (*unstructured.Unstructured, error) {
	o := metav1.PatchOptions{FieldManager: manager, FieldValidation: metav1.FieldValidationStrict}
	if version == "" {
		o.DryRun = []string{metav1.DryRunAll}
		return c.of(w).Patch(ctx, w.Ref.Name, types.MergePatchType, change, o)
	}
	var body map[string]any
	if err := json.Unmarshal(change, &body); err != nil {
		return nil, &localError{fmt.Errorf("reading the change of %s: %w", w.Ref, err)}
	}
	if err := unstructured.SetNestedField(body, version, "metadata", "resourceVersion"); err != nil {
		return nil, &localError{fmt.Errorf("writing the change of %s: %w", w.Ref, err)}
	}
	data, err := json.Marshal(body)
	if err != nil {
		return nil, &localError{fmt.Errorf("encoding the change of %s: %w", w.Ref, err)}
	}
	return c.of(w).Patch(ctx, w.Ref.Name, types.MergePatchType, data, o)
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

// withoutConflicts drops the conflicts with some managers from an apply's error; nil when nothing else is left.
func withoutConflicts(err error, managers sets.Set[string]) error {
	status, ok := err.(*apierrors.StatusError)
	if !ok || !apierrors.IsConflict(err) || status.ErrStatus.Details == nil {
		return err
	}
	kept := []metav1.StatusCause{}
	for _, cause := range status.ErrStatus.Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			return err
		}
		if !managers.Has(messages.ConflictingManager(cause.Message)) || strings.Contains(cause.Message, "with subresource") {
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
