package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// newPod is a pod of a ReplicaSet with one container.
func newPod(name string, ready bool) *corev1.Pod {
	yes := true
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: name, Namespace: "shop", UID: types.UID("uid-" + name), OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", UID: "rs", Controller: &yes}},
	}}
	p.Spec = corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "app"}}}
	state := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{Name: "app", Ready: ready, State: state}}}
	if ready {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return p
}

// crashed is a pod whose container has ended once and runs again.
func crashed(name string) *corev1.Pod {
	p := newPod(name, false)
	p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ExitCode: 1}
	return p
}

// keeping is a run whose verdict has fallen on what is known of some pods of a workload that it has made.
func keeping(t *testing.T, w *world, change func(*Gate), pods ...*corev1.Pod) *run {
	g := gated(w)
	g.KeepLogs, g.KeepBadPod = true, true
	if change != nil {
		change(&g)
	}
	r := g.begin(t.Context(), "run")
	ref := manifest.Ref{Group: "example.com", Kind: "Thing", Namespace: "shop", Name: "web"}
	w.objects["web"] = &thing{name: "web", kind: "Thing", version: 2}
	r.writes = []patch.Write{{Ref: ref, Action: patch.Created, Written: w.objects["web"].object(2)}}
	r.frozen = []frozen{{evidence: diagnosis.Evidence{Workload: rollout.Workload{Ref: ref, Pods: pods, PodsKnown: true}}}}
	return r
}

// TestKeepLogs: what is kept of which container, and what becomes of trouble with it.
func TestKeepLogs(t *testing.T) {
	say := func(text string) func(context.Context, diagnosis.LogTarget, int) (string, bool, error) {
		return func(_ context.Context, l diagnosis.LogTarget, _ int) (string, bool, error) {
			if l.Previous {
				return text + "before\n", true, nil
			}
			return text, false, nil
		}
	}
	fails := func(err error) func(context.Context, diagnosis.LogTarget, int) (string, bool, error) {
		return func(context.Context, diagnosis.LogTarget, int) (string, bool, error) { return "", false, err }
	}
	many := make([]*corev1.Pod, 14)
	for i := range many {
		many[i] = crashed(fmt.Sprintf("web-%02d", i))
	}
	denied := apierrors.NewForbidden(schema.GroupResource{Resource: "pods/log"}, "web-1", errors.New("no"))
	for name, c := range map[string]struct {
		pods  []*corev1.Pod
		gate  func(*Gate)
		log   func(context.Context, diagnosis.LogTarget, int) (string, bool, error)
		files string
		notes string
	}{
		"both attempts":        {pods: []*corev1.Pod{crashed("web-1")}, log: say("x\n"), files: "logs/web-1_app.log logs/web-1_app_previous.log+"},
		"not asked for":        {pods: []*corev1.Pod{crashed("web-1")}, log: say("x\n"), gate: func(g *Gate) { g.KeepLogs = false }},
		"nothing was said":     {pods: []*corev1.Pod{newPod("web-1", false)}, log: say("")},
		"all is well":          {pods: []*corev1.Pod{newPod("web-1", true)}, log: say("x\n")},
		"twice the same":       {pods: []*corev1.Pod{crashed("web-1")}, log: func(context.Context, diagnosis.LogTarget, int) (string, bool, error) { return "x", false, nil }, files: "logs/web-1_app.log"},
		"not allowed":          {pods: []*corev1.Pod{crashed("web-1")}, log: fails(denied), notes: `logs: this account cannot get resource "pods/log"`},
		"broken":               {pods: []*corev1.Pod{crashed("web-1")}, log: fails(errors.New("no kubelet")), notes: "the log of container app of pod/web-1 could not be read: no kubelet"},
		"a name from nowhere":  {pods: []*corev1.Pod{newPod("../../etc/PASSWD", false)}, log: say("x\n"), files: "logs/-..-etc-------_app.log"},
		"as many as there are": {pods: many, log: say("x\n"), files: "20"},
	} {
		w := newWorld()
		w.wholeLog = func(ctx context.Context, l diagnosis.LogTarget, most int) (string, bool, error) {
			if most > maxKeptLog || len(c.pods) > maxKeptContainers && most*2*maxKeptContainers > maxKept {
				t.Errorf("%s: %d bytes of one log", name, most)
			}
			return c.log(ctx, l, most)
		}
		r := keeping(t, w, c.gate, c.pods...)
		r.keepLogs()
		report := r.end()
		var files []string
		for _, l := range report.Logs {
			cut := map[bool]string{true: "+"}[l.Truncated]
			files = append(files, l.File+cut)
			if l.Bytes != len(l.Text) || l.Object.Kind != "Pod" || l.Container != "app" {
				t.Errorf("%s: %+v", name, l)
			}
		}
		got := strings.Join(files, " ")
		if len(files) > 2 {
			got = fmt.Sprint(len(files))
		}
		if got != c.files || strings.Join(report.Notes, "\n") != c.notes {
			t.Errorf("%s: %q with notes %q, want %q and %q", name, got, report.Notes, c.files, c.notes)
		}
	}
}

