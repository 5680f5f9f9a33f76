package main

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
)

func object(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte(text), &fields); err != nil {
		t.Fatal(err)
	}
	return &unstructured.Unstructured{Object: fields}
}

func TestPodSigns(t *testing.T) {
	for status, want := range map[string]string{
		`{containerStatuses: [{state: {waiting: {reason: ContainerCreating}}}]}`:                                   "",
		`{initContainerStatuses: [{state: {terminated: {exitCode: 0, reason: Completed}}}]}`:                       "",
		`{containerStatuses: [{state: {running: {}}}]}`:                                                            "",
		`{containerStatuses: [{state: {waiting: {reason: PodInitializing}}}, {state: {waiting: {reason: X}}}]}`:    "waiting X",
		`{containerStatuses: [{state: {terminated: {exitCode: 139}}}]}`:                                            "terminated Error",
		`{containerStatuses: [{state: {running: {}}, lastState: {terminated: {exitCode: 1, reason: OOMKilled}}}]}`: "terminated OOMKilled",
		`{conditions: [{type: PodScheduled, status: "False", reason: Unschedulable}]}`:                             "PodScheduled=False Unschedulable",
		`{phase: Failed, reason: Evicted}`:                                                                         "pod Failed Evicted",
	} {
		o := newObserver()
		o.begin()
		o.sawPod(time.Now(), object(t, "{metadata: {uid: a}, status: "+status+"}"))
		got := ""
		if len(o.signs) > 0 {
			got = o.signs[0].text
		}
		if got != want {
			t.Errorf("got %q, want %q for %s", got, want, status)
		}
	}
}

func TestWorkloadSigns(t *testing.T) {
	for condition, want := range map[string]string{
		`{type: ReplicaFailure, status: "True", reason: FailedCreate}`:                 "condition FailedCreate",
		`{type: Progressing, status: "False", reason: ProgressDeadlineExceeded}`:       "condition ProgressDeadlineExceeded",
		`{type: Failed, status: "True", reason: BackoffLimitExceeded}`:                 "condition BackoffLimitExceeded",
		`{type: Progressing, status: "True", reason: ReplicaSetUpdated}`:               "",
		`{type: Available, status: "False", reason: MinimumReplicasUnavailable}`:       "",
		`{type: Progressing, status: "False", reason: DeploymentPaused, message: any}`: "",
	} {
		if got := workloadSign(object(t, "{status: {conditions: ["+condition+"]}}")); got != want {
			t.Errorf("got %q, want %q for %s", got, want, condition)
		}
	}
}

func TestFirstSign(t *testing.T) {
	pod := func(uid string) *unstructured.Unstructured {
		return object(t, "{metadata: {uid: "+uid+"}, status: {containerStatuses: [{state: {terminated: {exitCode: 1}}}]}}")
	}
	event := func(uid, kind, count string) *unstructured.Unstructured {
		return object(t, "{metadata: {uid: "+uid+"}, type: "+kind+", reason: BackOff, count: "+count+"}")
	}
	applied := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return applied.Add(time.Duration(seconds) * time.Second) }
	o := newObserver()
	o.sawPod(at(-9), pod("old"))
	o.sawEvent(at(-9), event("old", "Warning", "3"))
	o.begin()
	o.sawEvent(at(-2), event("early", "Warning", "1")) // before the workload was applied
	if _, ok := o.first(applied); ok {
		t.Error("what was there before is not a sign")
	}
	o.sawPod(at(1), pod("old"))
	o.sawEvent(at(2), event("old", "Warning", "3"))
	o.sawEvent(at(3), event("new", "Normal", "1"))
	if got, ok := o.first(applied); ok {
		t.Errorf("got %v", got)
	}
	o.sawPod(at(7), pod("new"))
	o.sawEvent(at(5), event("old", "Warning", "4"))
	if got, ok := o.first(applied); !ok || got.text != "event BackOff" || !got.at.Equal(at(5)) {
		t.Errorf("got %v", got)
	}
	if _, ok := o.first(time.Time{}); ok {
		t.Error("nothing was applied, so nothing can have followed")
	}
}

func TestNewestWarning(t *testing.T) {
	var events []corev1.Event
	for _, text := range []string{
		`{type: Warning, reason: Old, message: a, lastTimestamp: "2026-01-01T12:00:00Z"}`,
		`{type: Warning, reason: FailedScheduling, message: b, eventTime: "2026-01-01T12:00:01.000000Z", series: {count: 2, lastObservedTime: "2026-01-01T12:00:09.000000Z"}}`,
		`{type: Warning, reason: BackOff, message: c, lastTimestamp: "2026-01-01T12:00:05Z"}`,
		`{type: Normal, reason: Pulled, message: d, lastTimestamp: "2026-01-01T12:00:30Z"}`,
	} {
		var e corev1.Event
		if err := yaml.Unmarshal([]byte(text), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	if got := newestOf(events); got != "FailedScheduling: b" {
		t.Errorf("got %q", got)
	}
}
