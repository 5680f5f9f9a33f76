package gate

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/prune"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Cluster is what a run needs of a cluster. gate/cluster has the real one; the tests of a run have one of their own.
// Every method returns soon after its context has ended.
type Cluster interface {
	// Unaccepted is for how long the API server has not accepted the credentials of the run; zero while it does.
	Unaccepted() time.Duration
	// Plan reads every object once and asks what writing it would do. It changes nothing.
	Plan(ctx context.Context, objects []manifest.Object) (patch.Plan, error)
	// Snapshot reads what a command is expected to change, as writes of which only the state before is known. Compare finds out
	// what has become of them, and what was created in the scope since; notes are about what could not be put back. Both change
	// nothing.
	Snapshot(ctx context.Context, scope record.Scope) (patch.Plan, error)
	Compare(ctx context.Context, scope record.Scope, before []patch.Write) (after []patch.Write, notes []string, err error)
	// Locate fills the namespaces of objects in, Exist tells whether at least one of some is there.
	Locate(ctx context.Context, objects []manifest.Object) ([]manifest.Object, error)
	Exist(ctx context.Context, objects []manifest.Object) (bool, error)
	// TryBack asks whether the object of before a write would be taken again. It changes nothing.
	TryBack(ctx context.Context, w patch.Write) error
	// Write writes one object, on the condition that it still is what was planned, and fills in what became of it. An
	// error after which Written is nil does not mean that nothing was written: an answer can be lost. Undo finds out.
	Write(ctx context.Context, w *patch.Write) error
	// TryStep asks what a step of several would make of an object as it is now, and fills that in. It changes nothing.
	TryStep(ctx context.Context, w *patch.Write) error
	// Undo takes one write back, as far as it is still this run's.
	Undo(ctx context.Context, w patch.Write) patch.Undone
	// Remove deletes the object of a write if it is the one with that UID, and waits until it is gone.
	Remove(ctx context.Context, w patch.Write, uid string) error
	// Gone tells whether an object that an undo deleted is gone, with everything below it.
	Gone(ctx context.Context, u patch.Undone) (bool, error)
	// Leftovers reads objects of an earlier run as they are now, and what others have written into them since. Readers are
	// what runs pods in a namespace, LacksForPruning the rights that the account lacks to delete objects and to create them
	// again, in words. They change nothing. Write deletes an object whose action is Pruned.
	Leftovers(ctx context.Context, members []patch.Write) ([]prune.Leftover, error)
	Readers(ctx context.Context, namespace string, pods bool) ([]prune.Reader, error)
	LacksForPruning(ctx context.Context, prunes []patch.Write) []string
	// Foreign lists what others have changed of an object since this run wrote it.
	Foreign(ctx context.Context, w patch.Write) ([]patch.Kept, error)
	// Watch begins to follow the targets, until ctx ends.
	Watch(ctx context.Context, targets []rollout.Target) Watch
	// FreeStuck deletes the pods of a revision that are not ready and keep a StatefulSet from moving; it returns their
	// names.
	FreeStuck(ctx context.Context, live rollout.Object, revision string) ([]string, error)
	// WholeLog reads the log of one attempt of a container: its last whole lines, of at most that many bytes. cut says that
	// something of it is missing.
	WholeLog(ctx context.Context, namespace string, t diagnosis.LogTarget, most int) (text string, cut bool, err error)
	// KeepPod takes a pod out of the hands of its controller, if it still is that pod. LacksForKeeping are the rights that
	// the account lacks for that, in words.
	KeepPod(ctx context.Context, p *corev1.Pod, k rollout.Keeping) error
	LacksForKeeping(ctx context.Context, namespace string) []string
	// Room reads what a namespace and the nodes have for more pods, as far as the account may.
	Room(ctx context.Context, namespace string, withClaims bool) (diagnosis.Room, error)
	// Front reads what stands before the pods of one revision of a Deployment; an empty one is that of its template now.
	Front(ctx context.Context, of manifest.Ref, revision string) (rollout.Front, error)
	// NextOld are the old pods of a DaemonSet that are to be deleted next, so that as many nodes as its goal says have a new
	// one; atOnce is how many nodes may be without an available one. note says what is not known of the nodes. It changes
	// nothing. Replace deletes one of them.
	NextOld(ctx context.Context, w rollout.Workload, atOnce int32) (next []*corev1.Pod, note string, err error)
	Replace(ctx context.Context, p *corev1.Pod) error
	// Routes lists the HTTPRoutes of a namespace; served is false for a cluster that does not have the kind.
	Routes(ctx context.Context, namespace string) (routes []*unstructured.Unstructured, served bool, err error)
	// ControllerOf reads the object that an object's controller works for; nil when there is none.
	ControllerOf(ctx context.Context, o rollout.Object) (*unstructured.Unstructured, error)
	// PodsOf lists the pods below the objects, ServicesOf names the Services that select an object's pods.
	PodsOf(ctx context.Context, objects []rollout.Object) ([]rollout.RunningPod, error)
	ServicesOf(ctx context.Context, object rollout.Object) ([]string, error)
}

// Watch follows targets, which it knows by their number. But for Read and Wait, its methods answer at once from what has
// arrived so far.
type Watch interface {
	// Changed is signalled when something has arrived since the last signal was taken.
	Changed() <-chan struct{}
	// Synced tells whether the first answer about a target has arrived.
	Synced(i int) bool
	// Arrivals counts what has arrived about a target: while it stays the same, Workload and Evidence say what they said, but
	// for the time.
	Arrivals(i int) uint64
	Workload(i int) rollout.Workload
	// Evidence is what has arrived that explains trouble of a target.
	Evidence(i int, s rollout.Status) diagnosis.Evidence
	// Read is Evidence completed by everything else that is worth reading: the pods of all revisions, the environment, and
	// then the logs and names that needs asks for. It may be called while the watch goes on, from any goroutine.
	Read(ctx context.Context, i int, s rollout.Status, needs func(diagnosis.Evidence) diagnosis.Need) diagnosis.Evidence
	// LookCloser follows the pods of a target, however many there are; LookAtServices the Services that select them.
	LookCloser(i int)
	LookAtServices(i int)
	// Wait returns when everything below has ended.
	Wait()
}
