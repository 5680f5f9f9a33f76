package diagnosis

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

func podTemplate(t *testing.T, text string) *corev1.PodTemplateSpec {
	t.Helper()
	var template corev1.PodTemplateSpec
	if err := yaml.UnmarshalStrict([]byte(text), &template); err != nil {
		t.Fatal(err)
	}
	return &template
}

// TestDifferences: every field that changed is one line, what was added with everything below it too, and no line holds
// what may be a secret.
func TestDifferences(t *testing.T) {
	before := podTemplate(t, `
metadata: {labels: {app: web}, annotations: {token: abc}}
spec:
  containers:
  - name: app
    image: registry.example/web:1.0
    args: ["--port", "8080"]
    env:
    - {name: LOG_LEVEL, value: info}
    - {name: PASSWORD, value: hunter2}
    resources: {limits: {memory: 512Mi, cpu: 1000m}}
  - {name: log, image: registry.example/log:1.0}
`)
	after := podTemplate(t, `
metadata: {labels: {app: web, tier: front}, annotations: {token: def}}
spec:
  nodeSelector: {disktype: sdd}
  containers:
  - {name: log, image: registry.example/log:1.0}
  - name: app
    image: registry.example/web:1.1
    args: ["--port", "9090"]
    env:
    - {name: PASSWORD, value: hunter3}
    - {name: LOG_LEVEL, value: info}
    - {name: NEW, value: secret}
    readinessProbe: {httpGet: {path: /ready, port: 8080}}
    resources: {limits: {memory: 64Mi, cpu: "1"}}
`)
	var got []string
	for _, c := range differences(before, after, "spec.template") {
		got = append(got, c.String())
	}
	want := []string{
		"spec.template.metadata.annotations.token changed",
		"spec.template.metadata.labels.tier added: front",
		`args: ["--port", "8080"] → ["--port", "9090"]`,
		"env[name=NEW] changed",
		"env[name=PASSWORD].value changed",
		"image: registry.example/web:1.0 → registry.example/web:1.1",
		"readinessProbe added",
		"resources.limits.memory: 512Mi → 64Mi",
		"nodeSelector added",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if changes := differences(after, after.DeepCopy(), "spec.template"); len(changes) > 0 {
		t.Errorf("a template differs from itself: %v", changes)
	}
	if changes := differences(nil, after, "spec.template"); changes != nil {
		t.Errorf("a new workload changed nothing, got %v", changes)
	}
	back := differences(after, before, "spec.template")
	if !slices.ContainsFunc(back, func(c Change) bool { return c.String() == "readinessProbe removed" }) {
		t.Errorf("a removed probe is not told: %v", back)
	}
}

// TestChangedRanksFirst: of two causes that stand side by side, the one whose field this rollout changed is the headline.
func TestChangedRanksFirst(t *testing.T) {
	changed := Finding{Code: "OomKilled", Terminal: TerminalAfter, FieldPath: "spec.template.spec.containers[name=app].resources.limits.memory", Container: "app", pods: []string{"a"}}
	other := Finding{Code: "ImageNotFound", Terminal: TerminalAfter, FieldPath: "spec.template.spec.containers[name=log].image", Container: "log", pods: []string{"b"}}
	found := []Finding{other, changed}
	new(facts).tie(found, []Change{{Path: changed.FieldPath, Before: "512Mi", After: "64Mi"}})
	if got := order(found, false)[0].Code; got != "OomKilled" {
		t.Errorf("the headline is %s", got)
	}
	found = []Finding{other, changed}
	if got := order(found, false)[0].Code; got != "ImageNotFound" {
		t.Errorf("without a change the earlier stage comes first, got %s", got)
	}
}
