package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// world is a cluster that is made up: objects of the kind Thing, which follow the usual conditions, Jobs and Pods. What each
// of them does after a write is a behaviour. Time in it is that of the test's bubble.
type world struct {
	mu      sync.Mutex
	objects map[string]*thing // by name
	log     []string          // every write that the API server would have seen, in order

	refusals    []patch.Refusal
	cannotUndo  []string
	room        diagnosis.Room
	secret      string        // the value of a Secret of the plan
	goneAfter   time.Duration // how long a deleted object takes to be gone
	planErr     error
	compareErr  error
	existErr    error
	refusesBack error // what is there now
	planTakes,
	writeTakes,
	undoTakes,
	readTakes time.Duration
	front  rollout.Front // of every workload
	routes func() (routes []*unstructured.Unstructured, served bool, err error)
	// fault is asked before each write, undo and deletion, counted from 1 over all of them.
	fault func(n int, what string) fault
	count int
	// onWrite is called after each of them.
	onWrite func(n int, what string)
	freed   []string

	controllerOf    func(rollout.Object) (*unstructured.Unstructured, error)
	wholeLog        func(ctx context.Context, t diagnosis.LogTarget, most int) (string, bool, error)
	keepPod         func(ctx context.Context, p *corev1.Pod, k rollout.Keeping) error
	lacksForKeeping []string
	until           time.Time     // of the last comparison after a command
	firstAnswer     time.Duration // of a watch comes after that
	pruneWorld
	unaccepted func() time.Duration // nil: the credentials are accepted
}

// fault is what goes wrong with one write.
type fault struct {
	err error
	// done says that the write was carried out, and only its answer was lost.
	done bool
}

// behaviour is how an object answers to a write: what its status is some time after it.
type behaviour func(o *thing, age time.Duration) (ready string, message string)

func becomesReady(after time.Duration) behaviour {
	return func(_ *thing, age time.Duration) (string, string) {
		if age < after {
			return "False", "starting"
		}
		return "True", ""
	}
}

func never(*thing, time.Duration) (string, string) { return "False", "starting" }

func stalls(after time.Duration) behaviour {
	return func(_ *thing, age time.Duration) (string, string) {
		if age < after {
			return "False", "starting"
		}
		return "Stalled", "the controller has given up"
	}
}

func vanishes(after time.Duration) behaviour {
	return func(o *thing, age time.Duration) (string, string) {
		if age >= after {
			o.gone = true
		}
		return "False", "starting"
	}
}

// thing is one object: version 0 is none, 1 the one before, 2 the new one.
type thing struct {
	name     string
	kind     string
	version  int
	existed  bool
	same     bool // the manifest is what is there
	at       time.Time
	behaves  map[int]behaviour
	gone     bool
	theirs   []patch.Kept      // what others have changed meanwhile
	badImage bool              // a Pod of version 2 whose image name is wrong
	made     int               // how often a Job of that name was created
	notes    map[string]string // the annotations of version 2
	dress    func(u *unstructured.Unstructured, version int)

	annotations map[string]string // of a Pod
}

func newWorld(things ...*thing) *world {
	w := &world{objects: map[string]*thing{}}
	for _, t := range things {
		if t.kind == "" {
			t.kind = "Thing"
		}
		if t.behaves[1] == nil {
			t.behaves = map[int]behaviour{1: becomesReady(time.Second), 2: t.behaves[2]}
		}
		if t.existed || t.same {
			t.existed, t.version, t.at = true, 1, time.Now().Add(-time.Hour)
		}
		w.objects[t.name] = t
	}
	return w
}

// good is an object that exists, and whose new version becomes ready.
func good(name string) *thing {
	return &thing{name: name, existed: true, behaves: map[int]behaviour{2: becomesReady(3 * time.Second)}}
}

// bad is one whose new version does something else.
func bad(name string, b behaviour) *thing {
	return &thing{name: name, existed: true, behaves: map[int]behaviour{2: b}}
}

func created(name string, b behaviour) *thing {
	return &thing{name: name, behaves: map[int]behaviour{2: b}}
}

func (t *thing) ref() manifest.Ref {
	switch t.kind {
	case "Job":
		return manifest.Ref{Group: "batch", Kind: t.kind, Namespace: "shop", Name: t.name}
	case "Pod", "Secret", "ConfigMap":
		return manifest.Ref{Kind: t.kind, Namespace: "shop", Name: t.name}
	case "Namespace":
		return manifest.Ref{Kind: t.kind, Name: t.name}
	}
	return manifest.Ref{Group: "example.com", Kind: t.kind, Namespace: "shop", Name: t.name}
}

