package cluster

import (
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	readTime     = 15 * time.Second // an API server that hangs must not hold the undo up
	maxPods      = 500
	maxEventPods = 5
)

// Read reads everything that explains the trouble of target i, before an undo destroys it: the pods, the events of
// the ones in trouble, their logs, and what they wait for. What cannot be read is noted, never an error. It may run
// beside everything else, and returns what it has as soon as ctx ends.
func (w *Watch) Read(ctx context.Context, i int, status rollout.Status, needs func(diagnosis.Evidence) diagnosis.Need) diagnosis.Evidence {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	g := gathered{Evidence: w.Evidence(i, status)}
	read := reader{c: w.c, env: w.env, target: w.following[i].target}
	if g.Workload.Live == nil {
		g.together(ctx, read.namespace) // it may have taken the workload with it
		return g.done(ctx)
	}
	g.together(ctx, read.pods, read.revisions, read.writers)
	g.together(ctx, append(read.environment(g.Evidence), read.claimsAndEvents)...)
	// Which logs and names are worth reading is known when the events are in; it is for the caller to say.
	read.need = needs(g.Evidence)
	g.together(ctx, read.logs, read.names)
	return g.done(ctx)
}

// gathered is the evidence as it grows. One goroutine owns it: reads return what is to be added.
type gathered struct {
	diagnosis.Evidence
	denied []string // kinds that may not be read
}

// addition adds what a read has found.
type addition func(*gathered)

// together reads several things at a time. Each read sees the evidence as it was before, and what they return is added
// in their order.
func (g *gathered) together(ctx context.Context, reads ...func(context.Context, diagnosis.Evidence) addition) {
	before := g.Evidence
	found := make([]addition, len(reads))
	var wg sync.WaitGroup
	for i, read := range reads {
		wg.Go(func() { found[i] = read(ctx, before) })
	}
	wg.Wait()
	for _, add := range found {
		if add != nil {
			add(g)
		}
	}
}

// note records what could not be read. That the time was up is said once, at the end.
func (g *gathered) note(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		g.Unreadable = append(g.Unreadable, what+": "+denial(err))
	}
}

func (g *gathered) done(ctx context.Context) diagnosis.Evidence {
	if line := deniedLine(g.denied); line != "" {
		g.Unreadable = append(g.Unreadable, line)
	}
	if ctx.Err() != nil {
		g.Unreadable = append(g.Unreadable, "the time to read what explains the trouble was cut short")
	}
	return g.Evidence
}

// reader reads what explains the trouble of one target.
type reader struct {
	c      *Client
	env    *environment
	target rollout.Target
	need   diagnosis.Need // what the rules ask for, once that is known
}

// pods reads the pods of all revisions: the new ones for their trouble, the old ones for what they still hold.
func (r reader) pods(ctx context.Context, ev diagnosis.Evidence) addition {
	selector, ok := rollout.PodSelector(ev.Workload.Live)
	if !ok {
		return nil
	}
	list, err := r.c.typed.CoreV1().Pods(r.target.Ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String(), Limit: maxPods})
	if err != nil {
		return func(g *gathered) { g.note(ctx, "pods", err) }
	}
	for i := range list.Items {
		list.Items[i].ManagedFields = nil
	}
	return func(g *gathered) { g.Workload.Pods, g.Workload.PodsKnown = pointers(list.Items), true }
}

// troubled are the new pods that are not Ready.
func troubled(w rollout.Workload) []*corev1.Pod {
	return slices.DeleteFunc(rollout.NewPods(w), rollout.IsReady)
}

// revisions reads what the previous version looked like, where the watch did not need it.
func (r reader) revisions(ctx context.Context, ev diagnosis.Evidence) addition {
	w := ev.Workload
	k, _ := rollout.KindOf(w.Ref.GroupKind())
	selector, ok := rollout.PodSelector(w.Live)
	if !ok || k.Owns != rollout.ControllerRevisions || ev.Previous != nil || len(w.Revisions) > 0 {
		return nil
	}
	list, err := r.c.typed.AppsV1().ControllerRevisions(w.Ref.Namespace).List(ctx, metav1.ListOptions{LabelSelector: selector.String()})
	if err != nil {
		return nil
	}
	return func(g *gathered) { g.Workload.Revisions = owned(list.Items, w.Live.GetUID()) }
}

// writers adds the fields' writers to the object: the watch leaves them out, because they are most of what it would keep.
func (r reader) writers(ctx context.Context, ev diagnosis.Evidence) addition {
	live := ev.Workload.Live
	fresh, err := r.c.names.Resource(r.target.Resource.GVR()).Namespace(r.target.Ref.Namespace).Get(ctx, r.target.Ref.Name, metav1.GetOptions{})
	if err != nil || fresh.UID != live.GetUID() {
		return nil
	}
	written, ok := live.DeepCopyObject().(rollout.Object)
	if !ok {
		return nil
	}
	written.SetManagedFields(fresh.ManagedFields)
	return func(g *gathered) { g.Workload.Live = written }
}

// claimsAndEvents reads the claims that pods in trouble wait for, and all events, the normal ones too, of the workload,
// of some of these pods and of the claims.
func (r reader) claimsAndEvents(ctx context.Context, ev diagnosis.Evidence) addition {
	w := ev.Workload
	pods := troubled(w)
	claims, addClaims := r.claims(ctx, pods)
	uids := []string{string(w.Live.GetUID())}
	if set := rollout.NewReplicaSet(w); set != nil {
		uids = append(uids, string(set.UID))
	}
	for _, p := range pods[:min(len(pods), maxEventPods)] {
		uids = append(uids, string(p.UID))
	}
	for _, claim := range claims {
		uids = append(uids, string(claim.UID))
	}
	found, errs := make([][]diagnosis.Event, len(uids)), make([]error, len(uids))
	inParallel(len(uids), func(i int) {
		list, err := r.c.typed.CoreV1().Events(w.Ref.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + uids[i]})
		if err != nil {
			errs[i] = err
			return
		}
		for _, e := range list.Items {
			if event := normalise(&e); !isOwn(&e) && !event.Time.Before(w.Since.Add(-eventTolerance)) {
				found[i] = append(found[i], event)
			}
		}
	})
	return func(g *gathered) {
		addClaims(g)
		for _, err := range errs {
			g.note(ctx, "events", err)
		}
		g.Events = slices.Concat(append([][]diagnosis.Event{g.Events}, found...)...)
		sortEvents(g.Events)
		g.Events = slices.CompactFunc(g.Events, func(a, b diagnosis.Event) bool {
			return a.UID == b.UID && a.Reason == b.Reason && a.Message == b.Message && a.Time.Equal(b.Time)
		})
	}
}
