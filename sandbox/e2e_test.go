package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/requests"
	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/node"
)

// These tests start real sandboxes. They need the components, which the first
// run builds, so they only run when asked for:
//
//	SANDBOX_E2E=1 go test -v -run E2E .
func e2e(t *testing.T) *harness {
	t.Helper()
	if os.Getenv("SANDBOX_E2E") == "" {
		t.Skip("set SANDBOX_E2E=1 to start real sandboxes")
	}
	dir := t.TempDir()
	h := &harness{T: t, bin: filepath.Join(dir, "sandbox")}
	build := exec.Command("go", "build", "-o", dir+"/", ".", "./testapp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // the test application runs without a C library
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the sandbox: %v\n%s", err, out)
	}
	return h
}

type harness struct {
	*testing.T
	bin string
}

// command prepares a call of the program for the sandbox in dir.
func (h *harness) command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(h.bin, append([]string{args[0], "--dir=" + dir}, args[1:]...)...)
	cmd.Stderr = h.Output()
	return cmd
}

// up starts a sandbox and takes it down after the test.
func (h *harness) up(dir string, flags ...string) instance.State {
	h.Helper()
	if out, err := h.command(dir, append([]string{"up"}, flags...)...).Output(); err != nil {
		h.Fatalf("up: %v\n%s", err, out)
	}
	h.Cleanup(func() {
		if err := h.command(dir, "down").Run(); err != nil {
			h.Errorf("down: %v", err)
		}
		if left, _ := filepath.Glob(dir + "*"); len(left) > 0 {
			h.Errorf("down leaves %v", left)
		}
	})
	return h.status(dir)
}

func (h *harness) status(dir string) instance.State {
	h.Helper()
	out, err := h.command(dir, "status", "--json").Output()
	if err != nil {
		h.Fatalf("status: %v", err)
	}
	var state instance.State
	if err := json.Unmarshal(out, &state); err != nil {
		h.Fatal(err)
	}
	return state
}

