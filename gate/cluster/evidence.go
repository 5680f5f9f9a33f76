package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	freezeTime     = 15 * time.Second // an API server that hangs must not hold the undo up
	maxFrozenPods  = 500
	maxEventPods   = 5
	maxClaims      = 5
	logLines       = 200
	maxLogBytes    = 256 << 10
	noLogsReadable = "unable to retrieve container logs for" // the kubelet says so with status 200
)

// Freeze reads everything that explains the trouble of target i, before an undo destroys it: the pods, the events of
// the ones in trouble, their logs, and what they wait for. What cannot be read is noted, never an error.
func (w *Watch) Freeze(ctx context.Context, i int, status rollout.Status) diagnosis.Evidence {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	f := freezer{c: w.c, around: w.around, ev: w.Evidence(i, status)}
	if f.ev.Workload.Live == nil {
		f.namespace(ctx) // it may have taken the workload with it
		return f.ev
	}
	live := f.ev.Workload.Live
	f.together(
		func() { f.pods(ctx) },
		func() { f.revisions(ctx) },
		func() { live = f.writers(ctx, w.tends[i].target.Resource) },
	)
	f.ev.Workload.Live = live
	troubled := f.troubled()
	f.together(append(f.surroundings(ctx, troubled),
		func() { f.claims(ctx, troubled); f.events(ctx, troubled) },
	)...)
	// Which logs and names are worth reading is known when the events are in.
	f.together(
		func() { f.logs(ctx) },
		func() { f.lookups(ctx) },
	)
	f.sayDenied()
	return f.ev
}

// freezer adds to one Evidence, several reads at a time.
type freezer struct {
	c      *Client
	around *surroundings
	mu     sync.Mutex
	ev     diagnosis.Evidence
	denied []string // kinds that may not be read
}

func (f *freezer) together(reads ...func()) {
	var wg sync.WaitGroup
	for _, read := range reads {
		wg.Go(read)
	}
	wg.Wait()
}

// note records what could not be read.
func (f *freezer) note(what string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ev.Unreadable = append(f.ev.Unreadable, fmt.Sprintf("%s: %s", what, denial(err)))
}

// pods reads the pods of all revisions: the new ones for their trouble, the old ones for what they still hold.
func (f *freezer) pods(ctx context.Context) {
	w := &f.ev.Workload
	selector, ok := rollout.PodSelector(w.Live)
	if !ok {
		return
	}
	list, err := f.c.typed.CoreV1().Pods(w.Ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: maxFrozenPods})
	if err != nil {
		f.note("pods", err)
		return
	}
	w.Pods, w.PodsKnown = nil, true
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
		w.Pods = append(w.Pods, &list.Items[i])
	}
}

// troubled are the new pods that are not Ready.
func (f *freezer) troubled() []*corev1.Pod {
	var pods []*corev1.Pod
	for _, p := range rollout.NewPods(f.ev.Workload) {
		if !isReady(p) {
			pods = append(pods, p)
		}
	}
	return pods
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// events reads all events, the normal ones too, of the workload and of some pods in trouble.
func (f *freezer) events(ctx context.Context, troubled []*corev1.Pod) {
	w := f.ev.Workload
	uids := []string{string(w.Live.GetUID())}
	if set := rollout.NewReplicaSet(w); set != nil {
		uids = append(uids, string(set.UID))
	}
	for _, p := range troubled[:min(len(troubled), maxEventPods)] {
		uids = append(uids, string(p.UID))
	}
	for _, claim := range f.ev.Claims {
		uids = append(uids, string(claim.UID))
	}
	found := make([][]diagnosis.Event, len(uids))
	inParallel(len(uids), func(i int) {
		list, err := f.c.typed.CoreV1().Events(w.Ref.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + uids[i]})
		if err != nil {
			f.note("events", err)
			return
		}
		for _, e := range list.Items {
			if event := normalise(&e); !event.Time.Before(w.Since.Add(-eventTolerance)) {
				found[i] = append(found[i], event)
			}
		}
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ev.Events = append(f.ev.Events, slices.Concat(found...)...)
	sortEvents(f.ev.Events)
	f.ev.Events = slices.CompactFunc(f.ev.Events, func(a, b diagnosis.Event) bool {
		return a.UID == b.UID && a.Reason == b.Reason && a.Message == b.Message && a.Time.Equal(b.Time)
	})
}

// logs reads the tails that the rules ask for.
func (f *freezer) logs(ctx context.Context) {
	targets := diagnosis.LogTargets(f.ev)
	inParallel(len(targets), func(i int) {
		t := targets[i]
		lines, err := f.tail(ctx, t, t.Previous)
		previous := t.Previous
		if err != nil || len(lines) == 0 {
			// The container may have restarted, or not yet, since its status was read.
			if other, otherErr := f.tail(ctx, t, !t.Previous); otherErr == nil && len(other) > 0 {
				lines, previous, err = other, !t.Previous, nil
			}
		}
		if err == nil && len(lines) == 0 {
			t.Ended = time.Time{} // the words of a newer attempt are better than none
			lines, err = f.tail(ctx, t, false)
			previous = false
		}
		if IsDenied(err) {
			f.note("logs", err)
		}
		if len(lines) > 0 {
			f.add(func() {
				f.ev.Logs = append(f.ev.Logs, diagnosis.Log{Pod: t.Pod, Container: t.Container, Previous: previous, Lines: lines})
			})
		}
	})
}

// tail reads the end of a log, without lines of an attempt that is newer than the wanted one: an attempt that may well
// succeed says nothing about why the one before it ended.
func (f *freezer) tail(ctx context.Context, t diagnosis.LogTarget, previous bool) ([]string, error) {
	lines, bytes := int64(logLines), int64(maxLogBytes)
	raw, err := f.c.typed.CoreV1().Pods(f.ev.Workload.Ref.Namespace).GetLogs(t.Pod, &corev1.PodLogOptions{
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
