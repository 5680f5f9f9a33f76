package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// newestWarning is what `kubectl get events` shows last among the warnings.
func (t *trial) newestWarning(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, t.cluster.KubectlPath(), "get", "events", "-n", t.testCase.name, "-o", "json")
	cmd.Env = t.cluster.Environment()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("reading the events: %w", err)
	}
	var all corev1.EventList
	if err := json.Unmarshal(out, &all); err != nil {
		return "", fmt.Errorf("reading the events: %w", err)
	}
	return newestOf(all.Items), nil
}

func newestOf(events []corev1.Event) string {
	var newest time.Time
	var text string
	for _, e := range events {
		if at := lastSeen(&e); e.Type == corev1.EventTypeWarning && !at.Before(newest) {
			newest, text = at, e.Reason+": "+e.Message
		}
	}
	return text
}

func lastSeen(e *corev1.Event) time.Time {
	times := []time.Time{e.LastTimestamp.Time, e.EventTime.Time, e.FirstTimestamp.Time, e.CreationTimestamp.Time}
	if e.Series != nil {
		times = append([]time.Time{e.Series.LastObservedTime.Time}, times...)
	}
	for _, at := range times {
		if !at.IsZero() {
			return at
		}
	}
	return time.Time{}
}