func (h *harness) kubectl(s instance.State, stdin string, args ...string) string {
	h.Helper()
	cmd := exec.Command(filepath.Join(s.Bin, "kubectl"), append([]string{"--kubeconfig=" + s.Kubeconfig}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		h.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// eventually waits until look returns something that contains want.
func (h *harness) eventually(what, want string, look func() string) {
	h.Helper()
	got := ""
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		if got = look(); strings.Contains(got, want) {
			return
		}
	}
	h.Errorf("%s: %q does not appear; last seen:\n%s", what, want, got)
}

// deployment has one pod with one init container and one container.
func deployment(name, tag string, annotations ...string) string {
	text := ""
	for i := 0; i < len(annotations); i += 2 {
		text += fmt.Sprintf("\n        sandbox.rolloutgate.dev/%s: %q", annotations[i], annotations[i+1])
	}
	if text == "" {
		text = " {}"
	}
	return fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata:
      labels: {app: %[1]s}
      annotations:%[3]s
    spec:
      initContainers: [{name: migrate, image: registry.example/migrate:1}]
      containers: [{name: web, image: registry.example/web:%[2]s}]
`, name, tag, text)
}

func TestE2EBehaviours(t *testing.T) {
	h := e2e(t)
	s := h.up(filepath.Join(t.TempDir(), "one"))
	if nodes := h.kubectl(s, "", "get", "nodes"); strings.Count(nodes, " Ready ") != 5 {
		t.Fatalf("not five ready nodes:\n%s", nodes)
	}
	cases := []struct {
		name, tag   string
		annotations []string
		want        []string // in `kubectl describe pod`
	}{
		{"healthy", "1", nil, []string{"Ready:          True"}},
		{"late", "1", []string{"ready-after", "3s"}, []string{"Ready:          True"}},
		{"never", "1", []string{"behavior", "never-ready"}, []string{"Readiness probe failed: HTTP probe failed with statuscode: 503"}},
		{"crash", "1", []string{"behavior", "crash-loop"}, []string{"CrashLoopBackOff", "Exit Code:    1", "Restart Count:  2", "Back-off restarting failed container web in pod crash-"}},
		{"recovers", "1", []string{"behavior", "crash-loop", "crashes", "2", "back-off", "1s"}, []string{"Ready:          True", "Restart Count:  2"}},
		{"oom", "1", []string{"behavior", "oom-killed"}, []string{"OOMKilled", "Exit Code:    137"}},
		{"liveness", "1", []string{"behavior", "liveness-killed"}, []string{"Liveness probe failed", "Exit Code:    143", "Container web failed liveness probe, will be restarted"}},
		{"flap", "1", []string{"behavior", "flap", "flap-every", "1s"}, []string{"Readiness probe failed"}},
		{"init", "1", []string{"behavior", "init-crash"}, []string{"PodInitializing", "CrashLoopBackOff", "failed container migrate"}},
		{"config", "1", []string{"behavior", "config-missing", "missing-name", "settings"}, []string{"CreateContainerConfigError", `configmap "settings" not found`}},
		{"mount", "1", []string{"behavior", "mount-missing"}, []string{"ContainerCreating", "FailedMount"}},
		{"image", "missing", nil, []string{"ImagePullBackOff", `failed to resolve reference "registry.example/web:missing": registry.example/web:missing: not found`}},
	}
	manifests := ""
	for _, c := range cases {
		manifests += deployment(c.name, c.tag, c.annotations...)
	}
	h.kubectl(s, manifests, "apply", "-f", "-")
	for _, c := range cases {
		for _, want := range c.want {
			h.eventually(c.name, want, func() string { return h.kubectl(s, "", "describe", "pod", "-l", "app="+c.name) })
		}
	}
	h.eventually("logs of a crash", "price list: row 17 has no currency", func() string { return h.kubectl(s, "", "logs", "--previous", "deploy/crash") })
	h.eventually("logs of a healthy pod", "listening", func() string { return h.kubectl(s, "", "logs", "deploy/healthy") })
	h.kubectl(s, "", "delete", "deployment", "--all")
	h.eventually("deletion", "No resources found", func() string { return h.kubectl(s, "", "get", "pods") })
}

func TestE2ETraffic(t *testing.T) {
	h := e2e(t)
	s := h.up(filepath.Join(t.TempDir(), "one"))
	h.kubectl(s, deployment("shop", "1", "error-rate", "0.4", "requests-per-second", "50", "latency-ms", "300"), "apply", "-f", "-")
	for query, want := range map[string]string{
		`sum(rate(http_requests_total{namespace="default",app="shop",code="500"}[5s])) by (job, service)`:             `{"job":"shop","service":"shop"}`,
		`sum(rate(http_requests_total{app="shop",code="500",pod_template_hash!=""}[5s])) > 19 < 21`:                   `"value"`,
		`sum(rate(http_requests_total{app="shop",code="200",pod=~"shop-.*"}[5s])) > 29 < 31`:                          `"value"`,
		`histogram_quantile(0.5, sum by (le) (rate(http_request_duration_seconds_bucket{app="shop"}[5s]))) > .3 < .4`: `"value"`,
	} {
		h.eventually(query, want, func() string {
			response, err := http.Get(s.Prometheus + "/api/v1/query?query=" + url.QueryEscape(query))
			if err != nil {
				return err.Error()
			}
			defer response.Body.Close()
			var answer json.RawMessage
			_ = json.NewDecoder(response.Body).Decode(&answer)
			return string(answer)
		})
	}
}

func TestE2ESideBySide(t *testing.T) {
	h := e2e(t)
	dir := t.TempDir()
	one, two := h.up(filepath.Join(dir, "one")), h.up(filepath.Join(dir, "two"))
	h.kubectl(one, "", "create", "namespace", "only-in-one")
	if out := h.kubectl(two, "", "get", "namespaces"); strings.Contains(out, "only-in-one") || !strings.Contains(out, "default") {
		t.Errorf("the second sandbox is not one of its own:\n%s", out)
	}
}

// services is a Deployment with a Service, and a pod that is ready once it has reached the Service's address.
const services = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: "registry.sandbox/web:v2", readinessProbe: {httpGet: {path: /healthz, port: 8080}, periodSeconds: 1}}
---
apiVersion: v1
kind: Pod
metadata: {name: client}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: client
    image: registry.sandbox/web:v1
    env: [{name: WAIT_FOR, value: "$(WEB_SERVICE_HOST):$(WEB_SERVICE_PORT)"}, {name: WAIT_TIMEOUT, value: 60s}]
`

// Services of two nodes answer at the same time, on this machine and in pods, and nothing of it stays.
func TestE2EServices(t *testing.T) {
	h := e2e(t)
	if missing := node.Missing(); len(missing) > 0 {
		t.Fatalf("a machine that runs all tests has to be able to run a node; missing: %v", missing)
	}
	before := network(t)
	t.Cleanup(func() { // after the sandboxes are down
		if after := network(t); after != before {
			t.Errorf("the machine's network was\n%s\nand is\n%s", before, after)
		}
	})
	dir := t.TempDir()
	flags := []string{"--real-node", "--nodes=0"}
	both := []instance.State{h.up(filepath.Join(dir, "one"), flags...), h.up(filepath.Join(dir, "two"), flags...)}
	if both[0].Services == both[1].Services {
		t.Errorf("both have the network %s for Services", both[0].Services)
	}
	for _, s := range both {
		h.kubectl(s, services, "apply", "-f", "-")
	}
	for i, s := range both {
		address := ""
		h.eventually("two pods behind the Service", "2 pods of v2", func() string {
			address = h.kubectl(s, "", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
			clients := requests.Start(requests.Config{URL: "http://" + address + "/"})
			time.Sleep(300 * time.Millisecond)
			pods, versions := map[string]bool{}, ""
			for _, a := range clients.Stop() {
				if a.Failure == "" {
					pods[a.Pod], versions = true, a.Version
				}
			}
			return fmt.Sprintf("%d pods of %s", len(pods), versions)
		})
		h.eventually("a pod that asks the Service", "waiting for database at "+address+":80", func() string { return h.kubectl(s, "", "logs", "client") })
		h.eventually("a pod that asks the Service", "true", func() string {
			return h.kubectl(s, "", "get", "pod", "client", "-o", "jsonpath={.status.containerStatuses[0].ready}")
		})
		t.Logf("sandbox %d: %s answers", i+1, address)
	}
}

// network is what a node could leave in the network of this machine: rules, routes, interfaces.
func network(t *testing.T) string {
	t.Helper()
	const look = `iptables-save | sed '/^#/d; s/ \[[0-9:]*\]//'; ip route; ip -brief link`
	out, err := exec.Command("sh", "-c", look).CombinedOutput()
	if err != nil {
		t.Fatalf("looking at the network: %v\n%s", err, out)
	}
	return string(out)
}

func TestE2ECrash(t *testing.T) {
	h := e2e(t)
	dir := filepath.Join(t.TempDir(), "one")
	first := h.up(dir)
	_ = syscall.Kill(first.Processes[0].PID, syscall.SIGKILL)
	h.eventually("status after a crash", "exit status 3", func() string { return fmt.Sprint(h.command(dir, "status").Run()) })
	if err := h.command(dir, "up").Run(); err != nil {
		t.Fatalf("up after a crash: %v", err)
	}
	for _, p := range first.Processes {
		if p.Alive() {
			t.Errorf("%s of the crashed sandbox still runs", p.Name)
		}
	}
}

func TestE2ERun(t *testing.T) {
	h := e2e(t)
	dir := filepath.Join(t.TempDir(), "one")
	run := func(args ...string) *exec.Cmd {
		return h.command(dir, append([]string{"run", "--nodes=1", "--"}, args...)...)
	}

	out, err := run("sh", "-c", `kubectl get nodes -o name; echo "$ROLLOUTGATE_PROMETHEUS_URL"; exit 7`).Output()
	if err == nil || err.Error() != "exit status 7" || !strings.HasPrefix(string(out), "node/sim-1\nhttp://127.0.0.1:") {
		t.Errorf("run: %v\n%s", err, out)
	}
	if left, _ := filepath.Glob(dir + "*"); len(left) > 0 {
		t.Errorf("run leaves %v", left)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	signalled := run("sh", "-c", `trap 'echo got it; exit 42' TERM; echo ready; while :; do sleep 0.1; done`)
	pipe, _ := signalled.StdoutPipe()
	if err := signalled.Start(); err != nil {
		t.Fatal(err)
	}
	context.AfterFunc(ctx, func() { _ = signalled.Process.Kill() })
	text := make([]byte, 64)
	_, _ = pipe.Read(text) // ready
	_ = signalled.Process.Signal(syscall.SIGTERM)
	n, _ := pipe.Read(text)
	if err := signalled.Wait(); string(text[:n]) != "got it\n" || err == nil || err.Error() != "exit status 42" {
		t.Errorf("a signal: %q, %v", text[:n], err)
	}
}

// A supervisor that is killed takes everything with it, and the next call
// clears the rest.
func TestE2EKilledRun(t *testing.T) {
	h := e2e(t)
	dir := filepath.Join(t.TempDir(), "one")
	run := h.command(dir, "run", "--nodes=1", "--", "sh", "-c", "echo ready $$; exec sleep 600")
	pipe, _ := run.StdoutPipe()
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 64)
	n, _ := pipe.Read(text)
	var command int
	_, _ = fmt.Sscanf(string(text[:n]), "ready %d", &command)
	state := h.status(dir)
	_ = run.Process.Kill()
	_, _ = run.Process.Wait()
	h.eventually("end of the command", "no such process", func() string { return fmt.Sprint(syscall.Kill(command, 0)) })
	h.eventually("end of the components", "0 alive", func() string {
		alive := 0
		for _, p := range state.Processes {
			if p.Alive() {
				alive++
			}
		}
		return fmt.Sprintf("%d alive", alive)
	})
	h.up(dir)
}
