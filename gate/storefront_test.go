package gate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// storefront is a made-up cluster with one Deployment, web, whose three pods are of the revisions OLD, NEW and THIRD, and with Services
// in front of them. Its log has the writes as "web beside", "web", "pin svc to OLD", "svc", "undo web" and "undo svc".
type storefront struct {
	*world
	live    map[string]*unstructured.Unstructured // by name
	at      map[string]time.Time                  // when each was written last
	changed []string                              // Services that the release changes
	apart   []string                              // Services that are not among the manifests
	creates []string                              // Services that only the manifests have

	wants    int               // the version of the manifests
	breaks   string            // the stage in which the new pods fail: beside, switch, promote or unpin
	led      map[string]string // to which revision each Service led before it was written last; the nodes know that a while later
	pods     map[string]int32  // how many were there of each revision when the template was written last
	aside    string            // the revision whose pods were only to run beside the others then
	shared   []string
	unmade   bool // the controller makes no ReplicaSet of the new template
	others   int32
	frontErr error
	hangs    bool // nothing of the fronts is answered any more once the new pods run
	dead     bool // nothing that the run asks for is done any more
	outages  []string
}

func newStorefront(services ...string) *storefront {
	f := &storefront{world: newWorld(), wants: 2, pods: map[string]int32{"OLD": 3}, led: map[string]string{}, live: map[string]*unstructured.Unstructured{"web": deploymentOf(1)}, at: map[string]time.Time{}}
	for _, name := range services {
		name, how, _ := strings.Cut(name, " ")
		switch how {
		case "changed":
			f.changed = append(f.changed, name)
		case "apart":
			f.apart = append(f.apart, name)
		}
		f.live[name] = serviceOf(name, 80)
	}
	return f
}

func deploymentOf(version int) *unstructured.Unstructured {
	w := staged("Deployment", 3, map[string]any{"strategy": map[string]any{"type": "RollingUpdate"}})
	u := w.Before
	if version > 1 {
		u = w.After
		spec := u.Object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
		spec["containers"].([]any)[0].(map[string]any)["image"] = fmt.Sprintf("web:v%d", version)
	}
	u.SetUID("uid-web")
	u.SetGeneration(1)
	return u
}

func serviceOf(name string, port int64) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name, "namespace": "shop", "uid": "uid-" + name},
		"spec": map[string]any{"selector": map[string]any{"app": "web"}, "ports": []any{map[string]any{"port": port}}},
	}}
}

// release are the manifests: the Services first.
func (f *storefront) release() []manifest.Object {
	var all []manifest.Object
	add := func(u *unstructured.Unstructured) {
		unstructured.RemoveNestedField(u.Object, "metadata", "uid")
		unstructured.RemoveNestedField(u.Object, "metadata", "generation")
		all = append(all, manifest.Object{Unstructured: u, Source: manifest.Source{Path: "deploy.yaml", Line: 1}})
	}
	for _, name := range f.services() {
		switch {
		case slices.Contains(f.changed, name) && f.wants == 2:
			add(serviceOf(name, 81))
		case !slices.Contains(f.apart, name):
			add(serviceOf(name, 80))
		}
	}
	for _, name := range f.creates {
		add(serviceOf(name, 80))
	}
	add(deploymentOf(f.wants))
	return all
}

