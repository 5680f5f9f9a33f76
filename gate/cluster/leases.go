package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// What the objects that a run keeps in the cluster have in common.
const (
	managedBy      = "app.kubernetes.io/managed-by"
	ours           = managedBy + "=rolloutgate"
	runLabel       = "rolloutgate.dev/run"
	leaseData      = "rolloutgate.dev/lease"    // the lease, for us
	leaseTargets   = "rolloutgate.dev/targets"  // and for people
	leaseDecision  = "rolloutgate.dev/decision" // what somebody has said about the stage that waits for it
	leasePipeline  = "rolloutgate.dev/pipeline" // the link to the job
	recordsManager = "rolloutgate-record"       // a field manager of its own: it owns nothing of what runs apply
)

// keptName is the name of what a run keeps in the cluster.
func keptName(run string) string { return "rolloutgate-" + strings.ToLower(run) }

// Leases are those of all runs in a namespace, of the living and of the dead.
func (c *Client) Leases(ctx context.Context, namespace string) ([]record.Lease, error) {
	list, err := c.typed.CoordinationV1().Leases(namespace).List(ctx, metav1.ListOptions{LabelSelector: ours})
	if err != nil {
		return nil, fmt.Errorf("listing the leases of runs in %s: %w", namespace, err)
	}
	var all []record.Lease
	for _, l := range list.Items {
		if lease, ok := leaseOf(&l); ok {
			all = append(all, lease)
		}
	}
	return all, nil
}

// leaseOf reads a lease. One that is not ours, or that we cannot read, is none.
func leaseOf(l *coordinationv1.Lease) (record.Lease, bool) {
	var lease record.Lease
	if json.Unmarshal([]byte(l.Annotations[leaseData]), &lease) != nil || lease.Run == "" {
		return lease, false
	}
	var said record.Decision
	if json.Unmarshal([]byte(l.Annotations[leaseDecision]), &said) == nil && said.Stage != "" {
		lease.Decision = &said
	}
	lease.Namespace, lease.Version = l.Namespace, l.ResourceVersion
	lease.Holder, lease.Renewed = "", l.CreationTimestamp.Time
	lease.Begun = l.Spec.AcquireTime == nil || l.Spec.RenewTime == nil || l.Spec.RenewTime.After(l.Spec.AcquireTime.Time)
	if l.Spec.HolderIdentity != nil {
		lease.Holder = *l.Spec.HolderIdentity
	}
	for _, m := range l.ManagedFields { // by the API server's clock, which is the same for everybody
		if m.Time != nil && m.Time.After(lease.Renewed) {
			lease.Renewed = m.Time.Time
		}
	}
	return lease, true
}

// TakeLease makes the lease of a run. Its name is the run's, so the run has it once in a namespace.
func (c *Client) TakeLease(ctx context.Context, lease record.Lease) (record.Lease, error) {
	data, err := json.Marshal(lease)
	if err != nil {
		return lease, &localError{fmt.Errorf("encoding the lease: %w", err)}
	}
	now := metav1.NewMicroTime(c.Now())
	l := &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{
			Name: keptName(lease.Run), Namespace: lease.Namespace,
			Labels:      map[string]string{managedBy: "rolloutgate", runLabel: lease.Run},
			Annotations: map[string]string{leaseData: string(data), leaseTargets: targetsText(lease)},
		},
		Spec: coordinationv1.LeaseSpec{
			HolderIdentity: &lease.Holder, LeaseDurationSeconds: new(int32(record.Validity / time.Second)),
			AcquireTime: &now, RenewTime: &now,
		},
	}
	if lease.Pipeline.URL != "" {
		l.Annotations[leasePipeline] = lease.Pipeline.URL
	}
	at := c.typed.CoordinationV1().Leases(lease.Namespace)
	made, err := at.Create(ctx, l, metav1.CreateOptions{FieldManager: recordsManager})
	if apierrors.IsAlreadyExists(err) { // the answer to an earlier try was lost
		now, err := c.readLease(ctx, lease)
		if err == nil && now.Holder != lease.Holder {
			err = &record.LostError{Run: lease.Run, To: now.Holder}
		}
		return now, err
	}
	if err != nil {
		return lease, fmt.Errorf("taking a lease in %s: %w", lease.Namespace, err)
	}
	taken, _ := leaseOf(made)
	return taken, nil
}

// maxTargetsText is how many objects an annotation for people names.
const maxTargetsText = 20

