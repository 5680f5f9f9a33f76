package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

const (
	// recordType is the type of the Secrets that hold records.
	recordType = corev1.SecretType("rolloutgate.dev/run")
	// recordSummary is the annotation with the record.Summary, so that a list of runs reads no content.
	recordSummary = "rolloutgate.dev/summary"
	recordLabel   = "rolloutgate.dev/record" // on every part; its value is the number of the part, from 0
	recordParts   = "rolloutgate.dev/parts"
	recordKey     = "run.json.gz"
)

var secretResource = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// SaveRecord writes a record into the namespace of its run, as one Secret, or as several where it is too large for one.
// The first one is written last: without it there is no record.
func (c *Client) SaveRecord(ctx context.Context, r record.Record) error {
	parts, err := r.Encode()
	if err != nil {
		return &localError{err}
	}
	summary, err := json.Marshal(r.Summary())
	if err != nil {
		return &localError{fmt.Errorf("encoding the summary of run %s: %w", r.ID, err)}
	}
	for n, part := range slices.Backward(parts) {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Name: partName(r.ID, n), Namespace: r.Namespace,
				Labels: map[string]string{managedBy: "rolloutgate", runLabel: r.ID, recordLabel: strconv.Itoa(n)},
			},
			Type: recordType,
			Data: map[string][]byte{recordKey: part},
		}
		if n == 0 {
			s.Annotations = map[string]string{recordSummary: string(summary), recordParts: strconv.Itoa(len(parts))}
		}
		if err := c.putSecret(ctx, s, r.State == record.Running); err != nil {
			return fmt.Errorf("putting run %s on record: %w", r.ID, err)
		}
	}
	return nil
}

// putSecret creates or replaces a Secret of ours. What is more likely is tried first, for a request costs time.
func (c *Client) putSecret(ctx context.Context, s *corev1.Secret, isNew bool) error {
	at := c.typed.CoreV1().Secrets(s.Namespace)
	if isNew {
		_, err := at.Create(ctx, s, metav1.CreateOptions{FieldManager: recordsManager})
		if !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
	_, err := at.Update(ctx, s, metav1.UpdateOptions{FieldManager: recordsManager})
	if apierrors.IsNotFound(err) && !isNew {
		_, err = at.Create(ctx, s, metav1.CreateOptions{FieldManager: recordsManager})
	}
	return err
}

func partName(run string, n int) string {
	if n == 0 {
		return keptName(run)
	}
	return keptName(run) + "-" + strconv.Itoa(n)
}

// LoadRecord reads the record of a run. A record that cannot be read is a *record.FormatError.
func (c *Client) LoadRecord(ctx context.Context, namespace, run string) (record.Record, error) {
	var parts [][]byte
	for n, count := 0, 1; n < count; n++ {
		s, err := c.typed.CoreV1().Secrets(namespace).Get(ctx, partName(run, n), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return record.Record{}, &record.MissingError{Run: run}
		}
		if err != nil {
			return record.Record{}, fmt.Errorf("reading the record of run %s: %w", run, err)
		}
		if n == 0 {
			if count, err = strconv.Atoi(s.Annotations[recordParts]); err != nil || s.Type != recordType {
				return record.Record{}, &record.FormatError{Why: fmt.Sprintf("secret %s is not one", s.Name)}
			}
		}
		parts = append(parts, s.Data[recordKey])
	}
	r, err := record.Decode(parts)
	if err == nil && r.ID != run {
		err = &record.FormatError{Why: fmt.Sprintf("secret %s has the record of run %s", keptName(run), r.ID)}
	}
	return r, err
}

// Records lists the runs on record in a namespace, the newest first. No content is read.
func (c *Client) Records(ctx context.Context, namespace string) ([]record.Summary, error) {
	list, err := c.names.Resource(secretResource).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: ours + "," + recordLabel + "=0"})
	if err != nil {
		return nil, fmt.Errorf("listing the runs on record in %s: %w", namespace, err)
	}
	var all []record.Summary
	for _, s := range list.Items {
		var summary record.Summary
		if json.Unmarshal([]byte(s.Annotations[recordSummary]), &summary) == nil && summary.ID != "" {
			summary.Parts, _ = strconv.Atoi(s.Annotations[recordParts])
			all = append(all, summary)
		}
	}
	slices.SortFunc(all, record.Newest)
	return all, nil
}

// ForgetRecord deletes the record of a run: the part first without which the others mean nothing.
func (c *Client) ForgetRecord(ctx context.Context, namespace string, s record.Summary) error {
	for n := range max(s.Parts, 1) {
		err := c.typed.CoreV1().Secrets(namespace).Delete(ctx, partName(s.ID, n), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("deleting the record of run %s: %w", s.ID, err)
		}
	}
	return nil
}
