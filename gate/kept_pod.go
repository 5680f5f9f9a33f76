package gate

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// keptPodTime is how long the undo may be kept waiting for a pod that is to be left out of it.
const keptPodTime = 3 * time.Second

// KeptPod is a pod of the bad version that an undo has left for a person to look at. No controller owns it and no
// selector finds it.
type KeptPod struct {
	Object   manifest.Ref `json:"object"`
	Workload manifest.Ref `json:"workload"`
	// Container is the one to look at; empty when no finding blames one.
	Container string `json:"container,omitempty"`
}

// suspect is a pod of a new version that is bad, or of a version that is.
type suspect struct {
	pod       *corev1.Pod
	workload  manifest.Ref
	container string
	claims    []*corev1.PersistentVolumeClaim
	serves    int // pods of the workload that are ready, of both versions
}

// servesAlone tells whether no other pod of its workload is ready.
func (s suspect) servesAlone() bool { return s.serves == 1 && rollout.IsReady(s.pod) }

// mayKeep notes before anything is written that no pod can be kept, for lack of a right.
func (r *run) mayKeep(p patch.Plan) {
	if !r.g.KeepBadPod || r.g.NeverUndo {
		return
	}
	ctx, release := r.course.enter(Planning, planTime)
	defer release()
	var asked []string
	for _, w := range p.Writes {
		if k, _ := rollout.KindOf(w.Ref.GroupKind()); k.Spec == nil || slices.Contains(asked, w.Ref.Namespace) {
			continue
		}
		asked = append(asked, w.Ref.Namespace)
		if lacks := r.g.Cluster.LacksForKeeping(ctx, w.Ref.Namespace); len(lacks) > 0 {
			r.note("no bad pod could be kept in namespace %s: this account cannot %s", w.Ref.Namespace, strings.Join(lacks, ", "))
		}
	}
}

// keepPod takes one bad pod out of what is about to be undone, so that a person can look at it. What goes wrong with that
// is noted and is no reason to be late with the undo; whoever has cancelled the run wants nothing but the undo.
func (r *run) keepPod() *KeptPod {
	if _, cancelled := r.course.cancelled(); cancelled || !r.g.KeepBadPod || r.course.yielded() != nil {
		return nil
	}
	s, why := r.suspect()
	if why != "" {
		r.note("no bad pod was kept: %s", why)
		return nil
	}
	ctx, release := r.course.enter(Explaining, keptPodTime)
	defer release()
	if r.mayWrite(ctx) != nil {
		return nil
	}
	kept := KeptPod{Object: manifest.Ref{Kind: "Pod", Namespace: s.pod.Namespace, Name: s.pod.Name}, Workload: s.workload, Container: s.container}
	err := r.g.Cluster.KeepPod(ctx, s.pod, rollout.Keeping{From: s.workload, Run: r.report.Run.ID, At: now()})
	switch {
	case err == nil:
		r.tell(s.workload, kept)
		return &kept
	case uncertain(err) || ctx.Err() != nil:
		r.note("whether %s was kept is not known: %v; `kubectl get pods -n %s -l %s` tells", kept.Object, err, kept.Object.Namespace, rollout.KeptFromLabel)
	default:
		r.note("%s was not kept: %v", kept.Object, err)
	}
	return nil
}

// suspect is the pod to keep: that of the first finding about one, else the first that is not Ready, else any of a version
// that is bad by its criteria or its test. Those that cannot be kept are passed over; why is that of the first of them.
func (r *run) suspect() (s suspect, why string) {
	for _, s := range r.suspects() {
		cannot := rollout.CannotKeep(s.pod, s.claims)
		if cannot == "" && r.creates(s.pod.Namespace) {
			cannot = "its namespace goes with the undo"
		}
		if cannot == "" && s.servesAlone() && r.writeOf(s.workload).Origin() != nil {
			cannot = "no other pod is ready, and nobody would serve until one is"
		}
		if cannot == "" {
			return s, ""
		}
		if why == "" {
			why = "pod/" + s.pod.Name + " cannot be: " + cannot
		}
	}
	if why == "" {
		why = "no pod of a new version is known that the undo would end"
	}
	return suspect{}, why
}

func (r *run) suspects() []suspect {
	var blamed, unready, others []suspect
	for _, z := range r.frozen {
		if !r.undoReplaces(z.evidence.Workload.Ref) {
			continue
		}
		serves := 0
		for _, p := range slices.Concat(rollout.NewPods(z.evidence.Workload), rollout.OldPods(z.evidence.Workload)) {
			if p.DeletionTimestamp == nil && rollout.IsReady(p) {
				serves++
			}
		}
		for _, p := range rollout.NewPods(z.evidence.Workload) {
			s := suspect{pod: p, workload: z.evidence.Workload.Ref, claims: z.evidence.Claims, serves: serves}
			if rollout.IsReady(p) {
				others = append(others, s)
			} else {
				unready = append(unready, s)
			}
		}
	}
	all := slices.Concat(unready, others)
	for _, f := range r.findings {
		i := slices.IndexFunc(all, func(s suspect) bool { return blames(f, s) })
		if i >= 0 && f.Blames() {
			s := all[i]
			s.container = f.Container
			blamed = append(blamed, s)
		}
	}
	return append(blamed, all...)
}

func blames(f diagnosis.Finding, s suspect) bool {
	return f.Object.Kind == "Pod" && f.Object.Name == s.pod.Name && f.Object.Namespace == s.pod.Namespace && (f.Object.UID == "" || f.Object.UID == string(s.pod.UID))
}

// undoReplaces tells whether an undo ends the new pods of a workload: this run has made it, or given it another version.
func (r *run) undoReplaces(ref manifest.Ref) bool {
	w := r.writeOf(ref)
	return w != nil && (w.Origin() == nil && w.Action == patch.Created || changesPods(*w))
}

// creates tells whether this run has made a namespace: an undo removes it, unless something is left in it.
func (r *run) creates(namespace string) bool {
	return slices.ContainsFunc(r.writes, func(w patch.Write) bool {
		return w.Ref == manifest.Ref{Kind: "Namespace", Name: namespace} && w.Origin() == nil && w.Action != patch.Unchanged
	})
}
