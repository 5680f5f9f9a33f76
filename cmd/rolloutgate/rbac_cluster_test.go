//go:build cluster

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/order"
	"github.com/rolloutgate/rolloutgate/gate/rights"
)

// rightsTime is how long all the runs of a test may take: they go on at the same time.
const rightsTime = 4 * time.Minute

// pieces of manifests
const (
	service    = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n---\n"
	deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}, annotations: {sandbox.rolloutgate.dev/behavior: ready}}
    spec:
      containers: [{name: app, image: "registry.example/web:v1"}]
---
`
	apart     = "apiVersion: v1\nkind: Service\nmetadata: {name: apart}\nspec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}\n---\n"                  // in no manifest
	route     = "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: public}\nspec: {rules: [{backendRefs: [{name: web, port: 80}]}]}\n---\n" // in no manifest
	configMap = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: conf}\ndata: {size: small}\n---\n"
	migration = `apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: "pre-install,pre-upgrade"}}
spec:
  template:
    spec: {restartPolicy: Never, containers: [{name: migrate, image: "registry.example/migrate:v1"}]}
---
`
	crd = `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: KIND.rights.example.com}
spec:
  group: rights.example.com
  scope: Namespaced
  names: {kind: KINDKIND, plural: KIND, singular: KINDs, listKind: KINDList}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
---
`
	prometheusInside = `apiVersion: v1