// TestKeptLogNames: two pods of one name in two namespaces have two files.
func TestKeptLogNames(t *testing.T) {
	var all []KeptLog
	for _, namespace := range []string{"a", "b", "b", "b"} {
		all = append(all, named(KeptLog{Object: manifest.Ref{Kind: "Pod", Namespace: namespace, Name: strings.Repeat("x", 300)}, Container: "app"}, all))
	}
	seen := map[string]bool{}
	for _, l := range all {
		if seen[l.File] || len(l.File) > 255 {
			t.Errorf("%s", l.File)
		}
		seen[l.File] = true
	}
}

// TestKeptLogsAreRedacted: also what is coloured in the middle.
func TestKeptLogsAreRedacted(t *testing.T) {
	w := newWorld()
	w.wholeLog = func(context.Context, diagnosis.LogTarget, int) (string, bool, error) {
		return "login \x1b[31mcorrect-\x1b[1mhorse\x1b[0m\nDB_PASSWORD=swordfish\n", false, nil
	}
	r := keeping(t, w, nil, newPod("web-1", false))
	r.redact = newRedactor([]string{"correct-horse"})
	r.keepLogs()
	if got := r.end().Logs[0].Text; got != "login ***\nDB_PASSWORD=***\n" {
		t.Errorf("%q", got)
	}
}

// TestKeepingIsNotLate: an API server that hangs holds the undo up for no longer than the budgets, and a signal ends it at
// once.
func TestKeepingIsNotLate(t *testing.T) {
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for name, c := range map[string]struct {
		signal time.Duration // zero: none comes
		most   time.Duration
	}{"in time": {0, keptLogTime + keptPodTime}, "cancelled": {time.Second, time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			w.wholeLog = func(ctx context.Context, _ diagnosis.LogTarget, _ int) (string, bool, error) {
				return "half\n", true, hangs(ctx)
			}
			w.keepPod = func(ctx context.Context, _ *corev1.Pod, _ rollout.Keeping) error { return hangs(ctx) }
			ctx, cancel := context.WithCancelCause(t.Context())
			g := gated(w)
			g.KeepLogs, g.KeepBadPod = true, true
			r := keeping(t, w, nil, crashed("web-1"))
			r.course.stop()
			r.course = newCourse(ctx, nil)
			if c.signal > 0 {
				time.AfterFunc(c.signal, func() { cancel(Cancelled{syscall.SIGTERM}) })
			}
			begun := time.Now()
			r.keepLogs()
			kept := r.keepPod()
			if took := time.Since(begun); took > c.most {
				t.Errorf("%s: it took %s", name, took)
			}
			report := r.end()
			notes := strings.Join(report.Notes, "\n")
			if kept != nil || !strings.Contains(notes, "there was no time to read all of the whole logs") {
				t.Errorf("%s: kept %v, notes %q", name, kept, notes)
			}
			if unknown := strings.Contains(notes, "whether pod/web-1 was kept is not known"); unknown != (c.signal == 0) {
				t.Errorf("%s: notes %q", name, notes)
			}
			cancel(nil)
		})
	}
}