func targetsText(lease record.Lease) string {
	var names []string
	for _, r := range lease.Targets {
		names = append(names, r.String())
	}
	slices.Sort(names)
	if more := len(names) - maxTargetsText; more > 0 {
		names = append(names[:maxTargetsText], fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// RenewLease says that the holder is alive. It fails with a *record.LostError when the lease is gone or another run
// holds it.
func (c *Client) RenewLease(ctx context.Context, lease record.Lease) (record.Lease, error) {
	return c.writeLease(ctx, lease, lease.Holder, map[string]any{"renewTime": metav1.NewMicroTime(c.Now())})
}

// SeizeLease takes the lease of another run over, on the condition that nobody has renewed it since it was read: its
// holder finds out when it renews it the next time, and before it writes again.
func (c *Client) SeizeLease(ctx context.Context, lease record.Lease, holder string) (record.Lease, error) {
	now := metav1.NewMicroTime(c.Now())
	spec := map[string]any{"holderIdentity": holder, "renewTime": now}
	if holder != lease.Run {
		spec["acquireTime"] = now // one that is given back has begun long ago
	}
	return c.writeLease(ctx, lease, holder, spec)
}

// MarkLease writes what a lease says of its run, on the condition that the run still holds it.
func (c *Client) MarkLease(ctx context.Context, lease record.Lease) (record.Lease, error) {
	return c.annotateLease(ctx, lease, leaseData, lease)
}

// annotateLease writes one annotation. A renewal may come in between.
func (c *Client) annotateLease(ctx context.Context, lease record.Lease, key string, value any) (record.Lease, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return lease, &localError{fmt.Errorf("encoding the lease: %w", err)}
	}
	for range maxConflicts {
		data, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": lease.Version, "annotations": map[string]string{key: string(text)}}})
		if err != nil {
			return lease, &localError{fmt.Errorf("encoding the lease: %w", err)}
		}
		l, err := c.typed.CoordinationV1().Leases(lease.Namespace).Patch(ctx, keptName(lease.Run), types.MergePatchType, data,
			metav1.PatchOptions{FieldManager: recordsManager})
		if err == nil {
			written, _ := leaseOf(l)
			return written, nil
		}
		if !apierrors.IsConflict(err) {
			return lease, fmt.Errorf("writing to the lease in %s: %w", lease.Namespace, err)
		}
		now, err := c.ReadLease(ctx, lease)
		if err != nil {
			return lease, err
		}
		lease.Version = now.Version
	}
	return lease, fmt.Errorf("writing to the lease in %s: it kept changing", lease.Namespace)
}

// ReadLease reads a lease of this run again; the error is a *record.LostError when it is somebody else's.
func (c *Client) ReadLease(ctx context.Context, lease record.Lease) (record.Lease, error) {
	now, err := c.readLease(ctx, lease)
	if err == nil && now.Holder != lease.Holder {
		err = &record.LostError{Run: lease.Run, To: now.Holder}
	}
	return now, err
}

// DecideLease notes what somebody says about the stage that a run waits in.
func (c *Client) DecideLease(ctx context.Context, lease record.Lease, d record.Decision) error {
	_, err := c.annotateLease(ctx, lease, leaseDecision, d)
	return err
}

// Who is the name by which the API server knows whoever asks.
func (c *Client) Who(ctx context.Context) (string, error) {
	review, err := c.typed.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("asking the API server who this is: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}

// writeLease changes a lease, on the condition that it is as it was read. It is holder's afterwards.
func (c *Client) writeLease(ctx context.Context, lease record.Lease, holder string, spec map[string]any) (record.Lease, error) {
	data, err := json.Marshal(map[string]any{"metadata": map[string]any{"resourceVersion": lease.Version}, "spec": spec})
	if err != nil {
		return lease, &localError{fmt.Errorf("encoding the lease: %w", err)}
	}
	l, err := c.typed.CoordinationV1().Leases(lease.Namespace).Patch(ctx, keptName(lease.Run), types.MergePatchType, data,
		metav1.PatchOptions{FieldManager: recordsManager})
	switch {
	case apierrors.IsNotFound(err):
		return lease, &record.LostError{Run: lease.Run}
	case apierrors.IsConflict(err):
		now, readErr := c.readLease(ctx, lease)
		if readErr != nil {
			return lease, readErr
		}
		if now.Holder != holder {
			return lease, &record.LostError{Run: lease.Run, To: now.Holder}
		}
		return now, nil // our own write, whose answer was lost
	case err != nil:
		return lease, fmt.Errorf("renewing the lease in %s: %w", lease.Namespace, err)
	}
	written, _ := leaseOf(l)
	return written, nil
}

// readLease reads a lease again.
func (c *Client) readLease(ctx context.Context, lease record.Lease) (record.Lease, error) {
	l, err := c.typed.CoordinationV1().Leases(lease.Namespace).Get(ctx, keptName(lease.Run), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return lease, &record.LostError{Run: lease.Run}
	}
	if err != nil {
		return lease, fmt.Errorf("reading the lease in %s: %w", lease.Namespace, err)
	}
	now, ok := leaseOf(l)
	if !ok {
		return lease, &record.LostError{Run: lease.Run}
	}
	return now, nil
}

// ReleaseLease gives a lease back, if its holder still has it: a renewal whose answer was lost has made another version of
// it. One that was never read is nobody else's: its name is that of the run.
func (c *Client) ReleaseLease(ctx context.Context, lease record.Lease) error {
	for range maxConflicts {
		var o metav1.DeleteOptions
		if lease.Version != "" {
			o.Preconditions = &metav1.Preconditions{ResourceVersion: &lease.Version}
		}
		err := c.typed.CoordinationV1().Leases(lease.Namespace).Delete(ctx, keptName(lease.Run), o)
		if err == nil || apierrors.IsNotFound(err) {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("giving the lease in %s back: %w", lease.Namespace, err)
		}
		now, err := c.readLease(ctx, lease)
		if lost := (*record.LostError)(nil); errors.As(err, &lost) || err == nil && now.Holder != lease.Holder {
			return nil // it is somebody else's
		}
		if err != nil {
			return err
		}
		lease = now
	}
	return nil
}
