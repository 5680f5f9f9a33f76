package cluster

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// maxEvents bounds what is kept of one namespace: enough for every pod of a small rollout to complain several times.
const maxEvents = 2000

// eventLog collects the warnings of one namespace that may concern the watched objects. A healthy neighbourhood
// sends none. It begins with now: what happened before this run says nothing about it.
type eventLog struct {
	client    *Client
	namespace string
	following []*following // the targets there

	mu      sync.Mutex
	events  map[string]diagnosis.Event // by the event's own name
	problem string
}

// run collects until ctx ends. A watch that expired is begun anew; a refusal ends it with a note.
func (l *eventLog) run(ctx context.Context) {
	for ctx.Err() == nil {
		err := l.follow(ctx)
		if IsDenied(err) {
			l.mu.Lock()
			l.problem = "events in " + l.namespace + " not readable: causes are judged from pod status alone"
			l.mu.Unlock()
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func (l *eventLog) follow(ctx context.Context) error {
	events := l.client.typed.CoreV1().Events(l.namespace)
	selector := fields.OneTermEqualSelector("type", corev1.EventTypeWarning).String()
	now, err := events.List(ctx, metav1.ListOptions{Limit: 1, FieldSelector: selector})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watcher, err := toolswatch.NewRetryWatcherWithContext(ctx, now.ResourceVersion, &cache.ListWatch{
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			watching, err := events.Watch(ctx, o)
			if IsDenied(err) {
				stop(err) // the watcher would try again for ever
			}
			return watching, err
		},
	})
	if err != nil {
		return fmt.Errorf("watching events: %w", err)
	}
	defer watcher.Stop()
	for e := range watcher.ResultChan() {
		if event, ok := e.Object.(*corev1.Event); ok && e.Type != watch.Deleted {
			l.add(event)
		}
	}
	return context.Cause(ctx)
}

func (l *eventLog) add(e *corev1.Event) {
	if isOwn(e) {
		return
	}
	about := l.following
	if e.InvolvedObject.Kind != "PersistentVolumeClaim" { // which is named by whoever wrote it
		about = slices.DeleteFunc(slices.Clone(about), func(t *following) bool { return !mayConcern(t.target.Ref.Name, e.InvolvedObject.Name) })
	}
	if len(about) == 0 {
		return
	}
	l.mu.Lock()
	if l.events == nil {
		l.events = map[string]diagnosis.Event{}
	}
	if _, known := l.events[e.Name]; known || len(l.events) < maxEvents {
		l.events[e.Name] = normalise(e)
	}
	l.mu.Unlock()
	for _, t := range about {
		t.news()
	}
}

// mayConcern is a cheap sieve: what belongs to a workload is named after it (web-5d4f-x2x, data-web-0).
func mayConcern(workload, object string) bool {
	return object == workload || strings.HasPrefix(object, workload+"-") || strings.Contains(object, "-"+workload+"-")
}

// about returns the events that concern a workload, oldest first.
func (l *eventLog) about(w rollout.Workload) []diagnosis.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []diagnosis.Event
	concerns := concerning(w)
	for _, e := range l.events {
		if concerns(e) {
			out = append(out, e)
		}
	}
	sortEvents(out)
	return out
}

func (l *eventLog) notes() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.problem == "" {
		return nil
	}
	return []string{l.problem}
}

func sortEvents(events []diagnosis.Event) {
	slices.SortFunc(events, func(a, b diagnosis.Event) int {
		if c := a.Time.Compare(b.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Object.Name+a.Message, b.Object.Name+b.Message)
	})
}

// concerning decides by uid where it can. Events about pods that could not be created name only their controller. There
// can be thousands of events, so what does not depend on them is found out once.
func concerning(w rollout.Workload) func(diagnosis.Event) bool {
	if w.Live == nil {
		return func(diagnosis.Event) bool { return false }
	}
	since, uid, below := w.Since.Add(-eventTolerance), string(w.Live.GetUID()), belowOf(w)
	return func(e diagnosis.Event) bool { return !e.Time.Before(since) && (e.UID == uid || below(e)) }
}

