//go:build cluster

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/live"
	"github.com/rolloutgate/rolloutgate/internal/eventlog"
)

// TestRecordedRuns plays the runs of the pictures on a real control plane. What they tell can be kept, and is shown in
// terminals of every size. With -update it becomes the runs that the pictures are made of.
func TestRecordedRuns(t *testing.T) {
	web := strings.NewReplacer()
	for _, run := range []struct {
		name  string
		code  int
		args  []string
		next  *strings.Replacer // what the release changes
		after time.Duration     // how long the old version has run
	}{
		{"failing", 10, []string{"--grace", "ImageNotFound=10s"}, strings.NewReplacer("web:v1", "web:missing"), 0},
		{"canary", 14, []string{"--canary", "1", "--hold", "20s", "--approve", "--approve-timeout", "15s", "--config", "criteria.yaml"},
			strings.NewReplacer("web:v1", "web:v2", `error-rate: "0.002"`, `error-rate: "0.006"`), 25 * time.Second},
		{"criteria", 12, []string{"--config", "criteria.yaml"},
			strings.NewReplacer("web:v1", "web:v2", `error-rate: "0.002"`, `error-rate: "0.3"`), 25 * time.Second},
	} {
		t.Run(run.name, func(t *testing.T) {
			kept, err := filepath.Abs("../../gate/live/testdata")
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			namespace := "shop-" + run.name
			if out, err := exec.Command("kubectl", "create", "namespace", namespace).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			defer exec.Command("kubectl", "delete", "namespace", namespace, "--wait=false").Run()
			if err := inNamespace(os.Getenv("KUBECONFIG"), "kubeconfig", namespace); err != nil {
				t.Fatal(err)
			}
			t.Setenv("KUBECONFIG", "kubeconfig")
			t.Setenv("ROLLOUTGATE_REPORT_DIR", "report")
			write(t, ".", "web.yaml", web.Replace(recordedWeb))
			write(t, ".", "next.yaml", run.next.Replace(recordedWeb))
			write(t, ".", "criteria.yaml", recordedCriteria)
			execute := func(args ...string) (code int, events []gate.Event, text string) {
				var out bytes.Buffer
				keep := func(*options, func(string) string) (*sink, error) {
					return &sink{event: func(e gate.Event) { events = append(events, e) }}, nil
				}
				p := &program{getenv: os.Getenv, stdin: strings.NewReader(""), stdout: &out, stderr: &out, moreSinks: []sinkKind{{name: "a recorder", open: keep}}}
				code = p.execute(context.Background(), append([]string{"run", "--ci", "none", "--prometheus-url", os.Getenv("ROLLOUTGATE_PROMETHEUS_URL")}, args...))
				return code, events, out.String()
			}
			if code, _, text := execute("-f", "web.yaml"); code != 0 {
				t.Fatalf("exit code %d:\n%s", code, text)
			}
			time.Sleep(run.after) // it is to have a past, which the preflight asks for
			code, events, text := execute(append(run.args, "-f", "next.yaml")...)
			if code != run.code {
				t.Errorf("exit code %d, want %d:\n%s", code, run.code, text)
			}
			path := "events.json"
			if *update {
				path = filepath.Join(kept, run.name+".json")
				report, err := os.ReadFile("report/report.json")
				if err == nil {
					err = os.WriteFile(filepath.Join(kept, run.name+"-report.json"), report, 0o644)
				}
				if err != nil {
					t.Error(err)
				}
			}
			if err := eventlog.Write(path, events); err != nil {
				t.Fatal(err)
			}
			again, err := eventlog.Read(path)
			if err != nil || len(again) != len(events) {
				t.Fatalf("%d events of %d are read back: %v", len(again), len(events), err)
			}
			var before, after live.State
			for i, e := range events {
				before.Take(e)
				after.Take(again[i])
				for _, width := range []int{20, 40, 80, 140} {
					view := live.View{Width: width, Height: 24}
					one, other := before.Block(e.Time, view), after.Block(e.Time, view)
					if strings.Join(one, "\n") != strings.Join(other, "\n") || len(one) == 0 || len(one) > 20 {
						t.Fatalf("after event %d, and when it was kept:\n%s\n\n%s", i, strings.Join(one, "\n"), strings.Join(other, "\n"))
					}
				}
			}
		})
	}
}

const recordedWeb = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 4
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
      annotations:
        sandbox.rolloutgate.dev/error-rate: "0.002"
        sandbox.rolloutgate.dev/requests-per-second: "50"
    spec:
      containers:
      - {name: app, image: "registry.example/web:v1"}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: worker}
spec:
  replicas: 2
  selector: {matchLabels: {app: worker}}
  template:
    metadata: {labels: {app: worker}}
    spec:
      containers:
      - {name: app, image: "registry.example/worker:v1"}
`

const recordedCriteria = `settle: 2s
window: 30s
interval: 2s
criteria:
- name: errors
  query: |
    (sum(rate(http_requests_total{namespace="${namespace}",code=~"5.."}[10s])) or vector(0))
    / sum(rate(http_requests_total{namespace="${namespace}"}[10s]))
  max: 5%
- name: requests
  query: sum(rate(http_requests_total{namespace="${namespace}"}[10s]))
  min: 20
`