// TestServesAlone: which pod takes all requests with it when it is kept.
func TestServesAlone(t *testing.T) {
	for want, pods := range map[bool][]*corev1.Pod{
		true:  {newPod("web-1", true), newPod("web-2", false)},
		false: {newPod("web-1", true), newPod("web-2", true)},
	} {
		for _, s := range keeping(t, newWorld(), nil, pods...).suspects() {
			if got := s.servesAlone(); got != (want && rollout.IsReady(s.pod)) {
				t.Errorf("of %d pods, one of them ready: %t; %s serves alone: %t", len(pods), want, s.pod.Name, got)
			}
		}
	}
}

// TestKeepPod: which pod is kept, and why none is.
func TestKeepPod(t *testing.T) {
	port := func(p *corev1.Pod) *corev1.Pod {
		p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}}
		return p
	}
	blame := func(pod string) func(*run) {
		return func(r *run) {
			r.findings = []diagnosis.Finding{{Terminal: diagnosis.TerminalNow}, {Object: diagnosis.Subject{Ref: manifest.Ref{Kind: "Pod", Namespace: "shop", Name: pod}}, Container: "app", Terminal: diagnosis.TerminalAfter}}
		}
	}
	for name, c := range map[string]struct {
		pods   []*corev1.Pod
		gate   func(*Gate)
		change func(*run)
		err    error
		want   string // the pod and its container
		notes  string // a part of them
	}{
		"the one that is blamed":   {pods: []*corev1.Pod{newPod("web-1", false), newPod("web-2", false)}, change: blame("web-2"), want: "web-2 app"},
		"blamed, and another now":  {pods: []*corev1.Pod{newPod("web-1", false)}, change: blame("web-9"), want: "web-1 "},
		"one that is not ready":    {pods: []*corev1.Pod{newPod("web-1", true), newPod("web-2", false)}, want: "web-2 "},
		"one that is well":         {pods: []*corev1.Pod{newPod("web-1", true)}, want: "web-1 "},
		"the next that can be":     {pods: []*corev1.Pod{port(newPod("web-1", false)), newPod("web-2", false)}, want: "web-2 "},
		"none that can be":         {pods: []*corev1.Pod{port(newPod("web-1", false))}, notes: "no bad pod was kept: pod/web-1 cannot be: it has the port 80"},
		"none at all":              {notes: "no bad pod was kept: no pod of a new version is known"},
		"not asked for":            {pods: []*corev1.Pod{newPod("web-1", false)}, gate: func(g *Gate) { g.KeepBadPod = false }},
		"somebody was faster":      {pods: []*corev1.Pod{newPod("web-1", false)}, err: errors.New("it has been deleted"), notes: "pod/web-1 was not kept: it has been deleted"},
		"an answer that was lost":  {pods: []*corev1.Pod{newPod("web-1", false)}, err: errLost, notes: "kubectl get pods -n shop -l rolloutgate.dev/kept-from"},
		"the lock is lost":         {pods: []*corev1.Pod{newPod("web-1", false)}, change: func(r *run) { r.course.lose(errors.New("taken over")) }},
		"the version was not ours": {pods: []*corev1.Pod{newPod("web-1", false)}, change: func(r *run) { r.writes[0].Action = patch.Unchanged }, notes: "no pod of a new version is known"},
		"its namespace is to go too": {pods: []*corev1.Pod{newPod("web-1", false)}, change: func(r *run) {
			r.writes = append(r.writes, patch.Write{Ref: manifest.Ref{Kind: "Namespace", Name: "shop"}, Action: patch.Created})
		}, notes: "its namespace goes with the undo"},
	} {
		w := newWorld()
		got := ""
		w.keepPod = func(_ context.Context, p *corev1.Pod, k rollout.Keeping) error {
			if k.Run == "" || k.From.Name != "web" || k.At.IsZero() {
				t.Errorf("%s: %+v", name, k)
			}
			got = p.Name
			return c.err
		}
		r := keeping(t, w, c.gate, c.pods...)
		if c.change != nil {
			c.change(r)
		}
		kept := r.keepPod()
		report := r.end()
		notes := strings.Join(report.Notes, "\n")
		if kept != nil && kept.Object.Name != got {
			t.Errorf("%s: kept %s, and said %s", name, got, kept.Object.Name)
		}
		text := ""
		if kept != nil {
			text = kept.Object.Name + " " + kept.Container
		}
		if text != c.want || !strings.Contains(notes, c.notes) || (notes == "") != (c.notes == "") {
			t.Errorf("%s: %q with notes %q, want %q and %q", name, text, notes, c.want, c.notes)
		}
	}
}