// belowOf tells of which events the object is below a workload: its new ReplicaSet, its pods or their claims.
func belowOf(w rollout.Workload) func(diagnosis.Event) bool {
	if set := rollout.NewReplicaSet(w); set != nil {
		uid, prefix := string(set.UID), set.Name+"-"
		return func(e diagnosis.Event) bool {
			return e.UID == uid || e.Object.Kind == "Pod" && strings.HasPrefix(e.Object.Name, prefix) || mountedClaim(w, e)
		}
	}
	if len(w.ReplicaSets) > 0 {
		return func(diagnosis.Event) bool { return false }
	}
	k, _ := rollout.KindOf(w.Ref.GroupKind())
	byName, named := !w.PodsKnown || k.DeletesFailed, podNames(w.Ref)
	known := map[string]bool{}
	for _, p := range w.Pods {
		known[string(p.UID)] = w.PodsKnown
	}
	return func(e diagnosis.Event) bool {
		if e.Object.Kind == "Pod" {
			return known[e.UID] || byName && named(e.Object.Name)
		}
		return mountedClaim(w, e)
	}
}

// podNames tells whether a pod is named like those of a workload.
func podNames(workload manifest.Ref) func(pod string) bool {
	pattern := rollout.PodNames(workload)
	if pattern == "" {
		return func(string) bool { return false }
	}
	form, err := regexp.Compile("^(?:" + pattern + ")$")
	return func(pod string) bool { return err == nil && form.MatchString(pod) }
}

func mountedClaim(w rollout.Workload, e diagnosis.Event) bool {
	if e.Object.Kind != "PersistentVolumeClaim" {
		return false
	}
	for _, p := range w.Pods {
		if slices.Contains(claimNames(p), e.Object.Name) {
			return true
		}
	}
	return false
}

func claimNames(p *corev1.Pod) []string {
	var names []string
	for _, v := range p.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			names = append(names, v.PersistentVolumeClaim.ClaimName)
		case v.Ephemeral != nil:
			names = append(names, p.Name+"-"+v.Name)
		}
	}
	return names
}

const combined = "(combined from similar events): "

var fieldPathContainer = regexp.MustCompile(`^spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}$`)

// normalise reads an event of either API. The scheduler's events leave the old time fields empty.
func normalise(e *corev1.Event) diagnosis.Event {
	out := diagnosis.Event{
		Warning: e.Type == corev1.EventTypeWarning, Reason: e.Reason, Message: strings.TrimPrefix(e.Message, combined),
		UID: string(e.InvolvedObject.UID), Reporter: e.Source.Component, Count: int(e.Count),
		First: e.FirstTimestamp.Time, Time: e.LastTimestamp.Time,
	}
	if out.Reporter == "" {
		out.Reporter = e.ReportingController
	}
	gv, _ := schema.ParseGroupVersion(e.InvolvedObject.APIVersion)
	out.Object = manifest.Ref{Group: gv.Group, Kind: e.InvolvedObject.Kind, Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name}
	if m := fieldPathContainer.FindStringSubmatch(e.InvolvedObject.FieldPath); m != nil {
		out.Container = m[1]
	}
	if e.Series != nil {
		out.Count, out.Time = int(e.Series.Count), e.Series.LastObservedTime.Time
	}
	out.Count = max(out.Count, 1)
	for _, t := range []time.Time{e.EventTime.Time, e.FirstTimestamp.Time, e.CreationTimestamp.Time} {
		if out.Time.IsZero() {
			out.Time = t
		}
	}
	if out.First.IsZero() {
		out.First = out.Time
	}
	if first := e.EventTime.Time; !first.IsZero() && first.Before(out.First) {
		out.First = first
	}
	return out
}