func (t *thing) object(version int) *unstructured.Unstructured {
	if version == 0 {
		return nil
	}
	api := "example.com/v1"
	if t.kind == "Pod" || t.kind == "Secret" || t.kind == "ConfigMap" || t.kind == "Namespace" {
		api = "v1"
	}
	uid := "uid-" + t.name
	if t.kind == "Job" {
		api, uid = "batch/v1", fmt.Sprintf("uid-%s-%d", t.name, t.made)
	}
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": api, "kind": t.kind,
		"metadata": map[string]any{"name": t.name, "namespace": "shop", "uid": uid, "generation": int64(version)},
		"spec":     map[string]any{"version": int64(version)},
	}}
	if t.kind == "Job" {
		u.Object["spec"] = map[string]any{}
	}
	u.SetCreationTimestamp(metav1.NewTime(t.at))
	if version == 2 && t.notes != nil {
		u.SetAnnotations(t.notes)
	}
	if t.dress != nil {
		t.dress(u, version)
	}
	return u
}

// live is the object as a watch has it.
func (t *thing) live() rollout.Object {
	ready, message := "True", ""
	if b := t.behaves[t.version]; b != nil {
		ready, message = b(t, time.Since(t.at))
	}
	if t.gone || t.version == 0 {
		return nil
	}
	if t.kind == "Pod" {
		return t.pod()
	}
	if t.kind == "Job" {
		return t.job(ready, message)
	}
	u := t.object(t.version)
	kind := "Ready"
	if ready == "Stalled" {
		kind, ready = "Stalled", "True"
	}
	condition := map[string]any{
		"type": kind, "status": ready, "message": message, "observedGeneration": int64(t.version),
		"lastTransitionTime": t.at.UTC().Format(time.RFC3339),
	}
	u.Object["status"] = map[string]any{"observedGeneration": int64(t.version), "conditions": []any{condition}}
	return u
}

// job has ended well when it is ready, and badly when it has stalled.
func (t *thing) job(ready, message string) *batchv1.Job {
	j := rollout.Typed(t.object(t.version)).(*batchv1.Job)
	ended := batchv1.JobCondition{Status: corev1.ConditionTrue, Message: message, LastTransitionTime: metav1.Now()}
	switch ready {
	case "True":
		ended.Type = batchv1.JobComplete
	case "Stalled":
		ended.Type, ended.Reason = batchv1.JobFailed, "BackoffLimitExceeded"
	default:
		return j
	}
	j.Status.Conditions = []batchv1.JobCondition{ended}
	return j
}

func (t *thing) pod() *corev1.Pod {
	p := &corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{Name: t.name, Namespace: "shop", Annotations: t.annotations, UID: types.UID("uid-" + t.name), Generation: int64(t.version), CreationTimestamp: metav1.NewTime(t.at)},
		Spec:       corev1.PodSpec{NodeName: "node1", Containers: []corev1.Container{{Name: "app", Image: "registry.example.com/app:v1"}}},
		Status:     corev1.PodStatus{Phase: corev1.PodPending},
	}
	if t.version == 2 && t.badImage {
		p.Spec.Containers[0].Image = "registry.example.com/App:v2"
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
			Reason: "InvalidImageName", Message: `Failed to apply default image tag "registry.example.com/App:v2": couldn't parse image name`,
		}}}}
		return p
	}
	p.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
		{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(t.at)},
	}, ContainerStatuses: []corev1.ContainerStatus{{Name: "app", Ready: true, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(t.at.Add(-time.Minute))}}}}}
	return p
}

// objects of the manifests are made of the names, in their order.
func (w *world) manifests(names ...string) []manifest.Object {
	var objects []manifest.Object
	for _, name := range names {
		u := w.objects[name].object(2)
		objects = append(objects, manifest.Object{Unstructured: u, Source: manifest.Source{Path: "deploy.yaml", Line: 1}})
	}
	return objects
}

func (w *world) Plan(ctx context.Context, objects []manifest.Object) (patch.Plan, error) {
	wait(ctx, w.planTakes)
	p := patch.Plan{Refusals: w.refusals, CannotUndo: w.cannotUndo}
	if w.secret != "" {
		p.Writes = append(p.Writes, patch.Write{Object: manifest.Object{Unstructured: &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "login"}, "stringData": map[string]any{"token": w.secret},
		}}}})
	}
	if w.planErr != nil || ctx.Err() != nil {
		return p, w.planErr
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, o := range objects {
		t := w.objects[o.GetName()]
		write := patch.Write{Ref: t.ref(), Manager: "rolloutgate", At: time.Now(), Before: t.object(t.version), Sent: o.DeepCopy(), After: t.object(2), Object: o, Source: o.Source, Action: patch.Configured}
		switch {
		case t.same:
			write.Action = patch.Unchanged
		case !t.existed:
			write.Action = patch.Created
		}
		if write.Hook, write.Test = o.Hook, o.Test; o.Hook {
			write.Before, write.Action = t.object(t.version), patch.Created
		}
		if write.Before != nil && o.Replace {
			write.Before, write.Replaces = nil, string(write.Before.GetUID())
		}
		p.Writes = append(p.Writes, write)
	}
	return p, nil
}

