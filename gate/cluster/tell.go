package cluster

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// reporter is who reports the Events of a run.
const reporter = "rolloutgate"

// maxMessage is how long the message of an Event may be, in bytes, for readers of the newer API.
const maxMessage = 1000

// Told is what an Event says of a workload.
type Told struct {
	Workload        manifest.Ref
	Reason, Message string
	Warning         bool
}

// Tell writes an Event about a workload. One that is not there, or of a kind without pods to replace, has none.
func (c *Client) Tell(ctx context.Context, t Told) error {
	k, known := rollout.KindOf(t.Workload.GroupKind())
	if !known || !k.Replaces {
		return nil
	}
	at := k.Resource.GVR()
	live, err := c.names.Resource(at).Namespace(t.Workload.Namespace).Get(ctx, t.Workload.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", t.Workload, err)
	}
	kind := corev1.EventTypeNormal
	if t.Warning {
		kind = corev1.EventTypeWarning
	}
	if len(t.Message) > maxMessage {
		t.Message = strings.ToValidUTF8(t.Message[:maxMessage], "")
	}
	now := metav1.NewTime(c.Now())
	_, err = c.typed.CoreV1().Events(t.Workload.Namespace).Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: t.Workload.Name + ".", Namespace: t.Workload.Namespace},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: at.GroupVersion().String(), Kind: k.Kind,
			Namespace: t.Workload.Namespace, Name: t.Workload.Name, UID: live.GetUID(), ResourceVersion: live.GetResourceVersion(),
		},
		Type: kind, Reason: t.Reason, Message: t.Message, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: corev1.EventSource{Component: reporter}, ReportingController: reporter,
	}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("writing an Event about %s: %w", t.Workload, err)
	}
	return nil
}

// isOwn tells an Event that a run has written from those that are evidence.
func isOwn(e *corev1.Event) bool {
	return e.Source.Component == reporter || e.ReportingController == reporter
}