func (f *storefront) services() []string {
	var names []string
	for name := range f.live {
		if name != "web" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func pinOf(u *unstructured.Unstructured) string {
	hash, _, _ := unstructured.NestedString(content(u), strings.Split(patch.PinPath, ".")...)
	return hash
}

// portOf is that of a Service; old pods have 80, which release 2 may change.
func portOf(u *unstructured.Unstructured) int64 {
	ports, _, _ := unstructured.NestedSlice(content(u), "spec", "ports")
	port, _ := ports[0].(map[string]any)["port"].(int64)
	return port
}

// version is that of the template, beside whether the new pods are to run beside the old ones.
func (f *storefront) version() (version int, beside bool) {
	d := rollout.Typed(f.live["web"]).(*appsv1.Deployment)
	version = int(d.Spec.Template.Spec.Containers[0].Image[len("web:v")] - '0')
	return version, version > 1 && d.Spec.MinReadySeconds > 0
}

// revisions are those of versions 1, 2 and 3.
var revisions = []string{"", "OLD", "NEW", "THIRD"}

// running are how many pods run of each revision, and how many of the one of the template are ready. New ones take three seconds;
// ending ones take one, or as long as it takes to replace them. Of pods that were only to run beside others the controller thinks
// that they are not available yet, so they go first when there is a newer template.
func (f *storefront) running() (pods map[string]int32, ready int32) {
	version, beside := f.version()
	now, age := revisions[version], time.Since(f.at["web"])
	there := f.pods[now] > 0
	pods = map[string]int32{now: 3}
	for name, n := range f.pods {
		if name == now {
			continue
		}
		switch passed := age >= time.Second; {
		case name == f.aside && passed:
		case beside, !passed, !there && age < 3*time.Second:
			pods[name] = n
		}
	}
	switch {
	case !there && age < 3*time.Second, beside && f.broken(3*time.Second), f.breaks == "promote" && version > 1 && !beside && age >= time.Second, version > 1 && !beside && f.broken(0):
		return pods, 0
	}
	return pods, 3
}

// written notes what is there when the template is written.
func (f *storefront) written(name string) {
	if name == "web" {
		version, beside := f.version()
		f.pods, _ = f.running()
		f.aside = ""
		if beside {
			f.aside = revisions[version]
		}
	} else if now := f.live[name]; now != nil {
		f.led[name] = pinOf(now)
	}
	f.at[name] = time.Now()
}

// broken tells whether the new pods fail by now.
func (f *storefront) broken(after time.Duration) bool {
	version, beside := f.version()
	of := map[string]func() bool{
		"":        func() bool { return false },
		"beside":  func() bool { return beside },
		"switch":  func() bool { return beside && pinOf(f.live["svc"]) == revisions[version] },
		"promote": func() bool { return !beside },
		"unpin":   func() bool { return !beside && pinOf(f.live["svc"]) == "" },
	}
	last := f.at["web"]
	if s := f.at["svc"]; s.After(last) {
		last = s
	}
	return of[f.breaks]() && time.Since(last) >= after
}

// troubled makes the fronts unknown for a while after a write.
func (f *storefront) troubled(after string, err error, d time.Duration) {
	f.onWrite = func(_ int, what string) {
		if what == after {
			f.fails(err)
			time.AfterFunc(d, func() { f.fails(nil) })
		}
	}
}

// dies makes a run one that is killed right after it has written something: nobody does what it asks for, its store
// neither. It lives again when that is over.
func (f *storefront) dies(b *books, after string) (revive func()) {
	f.fault = func(int, string) fault {
		if f.dead {
			return fault{err: errRefused}
		}
		return fault{}
	}
	b.fault = func(string) error {
		if f.dead {
			return errRefused
		}
		return nil
	}
	f.onWrite = func(_ int, what string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dead = f.dead || what == after
	}
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.dead, f.onWrite, f.log = false, nil, nil
	}
}

// noteOutages notes Services that send their traffic to a revision without pods, or as pods of another one have it.
func (f *storefront) noteOutages(what string) {
	pods, _ := f.running()
	version, _ := f.version()
	for _, name := range f.services() {
		to, led := pinOf(f.live[name]), f.led[name]
		if what == "web beside" && led != "" && led == f.aside && time.Since(f.at[name]) < time.Second {
			f.outages = append(f.outages, what+": "+name+" still leads to "+led)
		}
		if name == "try" || to == "" {
			continue // no user asks it, or all pods answer
		}
		gone := pods[to] == 0 || to == f.aside && to != revisions[version]
		if gone || to == "OLD" && portOf(f.live[name]) != 80 {
			f.outages = append(f.outages, what+": "+name+" to "+to)
		}
	}
}

// templateNow is version, for who does not hold the lock.
func (f *storefront) templateNow() (version int, beside bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.version()
}

func (f *storefront) fails(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.frontErr = err
}

func (f *storefront) Plan(_ context.Context, objects []manifest.Object) (patch.Plan, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var p patch.Plan
	for _, o := range objects {
		w := patch.Write{Ref: o.Ref(), Manager: "rolloutgate", At: time.Now(), Action: patch.Configured, Sent: o.DeepCopy(), Object: o, Source: o.Source, After: o.DeepCopy()}
		if now := f.live[o.GetName()]; now != nil {
			w.Before = now.DeepCopy()
			w.After.SetUID(now.GetUID())
			w.After.SetGeneration(now.GetGeneration() + 1)
			if same(w.After, now) {
				w.Action, w.After = patch.Unchanged, now.DeepCopy()
			}
		} else {
			w.Action = patch.Created
		}
		p.Writes = append(p.Writes, w)
	}
	return p, nil
}

func same(a, b *unstructured.Unstructured) bool {
	return equality.Semantic.DeepEqual(a.Object["spec"], b.Object["spec"])
}

func (f *storefront) called(w patch.Write) string {
	if w.Ref.Kind == "Deployment" {
		if rollout.Typed(w.After).(*appsv1.Deployment).Spec.MinReadySeconds > 0 {
			return "web beside"
		}
		return "web"
	}
	if to := pinOf(w.Sent); to != "" {
		return "pin " + w.Ref.Name + " to " + to
	}
	return w.Ref.Name
}

// Write is on the condition that the object still is what was planned, or what the step before has made of it.
func (f *storefront) Write(ctx context.Context, w *patch.Write) error {
	was := w.Before
	if w.Last != nil {
		was = w.Last
	}
	if now := f.now(w.Ref); now != nil && (was == nil || !same(now, was) && !same(now, w.After)) {
		return &patch.StaleError{Ref: w.Ref, What: "was changed by somebody else"}
	}
	err := f.step(ctx, f.writeTakes, f.called(*w), func() {
		now := w.After.DeepCopy()
		if before := f.live[w.Ref.Name]; before != nil {
			now.SetGeneration(before.GetGeneration() + 1)
		}
		f.noteOutages("before " + f.called(*w))
		f.written(w.Ref.Name)
		f.live[w.Ref.Name] = now
		f.noteOutages(f.called(*w))
	})
	if w.At = time.Now(); err == nil {
		w.Written = f.now(w.Ref)
	}
	return err
}

func (f *storefront) now(ref manifest.Ref) *unstructured.Unstructured {
	f.mu.Lock()
	defer f.mu.Unlock()
	if u := f.live[ref.Name]; u != nil {
		return u.DeepCopy()
	}
	return nil
}

func (f *storefront) Undo(ctx context.Context, w patch.Write) patch.Undone {
	u := patch.Undone{Write: w, Action: patch.Restored, At: time.Now()}
	origin := w.Origin()
	if now := f.now(w.Ref); now == nil || origin != nil && same(now, origin) {
		u.Action = patch.NotWritten
		return u
	}
	u.Err = f.step(ctx, f.undoTakes, "undo "+w.Ref.Name, func() {
		f.noteOutages("before undo " + w.Ref.Name)
		f.written(w.Ref.Name)
		if origin == nil {
			u.Action = patch.Deleted
			delete(f.live, w.Ref.Name)
			return
		}
		back := origin.DeepCopy()
		back.SetGeneration(f.live[w.Ref.Name].GetGeneration() + 1)
		f.live[w.Ref.Name] = back
		u.Restored = back.DeepCopy()
		f.noteOutages("undo " + w.Ref.Name)
	})
	return u
}

func (f *storefront) Front(ctx context.Context, of manifest.Ref, revision string) (rollout.Front, error) {
	if version, _ := f.templateNow(); f.hangs && version == 2 {
		<-ctx.Done()
		return rollout.Front{}, ctx.Err()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	front := rollout.Front{Revision: revision, Wanted: 3, Shared: f.shared}
	if f.frontErr != nil || f.dead {
		return front, cmp.Or(f.frontErr, error(errRefused))
	}
	version, _ := f.version()
	if revision == "" && (version == 1 || !f.unmade) {
		front.Revision = revisions[version]
	}
	pods, ready := f.running()
	front.Others = f.others
	for name, n := range pods {
		switch {
		case name != front.Revision:
			front.Others += n
		case name == revisions[version]:
			front.Pods, front.Ready = n, ready
		default:
			front.Pods, front.Ready = n, n
		}
	}
	for _, name := range f.services() {
		front.Services = append(front.Services, f.live[name].DeepCopy())
	}
	return front, nil
}

func (f *storefront) Exist(context.Context, []manifest.Object) (bool, error) { return true, nil }

func (f *storefront) Gone(context.Context, patch.Undone) (bool, error) { return true, nil }

func (f *storefront) Foreign(context.Context, patch.Write) ([]patch.Kept, error) { return nil, nil }

func (f *storefront) Watch(ctx context.Context, targets []rollout.Target) Watch {
	return storefrontWatch{&fakeWatch{w: f.world, ctx: ctx, targets: targets}, f}
}

type storefrontWatch struct {
	*fakeWatch
	f *storefront
}

func (w storefrontWatch) Workload(i int) rollout.Workload {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	target := w.targets[i]
	d := rollout.Typed(w.f.live["web"]).(*appsv1.Deployment).DeepCopy()
	pods, ready := w.f.running()
	version, beside := w.f.version()
	var old int32
	for name, n := range pods {
		if name != revisions[version] {
			old += n
		}
	}
	d.Status = appsv1.DeploymentStatus{ObservedGeneration: d.Generation, Replicas: old + 3, UpdatedReplicas: 3, ReadyReplicas: old + ready, AvailableReplicas: old + ready}
	if beside {
		d.Status.AvailableReplicas = old
	}
	if version > 1 && w.f.broken(2*time.Second) {
		d.Status.Conditions = []appsv1.DeploymentCondition{{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: rollout.ReasonDeadline, Message: "has timed out", LastUpdateTime: metav1.Now()}}
	}
	set := func(name, image string, number string, ready int32) *appsv1.ReplicaSet {
		controls := true
		rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{
			Name: "web-" + strings.ToLower(name), Labels: map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: name}, Annotations: map[string]string{"deployment.kubernetes.io/revision": number},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", UID: types.UID("uid-web"), Controller: &controls}},
		}}
		rs.Spec.Template = *d.Spec.Template.DeepCopy()
		rs.Spec.Template.Spec.Containers[0].Image = image
		rs.Status.ReadyReplicas = ready
		return rs
	}
	var sets []*appsv1.ReplicaSet
	for v := 1; v <= max(version, 2); v++ {
		n := pods[revisions[v]]
		if v == version {
			n = ready
		}
		sets = append(sets, set(revisions[v], fmt.Sprintf("web:v%d", v), fmt.Sprint(v), n))
	}
	return rollout.Workload{
		Ref: target.Ref, Applied: target.Applied, Previous: target.Previous, Goal: target.Goal, Since: target.Since, Now: time.Now(), Live: d, ServicesKnown: true,
		ReplicaSets: sets, PodsKnown: true,
	}
}

