//go:build cluster && realnode

package tunnel

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestReachRealNode: port-forwards to real pods by a real kubelet, also when a pod goes away. It needs a cluster that
// `sandbox up --real-node` made.
func TestReachRealNode(t *testing.T) {
	f := onCluster(t)
	f.kubectl(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: %[1]s}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      nodeSelector: {sandbox.rolloutgate.dev/node: real}
      tolerations: [{key: sandbox.rolloutgate.dev/node, operator: Exists}]
      containers:
      - {name: web, image: "registry.sandbox/web:v1", ports: [{name: http, containerPort: 8080}], readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: %[1]s}
spec: {selector: {app: web}, ports: [{name: web, port: 80, targetPort: http}, {name: closed, port: 81, targetPort: 81}]}
`, f.ns), "apply", "-f", "-")
	f.kubectl("", "rollout", "status", "deployment/web", "-n", f.ns, "--timeout=90s")
	s := Service{Scheme: "http", Namespace: f.ns, Name: "web", Port: "80", NoProxy: "this test wants it"}
	forwarder := f.as("forwarder", `{apiGroups: [""], resources: [pods/portforward], verbs: [create]}, {apiGroups: [""], resources: [services], verbs: [get]}, {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}`)
	r, err := forwarder.Reach(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 5 {
		if resp, err := get(t, r); err != nil || resp.StatusCode == 0 {
			t.Errorf("got %v, %v", resp, err)
		}
	}
	pod, ok := strings.CutPrefix(r.How, "port-forward to pod ")
	if !ok || !strings.HasPrefix(pod, "web-") {
		t.Fatalf("got %+v", r)
	}
	f.kubectl("", "delete", "pod", pod, "-n", f.ns, "--now")
	begin, failures := time.Now(), 0
	for { // what a client with retries sees
		if _, err := get(t, r); err == nil {
			break
		} else if failures++; time.Since(begin) > 15*time.Second {
			t.Fatalf("after the pod went: %v", err)
		}
	}
	t.Logf("after the pod went, %d requests failed; the next answer came after %s", failures, time.Since(begin).Round(time.Millisecond))

	s.Port = "closed"
	if _, err := forwarder.Reach(t.Context(), s, ""); err == nil || !strings.Contains(err.Error(), "failed to connect to localhost:81") {
		t.Errorf("got %v", err)
	}
	s.Port = "80"
	none := f.as("none", `{apiGroups: [""], resources: [services], verbs: [get]}, {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}`)
	if _, err := none.Reach(t.Context(), s, ""); err == nil || !strings.Contains(err.Error(), "pods/portforward, get services") {
		t.Errorf("got %v", err)
	}
}
