//go:build cluster

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// TestOutage cuts Prometheus off at many moments of a run, for ever: such a run never passes unless it had its last
// answer already, and is never rolled back.
func TestOutage(t *testing.T) {
	for i, after := range []time.Duration{0, 500 * time.Millisecond, 2 * time.Second, 4 * time.Second, 6 * time.Second, 8 * time.Second,
		10 * time.Second, 12 * time.Second, 14 * time.Second} {
		fault := []string{"refuse", "503 timeout", "hang"}[i%3]
		t.Run(fmt.Sprintf("%s after %s", fault, after), func(t *testing.T) {
			t.Parallel()
			cutOff(t, after, promtest.Named(fault))
		})
	}
}

func cutOff(t *testing.T, after time.Duration, fault promtest.Fault) {
	dir := t.TempDir()
	ns := "outage-" + strings.ToLower(rand.Text()[:8])
	kubeconfig := filepath.Join(dir, "kubeconfig")
	if err := inNamespace(os.Getenv("KUBECONFIG"), kubeconfig, ns); err != nil {
		t.Fatal(err)
	}
	kubectl(t, "create", "namespace", ns)
	t.Cleanup(func() { exec.Command("kubectl", "delete", "namespace", ns, "--wait=false").Run() })
	write(t, dir, "v1.yaml", fmt.Sprintf(outageWorkload, "v1"))
	write(t, dir, "v2.yaml", fmt.Sprintf(outageWorkload, "v2"))
	write(t, dir, "criteria.yaml", outageCriteria)
	proxy := promtest.NewFaultProxy(t, os.Getenv("ROLLOUTGATE_PROMETHEUS_URL"))

	run := func(file string, args ...string) (int, string) {
		var out bytes.Buffer
		env := func(name string) string { return map[string]string{"KUBECONFIG": kubeconfig}[name] }
		args = append([]string{"run", "-f", filepath.Join(dir, file), "--kubeconfig", kubeconfig, "--config", filepath.Join(dir, "criteria.yaml"),
			"--prometheus-url", proxy.URL, "--ci", "none", "--color", "never"}, args...)
		p := &program{getenv: env, stdin: strings.NewReader(""), stdout: &out, stderr: &out}
		code := p.execute(context.Background(), args)
		return code, out.String()
	}
	if code, out := run("v1.yaml", "--preflight", "off", "--window", "0s"); code == gate.CriteriaFailed.Code() {
		t.Fatalf("the first release failed: %s", out)
	}
	time.Sleep(5 * time.Second) // so that the running version has events

	begun := time.Now()
	time.AfterFunc(after, func() { proxy.Set(fault, promtest.Forever) })
	code, out := run("v2.yaml")
	image := kubectl(t, "get", "deployment", "web", "-n", ns, "-o", "jsonpath={.spec.template.spec.containers[0].image}")
	kept := strings.HasSuffix(image, ":v2")
	switch {
	case code == gate.Inconclusive.Code() && kept && proxy.Hits() > 0:
	case (code == gate.Retry.Code() || code == gate.Refused.Code()) && !kept && proxy.Hits() > 0:
	case code == gate.Passed.Code() && kept && time.Since(begun) <= after+outageSlack:
	default:
		t.Errorf("exit %d, %s runs, %d queries were cut off, %s after the beginning:\n%s", code, image, proxy.Hits(), time.Since(begun).Round(time.Second), out)
	}
}

// outageSlack is how long a run may go on after its last answer.
const outageSlack = 3 * time.Second

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("kubectl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

const outageCriteria = `
settle: 1s
window: 6s
interval: 1s
queryTimeout: 1s
maxOutage: 4s
criteria:
- name: errors
  ratio: {bad: 'http_requests_total{code=~"5.."}', total: http_requests_total}
  max: 1%
- name: traffic
  query: sum(rate(http_requests_total{namespace="${namespace}"}[10s]))
  min: 1
`

const outageWorkload = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations:
        sandbox.rolloutgate.dev/error-rate: "0"
        sandbox.rolloutgate.dev/requests-per-second: "50"
    spec:
      containers:
      - {name: app, image: "registry.example/web:%s"}
`