func (w storefrontWatch) Evidence(i int, s rollout.Status) diagnosis.Evidence {
	return diagnosis.Evidence{Workload: w.Workload(i), Status: s, Manifest: w.targets[i].Manifest}
}

func (w storefrontWatch) Read(_ context.Context, i int, s rollout.Status, needs func(diagnosis.Evidence) diagnosis.Need) diagnosis.Evidence {
	ev := w.Evidence(i, s)
	needs(ev)
	return ev
}

// fleetBooks are the store of runs on a storefront.
type fleetBooks struct {
	*books
	f *storefront
}

// Trace goes by the content: the first step of several was carried out when anything is.
func (b fleetBooks) Trace(_ context.Context, w *patch.Write) error {
	now := b.f.now(w.Ref)
	switch {
	case w.Action == patch.Unchanged || w.Written != nil || now == nil || w.Before != nil && same(now, w.Before):
	case w.Step == 0:
		w.Written = w.After.DeepCopy()
	case patch.AtStep(*w, now):
		w.Written = now
	}
	return nil
}

// Rebase keeps what was before the earlier write.
func (b fleetBooks) Rebase(_ context.Context, earlier, w patch.Write) (patch.Write, error) {
	if earlier.Written != nil {
		w.Base = &patch.Base{Object: earlier.Origin()}
	}
	return w, nil
}

// gate is a gate over the storefront with a store, whose history writes into the log of the storefront: records that know of NEW.
func (f *storefront) gate(t *testing.T, d Delivery) (Gate, *books) {
	t.Helper()
	b := newBooks(f.world)
	g := kept(b)
	g.Cluster, g.Store, g.Delivery, g.Timeout = f, fleetBooks{b, f}, d, 5*time.Minute
	return g, b
}

func previewed(hold time.Duration) Delivery {
	return Delivery{Parts: []Part{{Preview: &Preview{}}, {Switch: true, Hold: hold}}}
}

// left is how the storefront is: the version of the template, what Services are pinned to, and which have their new port.
func (f *storefront) left() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	version, beside := f.version()
	text := fmt.Sprintf("web=%d", version)
	if beside {
		text += " beside"
	}
	for _, name := range f.services() {
		u := f.live[name]
		text += fmt.Sprintf(" %s:%d", name, portOf(u))
		if to := pinOf(u); to != "" {
			text += "@" + to
		}
	}
	return text
}
