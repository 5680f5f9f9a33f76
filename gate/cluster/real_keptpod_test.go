//go:build cluster

package cluster

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestKeepPod: the controller makes another pod in place of the one that is kept, does not take that one back, and deletes
// it with nothing: neither when it is scaled down nor when it is deleted itself.
func TestKeepPod(t *testing.T) {
	f := onCluster(t, Options{})
	f.kubectl(`apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web, team: shop}, annotations: {sandbox.rolloutgate.dev/behavior: crash-loop}}
    spec: {containers: [{name: app, image: "registry.example/web:v1"}]}
`, "apply", "-n", f.ns, "-f", "-")
	keeping := rollout.Keeping{From: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"}, Run: "7QK2M5XWZA", At: time.Now()}
	pod := f.somePod("app=web")
	stranger := pod.DeepCopy()
	stranger.UID = "other"
	if err := f.KeepPod(t.Context(), stranger, keeping); err == nil || !strings.Contains(err.Error(), "not what it was") {
		t.Errorf("a pod that has another UID: %v", err)
	}
	if err := f.KeepPod(t.Context(), pod, keeping); err != nil {
		t.Fatal(err)
	}
	if err := f.KeepPod(t.Context(), pod, keeping); err == nil || !strings.Contains(err.Error(), "not what it was") {
		t.Errorf("a pod that is kept already: %v", err)
	}
	if other := f.somePod("app=web"); other.UID == pod.UID {
		t.Error("the pod has its labels still")
	}
	f.kubectl("", "scale", "deployment", "web", "-n", f.ns, "--replicas", "0")
	f.kubectl("", "delete", "deployment", "web", "-n", f.ns, "--cascade=foreground")
	kept := f.somePod(rollout.KeptFromLabel + "=web")
	if kept.UID != pod.UID || kept.DeletionTimestamp != nil || len(kept.OwnerReferences) > 0 || len(kept.Labels) != 1 {
		t.Errorf("%+v", kept.ObjectMeta)
	}
	var had map[string]string
	if err := json.Unmarshal([]byte(kept.Annotations[rollout.KeptLabelsAnnotation]), &had); err != nil || had["app"] != "web" || had["team"] != "shop" || had["pod-template-hash"] == "" {
		t.Errorf("the labels that it had: %v, %v", had, err)
	}
	if lacks := f.LacksForKeeping(t.Context(), f.ns); len(lacks) > 0 {
		t.Errorf("an administrator lacks %v", lacks)
	}
}

// TestWholeLog reads the logs of a simulated container: the attempt that ended, and one that there is not.
func TestWholeLog(t *testing.T) {
	f := onCluster(t, Options{})
	f.kubectl(`apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}, annotations: {sandbox.rolloutgate.dev/behavior: crash-loop, sandbox.rolloutgate.dev/back-off: 60s}}
spec: {containers: [{name: app, image: "registry.example/web:v1"}]}
`, "apply", "-n", f.ns, "-f", "-")
	f.kubectl("", "wait", "pod", "web", "-n", f.ns, "--for=jsonpath={.status.containerStatuses[0].restartCount}=1", "--timeout=30s")
	var text string
	var cut bool
	var err error
	for range 100 { // the simulation has it a moment after the status
		if text, cut, err = f.WholeLog(t.Context(), f.ns, diagnosis.LogTarget{Pod: "web", Container: "app", Previous: true}, 1<<20); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil || cut || !strings.Contains(text, "panic: price list: row 17 has no currency\n") {
		t.Errorf("%q, cut %t, error %v", text, cut, err)
	}
	short, cut, err := f.WholeLog(t.Context(), f.ns, diagnosis.LogTarget{Pod: "web", Container: "app", Previous: true}, 40)
	if err != nil || !cut || !strings.HasSuffix(text, short) || len(short) > 40 || short == "" {
		t.Errorf("%q, cut %t, error %v", short, cut, err)
	}
	if text, _, err := f.WholeLog(t.Context(), f.ns, diagnosis.LogTarget{Pod: "gone", Container: "app"}, 40); err == nil {
		t.Errorf("a pod that is not there said %q", text)
	}
}

// somePod waits for a pod that is not being deleted.
func (f fixture) somePod(selector string) *corev1.Pod {
	f.t.Helper()
	for range 100 {
		list, err := f.typed.CoreV1().Pods(f.ns).List(f.t.Context(), metav1.ListOptions{LabelSelector: selector})
		if err != nil {
			f.t.Fatal(err)
		}
		for i := range list.Items {
			if list.Items[i].DeletionTimestamp == nil {
				return &list.Items[i]
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Fatalf("there is no pod with %s", selector)
	return nil
}
