//go:build cluster && prometheus

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/internal/promtest"
)

// release is a manifest of a workload that is ready soon, if its image is there.
const release = `apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: app
        image: "registry.example/NAME:TAG"
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
`

// history is what the runs of a test have told in their reports, counted by the test itself.
type history struct {
	mu                        sync.Mutex
	runs, changes, failures   int
	undos, restores           int
	undoSeconds, restoreTimes float64
	byExit                    map[int]int
}

func (h *history) add(r gate.Report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runs++
	h.byExit[r.Exit.Code]++
	for _, c := range r.Changes {
		if c.Action != "unchanged" {
			h.changes++
		}
	}
	if r.Exit.Code == 10 || r.Exit.Code == 21 {
		h.failures++
	}
	if r.Undo != nil && r.Undo.Result == gate.UndoVerified {
		h.undos++
		h.undoSeconds += r.Undo.Duration
		h.restores++
		h.restoreTimes += r.Marks.Undone.Sub(r.Marks.Applied).Seconds() + r.Undo.Duration
	}
}

// TestDashboards runs thirty releases, eight of which are bad, and asks two real servers what the dashboard and the alert
// rules ask. What they answer has to be what the reports say.
func TestDashboards(t *testing.T) {
	gateway := promtest.Pushgateway(t)
	kubeconfig, namespace := newNamespace(t)
	objects := kubeStateMetrics(t, kubeconfig)
	rules, err := filepath.Abs(root + "examples/dashboards/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var servers []*promtest.Server
	for _, b := range promtest.Servers(t) {
		servers = append(servers, promtest.Start(t, promtest.Options{
			Binary: b, ScrapeInterval: 250 * time.Millisecond, RuleFiles: []string{rules},
			ExtraTargets: []promtest.Target{
				{Job: "pushgateway", Address: strings.TrimPrefix(gateway, "http://"), HonorLabels: true},
				{Job: "kube-state-metrics", Address: strings.TrimPrefix(objects.URL, "http://"), HonorLabels: true},
			},
		}))
	}
	began := time.Now()
	h := &history{byExit: map[int]int{}}
	bad := map[string][]int{"web": {3, 6, 9}, "api": {2, 5, 8}, "worker": {4, 9}}
	var workloads sync.WaitGroup
	for name, badOnes := range bad {
		workloads.Go(func() { releases(t, h, kubeconfig, gateway, name, badOnes) })
	}
	workloads.Wait()
	if t.Failed() {
		return
	}
	if h.runs != 30 || h.changes != 30 || h.failures != 8 || h.byExit[0] != 22 || h.byExit[21] != 1 || h.undos != 7 {
		t.Fatalf("the runs were not as planned: %+v", h)
	}
	t.Logf("%d runs in %s, %d of them bad, %d undone", h.runs, time.Since(began).Round(time.Second), h.failures, h.undos)
	for _, s := range servers {
		t.Run("prometheus"+fmt.Sprint(s.Binary.Major), func(t *testing.T) { checkServer(t, s, h, namespace, began) })
	}
	stuck(t, servers, kubeconfig, namespace)
	newest := servers[len(servers)-1]
	if *update {
		time.Sleep(10 * time.Second) // or else one would not see in the picture what is stuck
	}
	picture := pictureOf(t, newest, namespace, began)
	for _, want := range []string{">30.0<", ">26.7%<", ">failed<"} {
		if !strings.Contains(string(picture), want) {
			t.Errorf("%q is not in the picture of the dashboard", want)
		}
	}
	if *update && !t.Failed() {
		writePanels(t, newest, namespace, began)
		if err := os.WriteFile(root+panelsPicture, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// releases are ten of a workload. One of the bad ones is left in place, and the next release repairs that.
func releases(t *testing.T, h *history, kubeconfig, gateway, name string, bad []int) {
	dir := t.TempDir()
	for i := range 10 {
		tag, code, more := fmt.Sprint("v", i), 0, []string(nil)
		for _, b := range bad {
			if b == i {
				tag, code = fmt.Sprintf("v%d-missing", i), 10
			}
		}
		if name == "api" && i == 5 {
			code, more = 21, []string{"--undo=never"}
		}
		path := filepath.Join(dir, name+".yaml")
		if err := os.WriteFile(path, []byte(strings.NewReplacer("NAME", name, "TAG", tag).Replace(release)), 0o600); err != nil {
			t.Error(err)
			return
		}
		reports := filepath.Join(dir, fmt.Sprint(i))
		cmd := exec.CommandContext(t.Context(), builtRolloutgate(t), append([]string{
			"run", "-f", path, "--report-dir", reports, "--grace", "ImageNotFound=1s", "--push-metrics", gateway, "--history", "1",
		}, more...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code || strings.Contains(string(out), "warning: telling") {
			t.Errorf("release %d of %s ended with %d, want %d:\n%s", i, name, got, code, out)
			return
		}
		var r gate.Report
		data, err := os.ReadFile(filepath.Join(reports, "report.json"))
		if err == nil {
			err = json.Unmarshal(data, &r)
		}
		if err != nil {
			t.Error(err)
			return
		}
		h.add(r)
		time.Sleep(max(0, 2500*time.Millisecond-r.Run.Finished.Sub(r.Run.Started))) // each is in a step of its own
	}
}

// checkServer compares what a server answers with what the reports say.
func checkServer(t *testing.T, s *promtest.Server, h *history, namespace string, began time.Time) {
	s.Await(fmt.Sprintf(`sum(rolloutgate_exit_code{namespace=%q} >= bool 0)`, namespace), func(r promtest.Result) bool { return r.Is(3) })
	want := map[string]float64{
		"Releases": float64(h.changes), "Change failure rate": float64(h.failures) / float64(h.changes),
		"Time to undo": h.undoSeconds / float64(h.undos), "Time to restore": h.restoreTimes / float64(h.restores),
	}
	for _, p := range dashboardPanels(t) {
		for _, promql := range p.queries {
			values := s.Query(substituted(promql, namespace, began)).Values()
			expected, known := want[p.title]
			near := func(r promtest.Result) bool {
				values = r.Values()
				return len(values) == 1 && math.Abs(values[0]-expected) < 1e-6
			}
			switch {
			case known: // the last release counts when the next step has come
				s.Await(substituted(promql, namespace, began), near)
				time.Sleep(2 * time.Second)
				if !near(s.Query(substituted(promql, namespace, began))) {
					t.Errorf("%s: %v, the reports say %g", p.title, values, expected)
				}
			case len(values) == 0 && strings.HasPrefix(promql, "max by (namespace, workload)"):
				t.Errorf("%s: nothing comes of %s", p.title, promql)
			}
			delete(want, p.title)
		}
	}
	if len(want) > 0 {
		t.Errorf("the dashboard has no %v", want)
	}
	// Of each workload the last run, by its exit code.
	for workload, code := range map[string]float64{"deployment/web": 10, "deployment/api": 0, "deployment/worker": 10} {
		if r := s.Query(fmt.Sprintf(`max by (namespace, workload) (rolloutgate_exit_code{namespace=%q, workload=%q})`, namespace, workload)); !r.Is(code) {
			t.Errorf("%s ended with %v, want %g", workload, r.Values(), code)
		}
	}
	for _, alert := range []string{"RolloutFailed"} {
		s.Await(fmt.Sprintf(`count(ALERTS{alertname=%q, alertstate="firing", namespace=%q})`, alert, namespace), func(r promtest.Result) bool { return r.Is(3) })
	}
	checkRules(t, s)
}

// checkRules: the server evaluates every rule without an error.
func checkRules(t *testing.T, s *promtest.Server) {
	answer, err := http.Get(s.URL + "/api/v1/rules")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var body struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Query, Health, LastError string }
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, g := range body.Data.Groups {
		for _, r := range g.Rules {
			count++
			if r.LastError != "" || r.Health == "err" {
				t.Errorf("%s: %s %s", r.Name, r.Health, r.LastError)
			}
			s.Query(r.Query) // that of a group which is evaluated every five minutes, too
		}
	}
	if want := strings.Count(string(readFile(t, "examples/dashboards/alerts.yaml")), " expr: "); count != want {
		t.Errorf("the server has %d rules, the file %d", count, want)
	}
}

// stuck leaves a rollout of a bad image to kubectl, and looks whether the servers see it.
func stuck(t *testing.T, servers []*promtest.Server, kubeconfig, namespace string) {
	t.Helper()
	set := exec.Command("kubectl", "--kubeconfig="+kubeconfig, "set", "image", "deployment/web", "app=registry.example/web:missing")
	if out, err := set.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, s := range servers {
		for _, p := range dashboardPanels(t) {
			if p.title == "Rolling now" {
				s.Await(substituted(p.queries[0], namespace, time.Now()), func(r promtest.Result) bool { return r.Is(1) })
			}
		}
		s.Await(fmt.Sprintf(`count(ALERTS{alertname="RolloutStuck", alertstate="pending", namespace=%q})`, namespace), func(r promtest.Result) bool {
			// It is pending five minutes after nothing has moved any more; what it is made of is there by now.
			return r.Is(1) || s.Query(fmt.Sprintf(`max by (namespace, deployment) (kube_deployment_status_replicas_updated{namespace=%q}) < max by (namespace, deployment) (kube_deployment_spec_replicas)`, namespace)).Is(1)
		})
	}
}

type dashboardPanel struct {
	title, description string
	queries            []string
}

// dashboardPanels are those of the example that ask something.
func dashboardPanels(t *testing.T) []dashboardPanel {
	t.Helper()
	var board struct {
		Panels []struct {
			Title, Description string
			Targets            []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(readFile(t, "examples/dashboards/rolloutgate.json"), &board); err != nil {
		t.Fatal(err)
	}
	var all []dashboardPanel
	for _, p := range board.Panels {
		panel := dashboardPanel{title: p.Title, description: p.Description}
		for _, target := range p.Targets {
			panel.queries = append(panel.queries, target.Expr)
		}
		if len(panel.queries) > 0 {
			all = append(all, panel)
		}
	}
	return all
}

// kubeStateMetrics serves, by the names of kube-state-metrics, what the API server says of the Deployments.
func kubeStateMetrics(t *testing.T, kubeconfig string) *httptest.Server {
	t.Helper()
	var mu sync.Mutex
	var at time.Time
	var text string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(at) > time.Second {
			at = time.Now()
			if read, err := deploymentMetrics(kubeconfig); err == nil {
				text = read
			}
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	return server
}

func deploymentMetrics(kubeconfig string) (string, error) {
	out, err := exec.Command("kubectl", "--kubeconfig="+kubeconfig, "get", "deployments", "-o", "yaml").Output()
	if err != nil {
		return "", err
	}
	var list struct {
		Items []struct {
			Metadata struct {
				Name, Namespace string
				Generation      int
			}
			Spec   struct{ Replicas int }
			Status struct {
				UpdatedReplicas     int `yaml:"updatedReplicas"`
				AvailableReplicas   int `yaml:"availableReplicas"`
				UnavailableReplicas int `yaml:"unavailableReplicas"`
				ObservedGeneration  int `yaml:"observedGeneration"`
				Conditions          []struct{ Type, Status string }
			}
		}
	}
	if err := yaml.Unmarshal(out, &list); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, d := range list.Items {
		labels := fmt.Sprintf("namespace=%q,deployment=%q", d.Metadata.Namespace, d.Metadata.Name)
		for name, value := range map[string]int{
			"spec_replicas": d.Spec.Replicas, "status_replicas_updated": d.Status.UpdatedReplicas,
			"status_replicas_available": d.Status.AvailableReplicas, "status_replicas_unavailable": d.Status.UnavailableReplicas,
			"status_observed_generation": d.Status.ObservedGeneration, "metadata_generation": d.Metadata.Generation,
		} {
			fmt.Fprintf(&b, "kube_deployment_%s{%s} %d\n", name, labels, value)
		}
		for _, c := range d.Status.Conditions {
			for _, status := range []string{"true", "false", "unknown"} {
				value := map[bool]int{true: 1}[strings.EqualFold(status, c.Status)]
				fmt.Fprintf(&b, "kube_deployment_status_condition{%s,condition=%q,status=%q} %d\n", labels, c.Type, status, value)
			}
		}
	}
	return b.String(), nil
}

// newNamespace makes one in the cluster of KUBECONFIG, and a kubeconfig that begins there.
func newNamespace(t *testing.T) (kubeconfig, namespace string) {
	t.Helper()
	config := os.Getenv("KUBECONFIG")
	if config == "" {
		t.Fatal("KUBECONFIG is not set: run this test with `make dashboards`")
	}
	namespace = fmt.Sprintf("s-told-%x", time.Now().UnixNano())
	kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := inNamespace(config, kubeconfig, namespace); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("kubectl", "create", "namespace", namespace).CombinedOutput(); err != nil {
		t.Fatalf("creating namespace %s: %v: %s", namespace, err, out)
	}
	t.Cleanup(func() { exec.Command("kubectl", "delete", "namespace", namespace, "--wait=false").Run() })
	return kubeconfig, namespace
}

var built struct {
	once sync.Once
	path string
	err  error
}

// builtRolloutgate is the program as a user has it.
func builtRolloutgate(t *testing.T) string {
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "rolloutgate")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "rolloutgate")
		if out, err := exec.Command("go", "build", "-o", built.path, ".").CombinedOutput(); err != nil {
			built.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if built.err != nil {
		t.Error(built.err)
	}
	return built.path
}

// writePanels writes what the panels have shown into the page that explains them.
func writePanels(t *testing.T, s *promtest.Server, namespace string, began time.Time) {
	var rows strings.Builder
	rows.WriteString(panelsHead)
	for _, p := range dashboardPanels(t) {
		values := s.Query(substituted(p.queries[0], namespace, began)).Values()
		shown := "nothing: no rollout goes on"
		if len(values) > 0 {
			var texts []string
			for _, v := range values {
				texts = append(texts, shortNumber(v))
			}
			shown = strings.Join(texts, ", ")
		}
		fmt.Fprintf(&rows, "| %s | %s | %s |\n", p.title, p.description, cmp.Or(shown, "nothing"))
	}
	page := string(readFile(t, panelsPage))
	before, rest, _ := strings.Cut(page, panelsBegin)
	_, after, found := strings.Cut(rest, panelsEnd)
	if !found {
		t.Fatalf("%s has no markers", panelsPage)
	}
	if err := os.WriteFile(root+panelsPage, []byte(before+panelsBegin+rows.String()+panelsEnd+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

func shortNumber(v float64) string {
	if v > 1e9 {
		return time.UnixMilli(int64(v)).UTC().Format("2006-01-02 15:04")
	}
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