kind: Service
metadata: {name: prometheus}
spec: {selector: {app: prometheus}, ports: [{name: web, port: 9090, targetPort: PORT}]}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus-0, labels: {app: prometheus}, annotations: {sandbox.rolloutgate.dev/behavior: scripted}}
spec: {containers: [{name: prometheus, image: prometheus}]}
---
`
)

var statefulSet = strings.NewReplacer("Deployment", "StatefulSet", "replicas: 2", "serviceName: web\n  replicas: 2").Replace(deployment)

// with replaces pieces of a manifest.
func with(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }

// deed is one command of a scenario.
type deed struct {
	manifest string // what is written into a file for -f; empty: none is given
	args     []string
	code     int
	bare     bool // without the flags of the scenario
}

// ended tells whether a command ended as it should. Whether a bad rollout is found out before its time is up depends on
// how busy the machine is; either is right.
func (d deed) ended(code int) bool {
	return code == d.code || slices.Contains([]int{10, 11}, code) && slices.Contains([]int{10, 11}, d.code)
}

// scenario is what one account does.
type scenario struct {
	before     string   // what the administrator has deployed by rolloutgate
	as         []string // with these flags
	byKubectl  string   // and with a client-side apply
	flags      []string // of rbac and of every run
	config     string   // of these, too
	env        map[string]string
	prometheus bool // there is one inside the namespace
	steps      []deed
}

// scenarios are runs of all kinds.
func scenarios() map[string]scenario {
	missing := []string{"--grace", "ImageNotFound=3s", "--timeout", "60s"}
	return map[string]scenario{
		"created": {steps: []deed{
			{manifest: service + configMap + deployment},
			{manifest: service + configMap + with(deployment, ":v1", ":v2")},
			{manifest: service + configMap + with(deployment, ":v1", ":v2")},
			{args: []string{"watch", "deployment/web"}},
			{args: []string{"history"}},
			{args: []string{"undo", "deployment/web", "-o", "json"}},
			{args: []string{"diagnose", "deployment/web", "-o", "json"}},
		}},
		"bad": {before: service + deployment, flags: missing, steps: []deed{
			{manifest: service + with(deployment, ":v1", ":missing"), code: 10},
		}},
		"kept": {before: service + deployment, flags: append([]string{"--keep-bad-pod"}, missing...), steps: []deed{
			{manifest: service + with(deployment, ":v1", ":missing"), code: 10},
		}},
		"removed": {flags: missing, steps: []deed{{manifest: configMap + with(deployment, ":v1", ":missing"), code: 10}}},
		"taken":   {byKubectl: deployment, flags: missing, steps: []deed{{manifest: with(deployment, ":v1", ":v2", "replicas: 2", "replicas: 3")}, {manifest: with(deployment, ":v1", ":missing"), code: 10}}},
		"stuck":   {before: statefulSet, flags: missing, steps: []deed{{manifest: with(statefulSet, ":v1", ":missing"), code: 10}}},
		"crash": {before: deployment, flags: []string{"--timeout", "40s"}, steps: []deed{
			{manifest: with(deployment, "behavior: ready", "behavior: crash-loop"), code: 10},
		}},
		"config": {before: configMap + with(deployment, "v1\"}", "v1\", envFrom: [{configMapRef: {name: conf}}]}"), flags: []string{"--restart-on-config-change"}, steps: []deed{
			{manifest: with(configMap, "small", "large") + with(deployment, "v1\"}", "v1\", envFrom: [{configMapRef: {name: conf}}]}")},
		}},
		"daemon": {before: with(deployment, "Deployment", "DaemonSet", "  replicas: 2\n", ""), flags: missing, steps: []deed{
			{manifest: with(deployment, "Deployment", "DaemonSet", "  replicas: 2\n", "", ":v1", ":missing"), code: 10},
		}},
		"nodes-first": {before: with(deployment, "Deployment", "DaemonSet", "  replicas: 2\n", ""), flags: append([]string{"--canary", "1"}, missing...), steps: []deed{
			{manifest: with(deployment, "Deployment", "DaemonSet", "  replicas: 2\n", "", ":v1", ":v2")},
		}},
		"told": {before: deployment, flags: append([]string{"--events"}, missing...), steps: []deed{
			{manifest: with(deployment, ":v1", ":missing"), code: 10},
		}},
		"never": {before: deployment, flags: append([]string{"--undo", "never"}, missing...), steps: []deed{
			{manifest: with(deployment, ":v1", ":missing"), code: 21},
		}},
		"definition": {flags: missing, steps: []deed{
			{manifest: with(crd, "KINDKIND", "Widget", "KIND", "widgets") + with(deployment, ":v1", ":missing"), code: 10},
		}},
		"hook": {before: migration + deployment, flags: missing, steps: []deed{
			{manifest: migration + with(deployment, ":v1", ":v2")},
			{manifest: migration + with(deployment, ":v1", ":missing"), code: 10},
		}},
		"bluegreen": {before: service + deployment, byKubectl: apart, flags: []string{"--blue-green"}, steps: []deed{
			{manifest: with(service, "port: 80,", "port: 81,") + with(deployment, ":v1", ":v2")},
			{args: []string{"undo", "deployment/web"}, bare: true},
		}},
		"bluebad": {before: service + deployment, byKubectl: apart, flags: append([]string{"--blue-green"}, missing...), steps: []deed{
			{manifest: service + with(deployment, ":v1", ":missing"), code: 10},
		}},
		"drain": {before: service + deployment, byKubectl: apart, flags: []string{"--drain"}, steps: []deed{
			{manifest: service + with(deployment, ":v1", ":v2")},
		}},
		"traffic": {before: service + deployment, byKubectl: route, config: "stages:\n- traffic: 50%\n", steps: []deed{
			{manifest: with(deployment, ":v1", ":v2")},
			{args: []string{"undo", "deployment/web"}, bare: true},
		}},
		"traffbad": {before: service + deployment, byKubectl: route, config: "stages:\n- traffic: 50%\n  test: {command: ['false']}\n", steps: []deed{
			{manifest: with(deployment, ":v1", ":v2"), code: 10},
		}},
		"prune": {before: configMap + with(configMap, "conf", "more") + deployment, as: []string{"--prune", "web"}, flags: []string{"--prune", "web"}, steps: []deed{
			{manifest: with(configMap, "conf", "more") + with(deployment, ":v1", ":v2")},
			{args: []string{"undo"}, bare: true},
		}},
		"criteria": {prometheus: true, before: deployment, flags: []string{
			"--prometheus-service", "NAMESPACE/prometheus:web", "--check", "sum(up) >= 1", "--settle", "1s", "--window", "4s", "--interval", "2s",
		}, steps: []deed{{manifest: with(deployment, ":v1", ":v2")}}},
		"forward": {prometheus: true, before: deployment, env: map[string]string{tokenEnv: "abc"}, flags: []string{
			"--prometheus-service", "NAMESPACE/prometheus:web", "--check", "sum(up) >= 1", "--settle", "1s", "--window", "4s", "--interval", "2s",
		}, steps: []deed{{manifest: with(deployment, ":v1", ":v2"), code: 75}}}, // no port of a simulated pod can be forwarded
	}
}

// TestRightsAreExact: accounts with exactly the rights that rbac prints do all kinds of runs, without a note that something
// could not be read, and ask for nothing else; and no right that rbac calls necessary is there for nothing.
func TestRightsAreExact(t *testing.T) {
	needsAudit(t)
	if err := installGatewayAPI("httproutes"); err != nil {
		t.Fatal(err)
	}
	host, port := publishPrometheus(t)
	ctx, cancel := context.WithTimeout(t.Context(), rightsTime)
	defer cancel()
	dir := t.TempDir()
	var running sync.WaitGroup
	var mu sync.Mutex
	used := map[string]bool{}
	for name, s := range scenarios() {
		running.Go(func() {
			tenant, err := newTenant(ctx, dir, name)
			if err == nil {
				defer tenant.remove()
				err = tenant.play(ctx, s, host, port, nil)
			}
			var purposes []string
			if err == nil {
				purposes, err = tenant.check(s)
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			mu.Lock()
			defer mu.Unlock()
			for _, p := range purposes {
				used[p] = true
			}
		})
	}
	running.Wait()
	for _, row := range rights.Table() {
		if !row.Optional() && !used[row.Purpose] {
			t.Errorf("no run needed the right to %s", row.Purpose)
		}
	}
}

// play does the steps of a scenario as an account with the rights that rbac prints for it, changed by change.
func (t *tenant) play(ctx context.Context, s scenario, host, port string, change func(string, *rbacv1.PolicyRule)) error {
	if err := t.prepare(ctx, s, host, port); err != nil {
		return err
	}
	flags := make([]string, len(s.flags))
	for i, f := range s.flags {
		flags[i] = strings.ReplaceAll(f, "NAMESPACE", t.namespace)
	}
	if s.config != "" {
		path, err := t.write("rolloutgate.yaml", s.config)
		if err != nil {
			return err
		}
		flags = append(flags, "--config", path)
	}
	for n, step := range s.steps {
		args := slices.Concat(step.args, flags)
		if step.bare {
			args = step.args
		}
		if step.manifest != "" {
			path, err := t.write(fmt.Sprintf("step%d.yaml", n), step.manifest)
			if err != nil {
				return err
			}
			if n == 0 {
				printed := t.as(ctx, "admin", s.env, slices.Concat([]string{"rbac", "-f", path, "--service-account", audited + "/" + t.account}, flags)...)
				if printed.code != 0 {
					return fmt.Errorf("rbac: exit code %d: %s", printed.code, printed.out)
				}
				if err := t.grant(ctx, printed.stdout, change); err != nil {
					return err
				}
			}
			args = slices.Concat([]string{"run", "-f", path, "-o", "json"}, flags)
		}
		got := t.as(ctx, "account", s.env, args...)
		t.last = got
		if !step.ended(got.code) {
			return fmt.Errorf("step %d: exit code %d, want %d: %s", n, got.code, step.code, got.out)
		}
		if i := slices.IndexFunc(got.report.Notes, func(note string) bool {
			return strings.Contains(note, "cannot") || strings.Contains(note, "not readable")
		}); i >= 0 && change == nil {
			return fmt.Errorf("step %d: note %q", n, got.report.Notes[i])
		}
	}
	return nil
}

// prepare deploys what is there before.
func (t *tenant) prepare(ctx context.Context, s scenario, host, port string) error {
	if s.byKubectl != "" {
		if err := t.kubectlApply(s.byKubectl); err != nil {
			return err
		}
	}
	if s.prometheus { // nobody but us writes the status of its pod
		if err := t.kubectlApply(with(prometheusInside, "PORT", port)); err != nil {
			return err
		}
		status := fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"conditions":[{"type":"Ready","status":"True"}]}}`, host, host)
		if _, err := t.admin.CoreV1().Pods(t.namespace).Patch(ctx, "prometheus-0", types.MergePatchType, []byte(status), metav1.PatchOptions{}, "status"); err != nil {
			return err
		}
	}
	if s.before == "" {
		return nil
	}
	path, err := t.write("before.yaml", s.before)
	if err != nil {
		return err
	}
	if got := t.as(ctx, "admin", nil, append([]string{"run", "-f", path, "--timeout", "2m"}, s.as...)...); got.code != 0 {
		return fmt.Errorf("deploying what is there before: exit code %d: %s", got.code, got.out)
	}
	return nil
}

