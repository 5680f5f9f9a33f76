package cluster

import (
	"context"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
)

const (
	logLines       = 200
	maxLogBytes    = 256 << 10
	noLogsReadable = "unable to retrieve container logs for" // the kubelet says so with status 200
)

// logs reads the tails that the rules ask for.
func (r reader) logs(ctx context.Context, _ diagnosis.Evidence) addition {
	targets := r.need.Logs
	found, errs := make([]diagnosis.Log, len(targets)), make([]error, len(targets))
	inParallel(len(targets), func(i int) { found[i], errs[i] = r.log(ctx, targets[i]) })
	return func(g *gathered) {
		denied := false
		for i := range targets {
			if IsDenied(errs[i]) { // whose words are not decoded, for a log is no object
				denied = true
			}
			if len(found[i].Lines) > 0 {
				g.Logs = append(g.Logs, found[i])
			}
		}
		if denied {
			g.Unreadable = append(g.Unreadable, `logs: this account cannot get resource "pods/log"`)
		}
	}
}

// log reads the log of one attempt of a container, or of another one where that says nothing.
func (r reader) log(ctx context.Context, t diagnosis.LogTarget) (diagnosis.Log, error) {
	lines, err := r.tail(ctx, t, t.Previous)
	previous := t.Previous
	if err != nil || len(lines) == 0 {
		// The container may have restarted, or not yet, since its status was read.
		if other, otherErr := r.tail(ctx, t, !t.Previous); otherErr == nil && len(other) > 0 {
			lines, previous, err = other, !t.Previous, nil
		}
	}
	if err == nil && len(lines) == 0 {
		t.Ended = time.Time{} // the words of a newer attempt are better than none
		lines, err = r.tail(ctx, t, false)
		previous = false
	}
	return diagnosis.Log{Pod: t.Pod, Container: t.Container, Previous: previous, Lines: lines}, err
}

// tail reads the end of a log, without lines of an attempt that is newer than the wanted one: an attempt that may well
// succeed says nothing about why the one before it ended.
func (r reader) tail(ctx context.Context, t diagnosis.LogTarget, previous bool) ([]string, error) {
	lines, bytes := int64(logLines), int64(maxLogBytes)
	raw, err := r.c.typed.CoreV1().Pods(r.target.Ref.Namespace).GetLogs(t.Pod, &corev1.PodLogOptions{
		Container: t.Container, Previous: previous, TailLines: &lines, LimitBytes: &bytes, Timestamps: true,
	}).DoRaw(ctx)
	text := strings.TrimRight(string(raw), "\n")
	if err != nil || text == "" || strings.HasPrefix(text, noLogsReadable) {
		return nil, err
	}
	return logText(strings.Split(text, "\n"), t.Ended), nil
}

// logText takes the kubelet's time off each line. It returns nothing when the first line was written after the attempt
// had ended; the end is known to the second.
func logText(lines []string, ended time.Time) []string {
	out := make([]string, len(lines))
	for i, line := range lines {
		stamp, rest, _ := strings.Cut(line, " ")
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			out[i] = line
			continue
		}
		if i == 0 && !ended.IsZero() && at.After(ended.Add(time.Second)) {
			return nil
		}
		out[i] = rest
	}
	return out
}
