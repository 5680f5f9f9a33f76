package diagnosis

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

// explainJob names why a Job failed: JobBackoffLimitExceeded, JobDeadlineExceeded, JobPodFailurePolicy,
// JobIndexesFailed, JobFailed; how its last pod ended is part of the sentence. Before that, failed pods are attempts
// that the Job repeats by itself.
func explainJob(s *scene) []Finding {
	job, ok := s.w.Live.(*batchv1.Job)
	if !ok {
		return nil
	}
	for _, c := range job.Status.Conditions {
		failed := c.Type == batchv1.JobFailed || c.Type == batchv1.JobFailureTarget
		if failed && c.Status == corev1.ConditionTrue && s.fresh(c.LastTransitionTime.Time) {
			return []Finding{s.jobFailed(job, c)}
		}
	}
	if e, ok := s.lastExit(); ok {
		f := s.explainOne(e)
		f.Count = len(s.failed)
		return []Finding{f}
	}
	return nil
}

func (s *scene) jobFailed(job *batchv1.Job, c batchv1.JobCondition) Finding {
	code := map[string]string{
		"BackoffLimitExceeded": "JobBackoffLimitExceeded", "DeadlineExceeded": "JobDeadlineExceeded",
		"PodFailurePolicy": "JobPodFailurePolicy", "FailedIndexes": "JobIndexesFailed", "MaxFailedIndexesExceeded": "JobIndexesFailed",
	}[c.Reason]
	if code == "" {
		code = "JobFailed"
	}
	f := s.finding(code)
	f.Confidence, f.FirstSeen, f.Count = Proven, c.LastTransitionTime.Time, max(1, int(job.Status.Failed))
	f.FieldPath = s.podPath
	f.Cause = fmt.Sprintf("the job failed (%s): %s", c.Reason, quote(c.Message))
	f.Evidence = []Proof{{Type: "condition", Text: "Failed " + c.Reason + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: s.w.Ref.String()}}
	for _, p := range append(s.failed, s.pods...) {
		f.pods = append(f.pods, p.Name)
	}
	f.PodsTotal = len(f.pods)
	switch code {
	case "JobDeadlineExceeded":
		f.FieldPath = "spec.activeDeadlineSeconds"
		if d := job.Spec.ActiveDeadlineSeconds; d != nil {
			f.Cause = fmt.Sprintf("the job did not end within its %ds (activeDeadlineSeconds)", *d)
		}
		f.Fix = []string{"find out what it waits for in its log, or raise activeDeadlineSeconds"}
	case "JobPodFailurePolicy":
		f.FieldPath = "spec.podFailurePolicy"
	}
	if e, ok := s.lastExit(); ok {
		cause := s.explainOne(e)
		f.Object, f.Container, f.Detail, f.FieldPath = podRef(e.pod), e.spec.Name, cause.Code, cause.FieldPath
		f.Cause = fmt.Sprintf("the job failed (%s) after %s: %s", c.Reason, plural(f.Count, "attempt"), cause.Cause)
		f.Evidence = append(f.Evidence, cause.Evidence...)
		f.Fix = append(f.Fix, cause.Fix...)
	}
	if len(f.Fix) == 0 {
		f.Fix = []string{"read the log of its pods: kubectl logs job/" + job.Name + " --all-containers"}
	}
	return f
}

// lastExit is how the newest failed pod of a Job ended.
func (s *scene) lastExit() (last exit, ok bool) {
	for _, c := range s.failedContainers() {
		t := c.terminated()
		if t == nil || t.ExitCode == 0 || neverStarted(c) || !s.fresh(t.FinishedAt.Time) {
			continue
		}
		if !ok || t.FinishedAt.After(last.end.FinishedAt.Time) {
			last, ok = exit{container: c, end: *t, times: max(1, len(s.failed))}, true
		}
	}
	return last, ok
}

// failedContainers are the containers of pods that ended badly.
func (s *scene) failedContainers() []container {
	var all []container
	for _, p := range s.failed {
		all = append(all, s.containersOf(p)...)
	}
	return all
}