// check holds what the account has asked for to what it was granted, and returns the purposes of the rights that it used.
func (t *tenant) check(s scenario) ([]string, error) {
	asked, err := t.requests()
	if err != nil {
		return nil, err
	}
	var purposes []string
	var errs []error
	seen := map[string]bool{}
	for _, r := range asked {
		if !t.covered(r) && !seen[r.String()] {
			seen[r.String()] = true
			errs = append(errs, fmt.Errorf("rbac does not print what is needed to %s", r))
		}
	}
	needed, err := t.needed(s)
	if err != nil {
		return nil, err
	}
	for _, right := range needed {
		if slices.ContainsFunc(asked, func(r request) bool {
			return right.Allows(r.Verb, r.ObjectRef.APIGroup, r.resource(), r.ObjectRef.Namespace)
		}) {
			purposes = append(purposes, right.Purpose)
		}
	}
	return purposes, errors.Join(errs...)
}

// needed are the rights that a scenario is told to need.
func (t *tenant) needed(s scenario) ([]rights.Right, error) {
	use := rights.Use{
		Home: t.namespace, Record: true, NeverUndo: slices.Contains(s.flags, "never"), Canaries: slices.Contains(s.flags, "--canary"),
		KeepBadPod: slices.Contains(s.flags, "--keep-bad-pod"), Events: slices.Contains(s.flags, "--events"), Prunes: slices.Contains(s.flags, "--prune"),
		Pins: slices.Contains(s.flags, "--blue-green") || slices.Contains(s.flags, "--drain"),
	}
	if s.config != "" {
		use.Pins, use.Shares = true, true
	}
	if s.prometheus {
		use.Prometheus = rights.Service{Namespace: t.namespace, Name: "prometheus", NoProxy: s.env[tokenEnv] != ""}
	}
	read, err := manifest.Read(manifest.Options{Filenames: []string{t.file("step0.yaml")}})
	if err != nil {
		return nil, err
	}
	ordered, err := order.Split(read.Objects, order.Options{Upgrade: true})
	if err != nil {
		return nil, err
	}
	var objects []manifest.Object
	for _, o := range ordered.Objects() {
		objects = append(objects, o.Object)
	}
	use.Objects, err = rights.Find(objects, t.namespace, nil)
	return rights.Needed(use), err
}

// kubectlApply applies as kubectl does without --server-side.
func (t *tenant) kubectlApply(text string) error {
	path, err := t.write("kubectl.yaml", text)
	if err != nil {
		return err
	}
	if out, err := exec.Command("kubectl", "--kubeconfig", t.file("admin"), "apply", "-f", path).CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, out)
	}
	return nil
}
