package diagnosis

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
)

var ruleJob = Rule{Family: "Jobs", Find: explainJob, Causes: []Cause{
	{Code: "JobBackoffLimitExceeded", class: now("controller", LayerWorkload, ScopeApp),
		ReadsLogs: true,
		Meaning:   "The Job's pods failed more often than backoffLimit allows, so it gave up. What its last pod died of is part of the finding.",
		Signals:   "Condition Failed (or FailureTarget) with reason BackoffLimitExceeded.",
		Remedy:    "Repair what the pod's own cause says and apply the Job under a new name, or delete it first: a failed Job never starts again."},
	{Code: "JobDeadlineExceeded", class: now("controller", LayerWorkload, ScopeApp),
		ReadsLogs: true,
		Meaning:   "The Job did not end within its activeDeadlineSeconds, so its pods were stopped.",
		Signals:   "Condition Failed (or FailureTarget) with reason DeadlineExceeded.",
		Remedy:    "Find out in its log what it waited for, or raise spec.activeDeadlineSeconds."},
	{Code: "JobPodFailurePolicy", class: now("controller", LayerWorkload, ScopeApp),
		ReadsLogs: true,
		Meaning:   "A pod ended in a way for which the Job's podFailurePolicy says to fail the whole Job at once.",
		Signals:   "Condition Failed (or FailureTarget) with reason PodFailurePolicy; its message names the pod, the exit code and the rule.",
		Remedy:    "Repair what made the program end so, or change the rule that matched."},
	{Code: "JobIndexesFailed", class: now("controller", LayerWorkload, ScopeApp),
		ReadsLogs: true,
		Meaning:   "Indexes of an indexed Job failed for good: more than maxFailedIndexes, or at least one when all others were done.",
		Signals:   "Condition Failed (or FailureTarget) with reason FailedIndexes or MaxFailedIndexesExceeded; status.failedIndexes.",
		Remedy:    "Look at the pods of the failed indexes; raise backoffLimitPerIndex or maxFailedIndexes only if such failures are expected."},
	{Code: "JobFailed", class: now("controller", LayerWorkload, ScopeApp),
		ReadsLogs: true,
		Meaning:   "The Job failed for a reason that no other cause covers.",
		Signals:   "Condition Failed (or FailureTarget) with another reason.",
		Remedy:    "Read the condition's message and the log of the Job's pods."},
	{Code: "JobSuspended", class: atTimeout("controller", LayerWorkload, ScopeSpec),
		ReadsLogs: true,
		Meaning:   "The Job is suspended, so none of its pods run; a queueing controller may have to start it.",
		Signals:   "spec.suspend is true; condition Suspended.",
		Remedy:    "Set spec.suspend to false, or find out why the queue does not admit the Job."},
	{Code: "JobAlreadyComplete", class: remark("controller", LayerWorkload, ScopeSpec),
		ReadsLogs: true,
		Meaning:   "A Job of this name had finished before this run, and applying it again does not start it again.",
		Signals:   "Condition Complete from before this run's write.",
		Remedy:    "Give each release a Job of its own (with the version in the name), or delete the old one first; ttlSecondsAfterFinished removes finished ones."},
}}

// explainJob names why a Job failed: JobBackoffLimitExceeded, JobDeadlineExceeded, JobPodFailurePolicy,
// JobIndexesFailed, JobFailed; how its last pod ended is part of the sentence. Before that, failed pods are attempts
// that the Job repeats by itself. JobAlreadyComplete is one that this run did not start.
func explainJob(s *facts) []Finding {
	job, ok := s.w.Live.(*batchv1.Job)
	if !ok {
		return nil
	}
	for _, c := range job.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch before := !s.fresh(c.LastTransitionTime.Time); c.Type {
		case batchv1.JobFailed, batchv1.JobFailureTarget:
			f := s.jobFailed(job, c)
			if before {
				f.Cause += "; that was before this run, and applying a finished job does not start it again"
				f.Fix = append([]string{"delete the old job first, or give each release a job of its own name: kubectl delete job -n " + job.Namespace + " " + job.Name}, f.Fix...)
			}
			return []Finding{f}
		case batchv1.JobComplete:
			if before {
				return []Finding{s.completeBefore(job, c)}
			}
		}
	}
	if e, ok := s.lastExit(); ok {
		f := s.explainOne(e)
		f.Count = len(s.failed)
		return []Finding{f}
	}
	return nil
}

// completeBefore is a Job that ran for an earlier release.
func (s *facts) completeBefore(job *batchv1.Job, c batchv1.JobCondition) Finding {
	f := s.finding("JobAlreadyComplete")
	f.Confidence, f.FirstSeen, f.FieldPath = Proven, c.LastTransitionTime.Time, "metadata.name"
	f.Cause = fmt.Sprintf("%s had finished before this run, at %s, and did not run again", s.w.Ref, c.LastTransitionTime.UTC().Format("2006-01-02 15:04:05Z"))
	f.Evidence = []Proof{{Type: "condition", Text: "Complete " + c.Reason + ": " + quote(c.Message), Time: c.LastTransitionTime.Time, Ref: s.w.Ref.String()}}
	f.Fix = []string{"give each release a job of its own name (with the version in it)", "or delete the old one first: kubectl delete job -n " + job.Namespace + " " + job.Name}
	return f
}

func (s *facts) jobFailed(job *batchv1.Job, c batchv1.JobCondition) Finding {
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
	case "JobIndexesFailed":
		if job.Status.FailedIndexes != nil && *job.Status.FailedIndexes != "" {
			f.Evidence = append(f.Evidence, Proof{Type: "status", Text: "failed indexes: " + quote(*job.Status.FailedIndexes), Ref: s.w.Ref.String()})
		}
	}
	if e, ok := s.lastExit(); ok {
		cause := s.explainOne(e)
		f.Object, f.Container, f.Detail, f.FieldPath = s.subject(e.pod), e.spec.Name, cause.Code, cause.FieldPath
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
func (s *facts) lastExit() (last exit, ok bool) {
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
func (s *facts) failedContainers() []container {
	var all []container
	for _, p := range s.failed {
		all = append(all, s.containersOf(p)...)
	}
	return all
}