// step is one write: it takes its time, and the fault that is meant for it.
func (w *world) step(ctx context.Context, takes time.Duration, what string, do func()) error {
	wait(ctx, takes)
	w.mu.Lock()
	w.count++
	n := w.count
	var f fault
	if w.fault != nil {
		f = w.fault(n, what)
	}
	if ctx.Err() != nil {
		w.mu.Unlock()
		return ctx.Err()
	}
	if f.err == nil || f.done {
		w.log = append(w.log, what)
		do()
	}
	w.mu.Unlock()
	if w.onWrite != nil {
		w.onWrite(n, what)
	}
	return f.err
}

// as is a version of an object.
func (w *world) as(t *thing, version int) *unstructured.Unstructured {
	w.mu.Lock()
	defer w.mu.Unlock()
	return t.object(version)
}

func (w *world) Write(ctx context.Context, write *patch.Write) error {
	t := w.objects[write.Ref.Name]
	if write.Action == patch.Pruned {
		return w.prune(ctx, t, write)
	}
	err := w.step(ctx, w.writeTakes, "write "+t.name, func() {
		if t.version == 0 {
			t.made++
		}
		t.version, t.at = 2, time.Now()
	})
	write.At = time.Now()
	if err == nil {
		write.Written = w.as(t, 2)
	}
	return err
}

func (w *world) Undo(ctx context.Context, write patch.Write) patch.Undone {
	t := w.objects[write.Ref.Name]
	u := patch.Undone{Write: write, Action: patch.Restored, At: time.Now()}
	if write.Origin() == nil {
		u.Action = patch.Deleted
	}
	if write.Action == patch.Pruned {
		return w.recreate(ctx, t, u)
	}
	if t.version != 2 {
		u.Action = patch.NotWritten
		return u
	}
	if t.gone {
		u.Action, u.Why = patch.Left, "it was deleted after this run wrote it"
		return u
	}
	// The real one tries again for as long as its time allows.
	for {
		u.Err = w.step(ctx, w.undoTakes, "undo "+t.name, func() {
			t.version, t.at = 1, time.Now()
			if write.Origin() == nil {
				t.version = 0
			}
		})
		if u.Err == nil || ctx.Err() != nil || !uncertain(u.Err) {
			break
		}
		if t.version != 2 {
			u.Err = nil
			break
		}
		wait(ctx, 100*time.Millisecond)
	}
	if u.Err == nil && u.Action == patch.Restored {
		u.Restored, u.Kept = w.as(t, 1), t.theirs
	}
	return u
}

func (w *world) Unaccepted() time.Duration {
	if w.unaccepted == nil {
		return 0
	}
	return w.unaccepted()
}

func (w *world) Locate(_ context.Context, objects []manifest.Object) ([]manifest.Object, error) {
	located := slices.Clone(objects)
	for i := range located {
		if located[i].GetKind() == "Namespace" {
			located[i].SetNamespace("")
		}
	}
	return located, nil
}

func (w *world) Exist(_ context.Context, objects []manifest.Object) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.existErr != nil {
		return false, w.existErr
	}
	return slices.ContainsFunc(objects, func(o manifest.Object) bool {
		t, known := w.objects[o.GetName()]
		return known && t.version > 0
	}), nil
}

func (w *world) Remove(ctx context.Context, write patch.Write, uid string) error {
	t := w.objects[write.Ref.Name]
	if own := w.as(t, t.version); own != nil && string(own.GetUID()) != uid {
		return &patch.StaleError{Ref: write.Ref, What: "was created by somebody else"}
	}
	return w.step(ctx, w.writeTakes, "remove "+t.name, func() { t.version = 0 })
}

func (w *world) TryStep(context.Context, *patch.Write) error { return nil }

func (w *world) TryBack(context.Context, patch.Write) error { return w.refusesBack }

func (w *world) Gone(_ context.Context, u patch.Undone) (bool, error) {
	t := w.objects[u.Write.Ref.Name]
	return t.version == 0 && time.Since(t.at) >= w.goneAfter, nil
}

