package simulation

import (
	"context"
	"math"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kwok/pkg/kwok/metrics"
)

// evaluator runs expressions in kwok's own environment.
func evaluator(t *testing.T) func(expression string, pod *corev1.Pod) float64 {
	t.Helper()
	env, err := metrics.NewEnvironment(metrics.EnvironmentConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return func(expression string, pod *corev1.Pod) float64 {
		t.Helper()
		program, err := env.Compile(expression)
		if err != nil {
			t.Fatal(err)
		}
		value, err := program.EvaluateFloat64(context.Background(), metrics.Data{Pod: pod})
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// servingPod has been running for 100 seconds.
func servingPod(annotations map[string]string) *corev1.Pod {
	start := metav1.NewTime(time.Now().Add(-100 * time.Second))
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Annotations: annotations, CreationTimestamp: start},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning, StartTime: &start},
	}
}

func TestCounters(t *testing.T) {
	eval := evaluator(t)
	ago := func(seconds float64) string {
		return decimal(float64(time.Now().UnixMilli())/1000 - seconds)
	}
	for _, test := range []struct {
		name        string
		annotations map[string]string
		phase       corev1.PodPhase
		good, bad   float64
	}{
		{name: "nothing asked for", good: 1000},
		{name: "rate", annotations: map[string]string{"requests-per-second": "50"}, good: 5000},
		{name: "errors", annotations: map[string]string{"error-rate": "0.4"}, good: 600, bad: 400},
		{name: "only errors", annotations: map[string]string{"error-rate": "1"}, bad: 1000},
		{name: "errors later", annotations: map[string]string{"error-rate": "0.5", "error-after-seconds": "80"}, good: 900, bad: 100},
		{name: "errors much later", annotations: map[string]string{"error-rate": "0.5", "error-after-seconds": "200"}, good: 1000},
		{name: "not started", phase: corev1.PodPending},
		{name: "over", phase: corev1.PodFailed},
		{name: "never ready", annotations: map[string]string{"behavior": "never-ready"}},
		{name: "flaps", annotations: map[string]string{"behavior": "flap"}, good: 1000},
		{name: "not ready yet", annotations: map[string]string{"ready-after": "5m"}},
		{name: "ready late", annotations: map[string]string{"ready-after": "40s", "serving-since": ago(60)}, good: 600},
		{name: "recovered", annotations: map[string]string{"behavior": "crash-loop", "crashes": "1", "serving-since": ago(10)}, good: 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			annotations := map[string]string{}
			for key, value := range test.annotations {
				annotations[prefix+key] = value
			}
			pod := servingPod(annotations)
			if test.phase != "" {
				pod.Status.Phase = test.phase
			}
			if got := eval(succeeded(), pod); math.Abs(got-test.good) > 1 {
				t.Errorf("succeeded: got %v, want %v", got, test.good)
			}
			if got := eval(failed(), pod); math.Abs(got-test.bad) > 1 {
				t.Errorf("failed: got %v, want %v", got, test.bad)
			}
		})
	}
}

func TestCountersNeverFall(t *testing.T) {
	eval := evaluator(t)
	pod := servingPod(map[string]string{prefix + "error-rate": "0.9", prefix + "requests-per-second": "977", prefix + "error-after-seconds": "30"})
	last := map[string]float64{}
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end); {
		for _, expression := range []string{succeeded(), failed(), slower(.01, .025)} {
			now := eval(expression, pod)
			if now < last[expression] || now != math.Trunc(now) {
				t.Fatalf("%s went from %v to %v", expression, last[expression], now)
			}
			last[expression] = now
		}
	}
}

func TestLatency(t *testing.T) {
	eval := evaluator(t)
	for _, test := range []struct {
		median string
		want   map[float64]float64 // upper bound of a bucket: requests in it, of 1000
	}{
		{"", map[float64]float64{.025: 750, .05: 250}},
		{"300", map[float64]float64{.25: 333, .5: 667}},
		{"4000", map[float64]float64{2.5: 125, 5: 625, 10: 250}},
	} {
		pod := servingPod(map[string]string{})
		if test.median != "" {
			pod.Annotations[prefix+"latency-ms"] = test.median
		}
		lower := 0.0
		for _, upper := range latencyBuckets {
			if got := eval(slower(lower, upper), pod); math.Abs(got-test.want[upper]) > 1 {
				t.Errorf("median %q: up to %v: got %v, want %v", test.median, upper, got, test.want[upper])
			}
			lower = upper
		}
	}
}
