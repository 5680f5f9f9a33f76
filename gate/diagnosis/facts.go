package diagnosis

import (
	"slices"
	"sort"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// skew is how far clocks of the cluster's components may differ before a time stops meaning "before".
const skew = 5 * time.Second

// facts are the evidence sorted for the rules: only what belongs to the new revision and to this rollout.
type facts struct {
	Evidence
	catalogue *Catalogue
	w         rollout.Workload
	now       time.Time

	// pods are those of the new revision that should run: neither being deleted nor finished.
	pods []*corev1.Pod
	// failed are pods of the new revision in phase Failed. A ReplicaSet never deletes them, so they pile up.
	failed []*corev1.Pod
	// old are the pods of other revisions that are not being deleted, leaving those that are.
	old, leaving []*corev1.Pod
	// foreign are pods that match the selector and belong to another workload.
	foreign    []*corev1.Pod
	containers []container
	ready      int // of pods

	template *corev1.PodTemplateSpec // wanted by this rollout; nil for kinds without one
	previous *corev1.PodTemplateSpec // before this rollout; nil when there was none
	// differences between the two are computed once; see changes.
	differences []Change
	compared    bool
	podPath     string             // of the pod's spec inside the workload: spec.template.spec
	events      map[string][]Event // by UID of the object, oldest first
}

// container is one container of one new pod: how it was asked for and what became of it.
type container struct {
	pod    *corev1.Pod
	spec   corev1.Container
	status corev1.ContainerStatus
	// initial containers run before the others; a sidecar is an initial one that stays (restartPolicy: Always).
	initial, sidecar bool
	// injected containers are not in the manifest: a webhook added them.
	injected bool
}

// newFacts sorts the evidence.
func (c *Catalogue) newFacts(ev Evidence) *facts {
	s := &facts{catalogue: c, Evidence: ev, w: ev.Workload, now: ev.Workload.Now, podPath: rollout.PodSpecPath(ev.Workload.Ref.GroupKind())}
	s.template = templateOf(ev.Workload.Applied)
	if s.template == nil {
		s.template = templateOf(ev.Workload.Live)
	}
	s.previous = previousTemplate(ev)
	s.events = map[string][]Event{}
	for _, e := range ev.Events {
		if s.fresh(e.Time) {
			s.events[e.UID] = append(s.events[e.UID], e)
		}
	}
	for _, list := range s.events {
		sort.SliceStable(list, func(i, j int) bool { return list[i].Time.Before(list[j].Time) })
	}
	for _, p := range sortedPods(rollout.NewPods(ev.Workload)) {
		switch {
		case p.DeletionTimestamp != nil:
		case p.Status.Phase == corev1.PodFailed:
			s.failed = append(s.failed, p)
		case p.Status.Phase == corev1.PodSucceeded && !s.isJob():
			if evicted, ok := s.evicted(p); ok {
				s.failed = append(s.failed, evicted)
			}
		case p.Status.Phase != corev1.PodSucceeded:
			s.pods = append(s.pods, p)
			if rollout.IsReady(p) {
				s.ready++
			}
		}
	}
	for _, p := range sortedPods(rollout.OldPods(ev.Workload)) {
		switch {
		case s.isForeign(p):
			s.foreign = append(s.foreign, p)
		case p.DeletionTimestamp != nil:
			s.leaving = append(s.leaving, p)
		case p.Status.Phase != corev1.PodFailed && p.Status.Phase != corev1.PodSucceeded:
			s.old = append(s.old, p)
		}
	}
	for _, p := range s.pods {
		s.containers = append(s.containers, s.containersOf(p)...)
	}
	return s
}

// isForeign reports whether a pod has another controller than the workload or one of its ReplicaSets.
func (s *facts) isForeign(p *corev1.Pod) bool {
	owner := metav1.GetControllerOf(p)
	if owner == nil || s.w.Live == nil || owner.UID == s.w.Live.GetUID() {
		return false
	}
	if owner.Kind != "ReplicaSet" {
		return true
	}
	i := slices.IndexFunc(s.w.ReplicaSets, func(rs *appsv1.ReplicaSet) bool { return rs.UID == owner.UID })
	if i < 0 {
		return !strings.HasPrefix(owner.Name, s.w.Ref.Name+"-") // a ReplicaSet of ours that was not read
	}
	of := metav1.GetControllerOf(s.w.ReplicaSets[i])
	return of != nil && of.UID != s.w.Live.GetUID()
}

// evicted is a pod that ended well because it was told to: a program that handles SIGTERM leaves its evicted pod in phase
// Succeeded, without a reason, and only the kubelet's event tells.
func (s *facts) evicted(p *corev1.Pod) (*corev1.Pod, bool) {
	events := s.eventsOf(string(p.UID), func(e Event) bool { return e.Reason == "Evicted" })
	if len(events) == 0 {
		return nil, false
	}
	p = p.DeepCopy()
	p.Status.Phase, p.Status.Reason, p.Status.Message = corev1.PodFailed, "Evicted", events[len(events)-1].Message
	return p, true
}

// templateOf is rollout.PodTemplate for an object that may be missing.
func templateOf(obj rollout.Object) *corev1.PodTemplateSpec {
	if obj == nil {
		return nil
	}
	return rollout.PodTemplate(obj)
}

// metaPath is the path of the pod's metadata inside the workload.
func (s *facts) metaPath() string {
	if s.podPath == "spec" {
		return "metadata"
	}
	return strings.TrimSuffix(s.podPath, "spec") + "metadata"
}

// containersOf joins declarations and statuses. A container without a status is left out: nothing happened to it yet.
func (s *facts) containersOf(p *corev1.Pod) []container {
	var all []container
	add := func(specs []corev1.Container, statuses []corev1.ContainerStatus, initial bool) {
		for _, spec := range specs {
			i := slices.IndexFunc(statuses, func(st corev1.ContainerStatus) bool { return st.Name == spec.Name })
			if i < 0 {
				continue
			}
			c := container{pod: p, spec: spec, status: statuses[i], initial: initial, injected: s.isInjected(spec.Name)}
			c.sidecar = initial && spec.RestartPolicy != nil && *spec.RestartPolicy == corev1.ContainerRestartPolicyAlways
			all = append(all, c)
		}
	}
	add(p.Spec.InitContainers, p.Status.InitContainerStatuses, true)
	add(p.Spec.Containers, p.Status.ContainerStatuses, false)
	return all
}

// isInjected reports whether the template, as the user wrote it, does not have this container.
func (s *facts) isInjected(name string) bool {
	if s.template == nil || s.podPath == "spec" {
		return false
	}
	has := func(c corev1.Container) bool { return c.Name == name }
	return !slices.ContainsFunc(s.template.Spec.Containers, has) && !slices.ContainsFunc(s.template.Spec.InitContainers, has)
}

// fresh reports whether a time belongs to this rollout. A missing time is given the benefit of the doubt.
func (s *facts) fresh(t time.Time) bool {
	return t.IsZero() || s.w.Since.IsZero() || !t.Before(s.w.Since.Add(-skew))
}

// eventsOf returns the events of an object that match, oldest first.
func (s *facts) eventsOf(uid string, match func(Event) bool) []Event {
	var found []Event
	for _, e := range s.events[uid] {
		if match(e) {
			found = append(found, e)
		}
	}
	return found
}

// eventsAbout returns the events of a container that have this reason and contain this text.
func (s *facts) eventsAbout(c container, reason, text string) []Event {
	return s.eventsOf(string(c.pod.UID), func(e Event) bool {
		return e.Reason == reason && (e.Container == "" || e.Container == c.spec.Name) && strings.Contains(e.Message, text)
	})
}

// occurrences adds up the counts of events.
func occurrences(events []Event) int {
	n := 0
	for _, e := range events {
		n += max(e.Count, 1)
	}
	return n
}

// whole is the workload itself.
func (s *facts) whole() Subject {
	if s.w.Live == nil {
		return Subject{Ref: s.w.Ref}
	}
	return Subject{Ref: s.w.Ref, UID: string(s.w.Live.GetUID()), Revision: s.Status.Revision}
}

// subject names a pod as the one that it is.
func (s *facts) subject(p *corev1.Pod) Subject {
	return Subject{Ref: podRef(p), UID: string(p.UID), Revision: rollout.RevisionOf(p)}
}

// podRef names a pod.
func podRef(p *corev1.Pod) manifest.Ref {
	return manifest.Ref{Kind: "Pod", Namespace: p.Namespace, Name: p.Name}
}

func sortedPods(pods []*corev1.Pod) []*corev1.Pod {
	pods = slices.Clone(pods)
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods
}

// isJob reports whether the pods are meant to end. A Job retries its pods itself, so their exits do not decide.
func (s *facts) isJob() bool {
	k, _ := rollout.KindOf(s.w.Ref.GroupKind())
	return k.Ends
}

// newReplicaSet is the ReplicaSet of a Deployment's new revision, or nil.
func (s *facts) newReplicaSet() *appsv1.ReplicaSet { return rollout.NewReplicaSet(s.w) }

// served reports whether a container worked for a good while before its trouble began.
func (c container) served() bool {
	if t := c.status.LastTerminationState.Terminated; t != nil {
		return lasted(t) >= time.Minute
	}
	return c.wasReady()
}

// wasReady reports whether a container's readiness probe succeeded in this pod. Without a probe "Ready" only says that
// the process had started.
func (c container) wasReady() bool {
	ready := rollout.PodCondition(c.pod, corev1.PodReady)
	if c.spec.ReadinessProbe == nil || ready == nil || c.pod.Status.StartTime == nil {
		return false
	}
	// The kubelet writes Ready=False when it first sees the pod and touches the time only when the status changes.
	return ready.Status == corev1.ConditionTrue || ready.LastTransitionTime.Sub(c.pod.Status.StartTime.Time) > skew
}

// terminated is how the container ended last: now, or before its current attempt.
func (c container) terminated() *corev1.ContainerStateTerminated {
	if c.status.State.Terminated != nil {
		return c.status.State.Terminated
	}
	return c.status.LastTerminationState.Terminated
}

// waiting is the reason and message of a waiting container, empty for any other.
func (c container) waiting() (reason, message string) {
	if w := c.status.State.Waiting; w != nil {
		return w.Reason, w.Message
	}
	return "", ""
}

// lasted is how long a container ran; zero when the runtime lost track of it, or when it never ran: then containerd says
// that it started in 1970.
func lasted(t *corev1.ContainerStateTerminated) time.Duration {
	if t.StartedAt.Unix() <= 0 || t.FinishedAt.IsZero() {
		return 0
	}
	return max(0, t.FinishedAt.Sub(t.StartedAt.Time))
}