func (w *world) FreeStuck(_ context.Context, live rollout.Object, revision string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.freed = append(w.freed, live.GetName()+" of "+revision)
	return []string{live.GetName() + "-0"}, nil
}

func (w *world) NextOld(context.Context, rollout.Workload, int32) ([]*corev1.Pod, string, error) {
	return nil, "", nil
}

func (w *world) Replace(context.Context, *corev1.Pod) error { return nil }

func (w *world) Foreign(_ context.Context, write patch.Write) ([]patch.Kept, error) {
	return w.objects[write.Ref.Name].theirs, nil
}

func (w *world) PodsOf(context.Context, []rollout.Object) ([]rollout.RunningPod, error) {
	return nil, nil
}

func (w *world) Front(_ context.Context, of manifest.Ref, _ string) (rollout.Front, error) {
	return w.front, nil
}

func (w *world) Routes(context.Context, string) ([]*unstructured.Unstructured, bool, error) {
	if w.routes == nil {
		return nil, false, nil
	}
	return w.routes()
}

func (w *world) WholeLog(ctx context.Context, _ string, t diagnosis.LogTarget, most int) (string, bool, error) {
	if w.wholeLog == nil {
		return "", false, nil
	}
	return w.wholeLog(ctx, t, most)
}

func (w *world) KeepPod(ctx context.Context, p *corev1.Pod, k rollout.Keeping) error {
	if w.keepPod == nil {
		return nil
	}
	return w.keepPod(ctx, p, k)
}

func (w *world) LacksForKeeping(context.Context, string) []string { return w.lacksForKeeping }

func (w *world) Room(context.Context, string, bool) (diagnosis.Room, error) { return w.room, nil }

func (w *world) ControllerOf(_ context.Context, o rollout.Object) (*unstructured.Unstructured, error) {
	if w.controllerOf == nil {
		return nil, nil
	}
	return w.controllerOf(o)
}

func (w *world) ServicesOf(context.Context, rollout.Object) ([]string, error) { return nil, nil }

func (w *world) Watch(ctx context.Context, targets []rollout.Target) Watch {
	return &fakeWatch{w: w, ctx: ctx, targets: targets, began: time.Now()}
}

// history is what was written, in one line.
func (w *world) history() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.log, ", ")
}

// versions are those of the objects, by name.
func (w *world) versions() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for name, t := range w.objects {
		all = append(all, fmt.Sprintf("%s=%d", name, t.version))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

type fakeWatch struct {
	w       *world
	ctx     context.Context
	targets []rollout.Target
	began   time.Time
}

func (f *fakeWatch) Changed() <-chan struct{} { return nil } // the loop looks again by its own clock
func (f *fakeWatch) Synced(int) bool          { return time.Since(f.began) >= f.w.firstAnswer }
func (f *fakeWatch) Arrivals(int) uint64      { return uint64(time.Now().UnixNano()) } // every moment has news
func (f *fakeWatch) LookCloser(int)           {}
func (f *fakeWatch) LookAtServices(int)       {}
func (f *fakeWatch) Wait()                    { <-f.ctx.Done() }

func (f *fakeWatch) Workload(i int) rollout.Workload {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	target := f.targets[i]
	t := f.w.objects[target.Ref.Name]
	w := rollout.Workload{Ref: target.Ref, Applied: target.Applied, Ends: target.Ends, OwnTime: target.OwnTime, Own: target.Own, Since: target.Since, Now: time.Now(), Live: t.live(), ServicesKnown: true}
	if p, ok := w.Live.(*corev1.Pod); ok {
		w.Pods, w.PodsKnown = []*corev1.Pod{p}, true
	}
	return w
}

func (f *fakeWatch) Evidence(i int, s rollout.Status) diagnosis.Evidence {
	return diagnosis.Evidence{Workload: f.Workload(i), Status: s, Manifest: f.targets[i].Manifest}
}

func (f *fakeWatch) Read(ctx context.Context, i int, s rollout.Status, needs func(diagnosis.Evidence) diagnosis.Need) diagnosis.Evidence {
	wait(ctx, f.w.readTakes)
	ev := f.Evidence(i, s)
	needs(ev)
	return ev
}

var (
	errLost    = context.DeadlineExceeded // an answer that did not come
	errRefused = apierrors.NewForbidden(schema.GroupResource{Group: "example.com", Resource: "things"}, "web", errors.New(noRight))
)

// noRight is how an API server says what an account may not do.
var noRight = `User "ci" cannot patch resource "things" in API group "example.com" in the namespace "shop"`