// TestKeptPodInUndo: the pod is in the report of the undo that was verified without it, and taken before its first write.
func TestKeptPodInUndo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.keepPod = func(context.Context, *corev1.Pod, rollout.Keeping) error {
			w.log = append(w.log, "keep")
			return nil
		}
		r := keeping(t, w, nil, newPod("web-1", false))
		r.report.Workloads = []rollout.Status{{Ref: r.writes[0].Ref}}
		r.undo(Verdict{Outcome: RolloutFailed, Target: 0})
		report := r.end()
		if u := report.Undo; u == nil || u.Result != UndoVerified || u.KeptPod == nil || u.KeptPod.Object.Name != "web-1" || report.Exit.Code != RolloutFailed.Code() {
			t.Errorf("%+v, %+v", report.Undo, report.Exit)
		}
		if w.history() != "keep, undo web" {
			t.Errorf("%s", w.history())
		}
	})
}

// TestMayKeep: that nothing can be kept for lack of a right is known before anything is written.
func TestMayKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(&thing{name: "web", kind: "Pod", existed: true})
		w.lacksForKeeping = []string{"patch pods"}
		g := gated(w)
		g.KeepBadPod = true
		report, _ := g.Run(t.Context(), w.manifests("web"))
		check(t, report, w, Passed, "complete", "web=2")
		if got := strings.Join(report.Notes, "\n"); got != "no bad pod could be kept in namespace shop: this account cannot patch pods" {
			t.Errorf("%q", got)
		}
	})
}

// TestKeptByARun: a whole run freezes what it keeps when a rule decides, when a test fails, and not when it is cancelled.
func TestKeptByARun(t *testing.T) {
	logs := func(context.Context, diagnosis.LogTarget, int) (string, bool, error) { return "x\n", false, nil }
	bad := func() *world {
		w := newWorld(&thing{name: "web", kind: "Pod", existed: true, badImage: true})
		w.wholeLog = logs
		return w
	}
	well := func() *world {
		w := newWorld(&thing{name: "web", kind: "Pod", existed: true}, good("b"))
		w.wholeLog = logs
		return w
	}
	for name, c := range map[string]struct {
		world   func() *world
		names   string
		gate    func(*Gate)
		signals []sending
		logs    int
		note    string // a part of the notes; empty: there are none
	}{
		"cancelled":      {world: well, names: "web b", signals: []sending{{100 * time.Millisecond, syscall.SIGTERM}}},
		"a rule decides": {world: bad, names: "web", note: "no bad pod was kept: no pod of a new version is known"},
		"a test fails": {world: well, names: "web b", logs: 1, note: "no bad pod was kept", gate: func(g *Gate) {
			test := tested(&Test{Command: []string{"false"}}, 0)
			g.Planners = []Planner{{Name: test.Name, Stages: func(p patch.Plan) ([]Stage, error) {
				slices.Reverse(p.Writes) // the pod comes last of itself
				return test.Stages(p)
			}}}
			g.RunTest = func(context.Context, Test, []string, func(string)) error { return errors.New("exit status 1") }
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := c.world()
			g := gated(w)
			g.KeepLogs, g.KeepBadPod = true, true
			if c.gate != nil {
				c.gate(&g)
			}
			report, _ := signalled(t, g, w.manifests(strings.Fields(c.names)...), c.signals...)
			notes := strings.Join(report.Notes, "\n")
			if len(report.Logs) != c.logs || !strings.Contains(notes, c.note) || (notes == "") != (c.note == "") {
				t.Errorf("%s: %s: %d logs, notes %q", name, report.Exit.State, len(report.Logs), notes)
			}
		})
	}
}
