//go:build cluster && prometheus

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// collected is a batch of spans, as the collector's receiver prints it.
type collected struct {
	ResourceSpans []struct {
		Resource   struct{ Attributes []collectedAttribute }
		ScopeSpans []struct{ Spans []collectedSpan }
	}
}

type collectedSpan struct {
	TraceID, SpanID, ParentSpanID, Name string
	StartTimeUnixNano, EndTimeUnixNano  string
	Attributes                          []collectedAttribute
	Status                              struct {
		Code    int
		Message string
	}
}

type collectedAttribute struct {
	Key   string
	Value struct{ StringValue, IntValue string }
}

func (s collectedSpan) value(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.StringValue + a.Value.IntValue
		}
	}
	return ""
}

// TestTraces sends a good run and a bad one in stages to the receiver of the OpenTelemetry collector.
func TestTraces(t *testing.T) {
	address, batches := collector(t)
	kubeconfig, namespace := newNamespace(t)
	path := filepath.Join(t.TempDir(), "web.yaml")
	run := func(tag string, code int, more ...string) []collectedSpan {
		t.Helper()
		text := strings.NewReplacer("NAME", "web", "TAG", tag, "replicas: 2", "replicas: 4").Replace(release)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), builtRolloutgate(t), append([]string{"run", "-f", path, "--grace", "ImageNotFound=1s", "--ci", "gitlab"}, more...)...)
		cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig, "OTEL_EXPORTER_OTLP_ENDPOINT="+address, "OTEL_EXPORTER_OTLP_COMPRESSION=gzip",
			"OTEL_RESOURCE_ATTRIBUTES=deployment.environment.name=sandbox", "TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
			"CI_COMMIT_SHA=0123abc", "CI_JOB_URL=https://ci.example/jobs/7", "GITLAB_USER_LOGIN=ada")
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != code || strings.Contains(string(out), "warning: telling") {
			t.Fatalf("ended with %d, want %d:\n%s", got, code, out)
		}
		batch := <-batches
		if len(batch.ResourceSpans) != 1 || len(batch.ResourceSpans[0].ScopeSpans) != 1 {
			t.Fatalf("the collector has got %+v", batch)
		}
		about := collectedSpan{Attributes: batch.ResourceSpans[0].Resource.Attributes}
		if about.value("service.name") != "rolloutgate" || about.value("deployment.environment.name") != "sandbox" || about.value("service.version") == "" {
			t.Errorf("it comes from %+v", about)
		}
		return batch.ResourceSpans[0].ScopeSpans[0].Spans
	}

	good := run("v1", 0)
	if want := []string{"rolloutgate run", "plan", "apply", "watch"}; !slices.Equal(namesOf(good), want) {
		t.Errorf("spans %v, want %v", namesOf(good), want)
	}
	root := good[0]
	for key, want := range map[string]string{
		"cicd.pipeline.task.run.result": "success", "cicd.pipeline.run.url.full": "https://ci.example/jobs/7", "vcs.ref.head.revision": "0123abc",
		"user.name": "ada", "k8s.namespace.name": namespace, "k8s.deployment.name": "web", "rolloutgate.exit.code": "0",
	} {
		if got := root.value(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if root.TraceID != "0af7651916cd43dd8448eb211c80319c" || root.ParentSpanID != "b7ad6b7169203331" || root.Status.Code != 0 {
		t.Errorf("the run is %+v", root)
	}

	bad := run("v2-missing", 10, "--canary", "25%")
	if want := []string{"rolloutgate run", "plan", "stage canary 25%", "apply", "watch", "diagnose", "undo"}; !slices.Equal(namesOf(bad), want) {
		t.Errorf("spans %v, want %v", namesOf(bad), want)
	}
	for _, s := range bad {
		failed := slices.Contains([]string{"rolloutgate run", "stage canary 25%", "watch"}, s.Name)
		if (s.Status.Code == 2) != failed || failed != strings.Contains(s.Status.Message, "ImageNotFound") {
			t.Errorf("%s has the status %+v", s.Name, s.Status)
		}
	}
	if bad[0].value("error.type") != "ImageNotFound" || bad[0].value("rolloutgate.undo.result") != "verified" || bad[3].ParentSpanID != bad[2].SpanID {
		t.Errorf("the bad run is %+v", bad)
	}
}

func namesOf(spans []collectedSpan) (names []string) {
	for _, s := range spans {
		names = append(names, s.Name)
	}
	return names
}

// collector runs the collector's receiver until the end of the test.
func collector(t *testing.T) (address string, batches <-chan collected) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "receiver")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = root + "sandbox/receiver"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the receiver: %v: %s", err, out)
	}
	cmd := exec.Command(path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	if !lines.Scan() {
		t.Fatal("the receiver does not say where it listens")
	}
	address = lines.Text()
	received := make(chan collected, 10)
	go func() {
		defer close(received)
		for lines.Scan() {
			var batch collected
			if err := json.Unmarshal(lines.Bytes(), &batch); err != nil {
				fmt.Fprintln(os.Stderr, "reading what the receiver prints:", err)
			}
			received <- batch
		}
	}()
	return address, received
}
