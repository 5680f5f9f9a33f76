package rollout

import (
	"fmt"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var jobKind = Kind{
	GroupKind: schema.GroupKind{Group: "batch", Kind: "Job"},
	Resource:  manifest.Resource{Group: "batch", Version: "v1", Resource: "jobs", Namespaced: true},
	Type:      (*batchv1.Job)(nil), Evaluate: job,
	Spec: func(o Object) Spec {
		j := o.(*batchv1.Job)
		// Without spec.completions one success is enough, however many pods work.
		return Spec{Template: &j.Spec.Template, Selector: j.Spec.Selector, Replicas: replicas(j.Spec.Completions), Observed: true}
	},
	Template: "spec.template",
	PodNames: generatedOrIndexed,
	Ends:     true, Outlives: true, Standalone: true,
}

// job runs to completion. The conditions FailureTarget and SuccessCriteriaMet decide as well as Failed and Complete: they
// are set first, while the last pods are still being stopped (KEP-3329, KEP-3998), and are never taken back.
func job(w Workload) Status {
	j, ok := w.Live.(*batchv1.Job)
	if w.Live == nil {
		j, ok = w.Last.(*batchv1.Job)
	}
	if !ok {
		return wrongType(w)
	}
	s := jobCounts(j)
	if done, finished := finishedJob(s, j, w); finished {
		return done
	}
	switch {
	case w.Live == nil && j.Spec.TTLSecondsAfterFinished != nil && j.Status.StartTime != nil:
		return complete(s, ReasonRemovedByTTL, "the job ran and was removed by its ttlSecondsAfterFinished; its end was not seen")
	case w.Live == nil:
		s.Phase, s.Reason, s.Message = Superseded, ReasonDeleted, "the job was deleted before it finished"
		return s
	case j.DeletionTimestamp != nil:
		s.Phase, s.Reason, s.Message = Superseded, ReasonDeleted, "the job is being deleted"
		return s
	case j.Spec.Suspend != nil && *j.Spec.Suspend:
		s.Phase, s.Reason, s.Message = Paused, ReasonPaused, "spec.suspend is true; somebody must resume it"
		return s
	}
	return progressing(s, ReasonRunning, "%s", jobProgress(s, j))
}

func jobCounts(j *batchv1.Job) Status {
	s := Status{Desired: replicas(j.Spec.Completions), Updated: j.Status.Active + j.Status.Succeeded, Available: j.Status.Succeeded}
	if j.Status.Ready != nil {
		s.Ready = *j.Status.Ready
	}
	return s
}

// finishedJob reads the conditions that end a Job.
func finishedJob(s Status, j *batchv1.Job, w Workload) (Status, bool) {
	for _, c := range j.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		const history = "that was before this run, which did not start it again"
		old := endedBefore(c, w)
		switch c.Type {
		case batchv1.JobComplete, batchv1.JobSuccessCriteriaMet:
			if old {
				return complete(s, ReasonFinishedBefore, "the job succeeded; "+history), true
			}
			return complete(s, "", ""), true
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			if old && !w.unchanged() {
				return complete(s, ReasonFinishedBefore, join("the job failed: "+orElse(c.Message, c.Reason), history)), true
			}
			s.Phase, s.Reason, s.Message = Failed, c.Reason, c.Message
			if old { // see Status.BrokenBefore
				s.Message = join(c.Message, history)
			}
			return s, true
		}
	}
	return s, false
}

func jobProgress(s Status, j *batchv1.Job) string {
	parts := []string{fmt.Sprintf("%d of %d %s succeeded", j.Status.Succeeded, s.Desired, plural(s.Desired, "completion"))}
	if j.Status.Active > 0 {
		parts = append(parts, fmt.Sprintf("%d running", j.Status.Active))
	}
	if j.Status.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", j.Status.Failed))
	}
	return strings.Join(parts, ", ")
}

// endedBefore tells whether a Job had ended before this run wrote it, or looked at it first. Whatever it ended with is
// history: this run did not start it, and going back would not either.
func endedBefore(c batchv1.JobCondition, w Workload) bool {
	if w.unchanged() {
		before, ok := w.Previous.(*batchv1.Job)
		return ok && slices.ContainsFunc(before.Status.Conditions, func(was batchv1.JobCondition) bool {
			return was.Type == c.Type && was.Status == corev1.ConditionTrue
		})
	}
	return !w.Since.IsZero() && c.LastTransitionTime.Time.Before(w.Since.Truncate(time.Second))
}

// join puts two sentences together, either of which may be empty.
func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return strings.TrimSuffix(a, ".") + "; " + b
}
