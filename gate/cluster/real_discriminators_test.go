//go:build cluster

package cluster

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// podSpec is a Deployment with the text as its pod spec.
func podSpec(text string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: ` + text + "\n"
}

func container(text string) string {
	return podSpec(`{containers: [{name: app, image: "registry.example/web:v1", ` + text + `}]}`)
}

func volume(text string) string {
	return podSpec(`{containers: [{name: app, image: "registry.example/web:v1", volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, ` + text + `}]}`)
}

func workload(kind, text string) string {
	return strings.NewReplacer("KIND", kind, "TEXT", text).Replace(`
apiVersion: apps/v1
kind: KIND
metadata: {name: web}
spec:
  TEXT
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "registry.example/web:v1"}]}
`)
}

func service(text string) string {
	return `
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}], ` + text + "}\n"
}

// discriminated are changes from one kind of something to another, where the API server has added fields by default
// that it does not take beside the new ones.
var discriminated = map[string][2]string{
	"recreate":              {workload("Deployment", "replicas: 0"), workload("Deployment", "replicas: 0\n  strategy: {type: Recreate}")},
	"recreate-written":      {workload("Deployment", "replicas: 0\n  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}"), workload("Deployment", "replicas: 0\n  strategy: {type: Recreate}")},
	"recreate-back":         {workload("Deployment", "replicas: 0\n  strategy: {type: Recreate}"), workload("Deployment", "replicas: 0")},
	"on-delete-set":         {workload("StatefulSet", "serviceName: web\n  replicas: 0"), workload("StatefulSet", "serviceName: web\n  replicas: 0\n  updateStrategy: {type: OnDelete}")},
	"on-delete-daemon":      {workload("DaemonSet", "minReadySeconds: 1"), workload("DaemonSet", "minReadySeconds: 1\n  updateStrategy: {type: OnDelete}")},
	"probe-tcp":             {container(`readinessProbe: {httpGet: {port: 80}}`), container(`readinessProbe: {tcpSocket: {port: 80}}`)},
	"probe-exec":            {container(`livenessProbe: {httpGet: {port: 80, path: /x}}`), container(`livenessProbe: {exec: {command: [ls]}}`)},
	"probe-grpc":            {container(`livenessProbe: {httpGet: {port: 80}}`), container(`livenessProbe: {grpc: {port: 80}}`)},
	"probe-http":            {container(`livenessProbe: {grpc: {port: 80}}`), container(`livenessProbe: {httpGet: {port: 80}}`)},
	"probe-gone":            {container(`livenessProbe: {httpGet: {port: 80}}`), container(`command: [ls]`)},
	"hook":                  {container(`lifecycle: {preStop: {httpGet: {port: 80}}}`), container(`lifecycle: {preStop: {exec: {command: [ls]}}}`)},
	"hook-gone":             {container(`lifecycle: {preStop: {httpGet: {port: 80}}, postStart: {exec: {command: [ls]}}}`), container(`lifecycle: {postStart: {exec: {command: [ls]}}}`)},
	"env-field":             {container(`env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`), container(`env: [{name: A, value: x}]`)},
	"env-value":             {container(`env: [{name: A, value: x}]`), container(`env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`)},
	"env-secret":            {container(`env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]`), container(`env: [{name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}]`)},
	"volume-secret":         {volume(`configMap: {name: a}`), volume(`secret: {secretName: a}`)},
	"volume-map":            {volume(`secret: {secretName: a}`), volume(`configMap: {name: a}`)},
	"volume-empty":          {volume(`hostPath: {path: /x}`), volume(`emptyDir: {}`)},
	"volume-projected":      {volume(`configMap: {name: a}`), volume(`projected: {sources: [{configMap: {name: a}}]}`)},
	"volume-claim":          {volume(`emptyDir: {}`), volume(`persistentVolumeClaim: {claimName: a}`)},
	"volume-ephemeral":      {volume(`ephemeral: {volumeClaimTemplate: {spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}}`), volume(`emptyDir: {}`)},
	"service-affinity":      {service(`sessionAffinity: ClientIP`), service(`sessionAffinity: None`)},
	"service-affinity-gone": {service(`sessionAffinity: ClientIP`), service(`type: ClusterIP`)},
	"service-node-port":     {service(`type: NodePort`), service(`type: ClusterIP`)},
	"service-balancer":      {service(`type: LoadBalancer, externalTrafficPolicy: Local`), service(`type: ClusterIP`)},
	"service-balancer-gone": {service(`type: LoadBalancer`), service(`internalTrafficPolicy: Cluster`)},
	"service-name":          {service(`type: ClusterIP`), "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ExternalName, externalName: x.example}\n"},
	"service-from-name":     {"apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {type: ExternalName, externalName: x.example}\n", service(`type: ClusterIP`)},
	"ingress":               {ingress(`service: {name: a, port: {number: 80}}`), ingress(`resource: {apiGroup: x.example, kind: Bucket, name: a}`)},
	"autoscaler-metric":     {autoscaler(`metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]`), autoscaler(`metrics: [{type: Pods, pods: {metric: {name: x}, target: {type: AverageValue, averageValue: "1"}}}]`)},
	"autoscaler-gone":       {autoscaler(`behavior: {scaleDown: {policies: [{type: Pods, value: 1, periodSeconds: 60}]}}`), autoscaler(`minReplicas: 2`)},
	"budget":                {budget(`minAvailable: 1`), budget(`maxUnavailable: 1`)},
	"seccomp":               {podSpec(`{securityContext: {seccompProfile: {type: Localhost, localhostProfile: x}}, containers: [{name: app, image: "registry.example/web:v1"}]}`), podSpec(`{securityContext: {seccompProfile: {type: RuntimeDefault}}, containers: [{name: app, image: "registry.example/web:v1"}]}`)},
}

func ingress(backend string) string {
	return `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {` + backend + "}}]}}]}\n"
}

func autoscaler(text string) string {
	return `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: other}, maxReplicas: 3, ` + text + "}\n"
}

func budget(text string) string {
	return "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: web}\nspec: {selector: {matchLabels: {app: web}}, " + text + "}\n"
}

// appliers are the ways in which an object can have come to be. Force tells whether a run needs --force-conflicts then.
var appliers = map[string]struct {
	force bool
	apply func(f fixture, text string)
}{
	"kubectl": {false, func(f fixture, text string) { f.kubectl(text, "-n", f.ns, "apply", "-f", "-") }},
	"other": {true, func(f fixture, text string) {
		f.kubectl(text, "-n", f.ns, "apply", "--server-side", "--field-manager=other", "-f", "-")
	}},
	"ours":   {false, func(f fixture, text string) { f.apply(text) }},
	"create": {true, func(f fixture, text string) { f.kubectl(text, "-n", f.ns, "create", "-f", "-") }},
}

// keptByOthers are the changes that only take something away, which another manager keeps as its own.
var keptByOthers = []string{"hook-gone", "recreate-back", "service-affinity-gone", "service-balancer-gone"}

// TestDiscriminators: one kind of something becomes another, whoever wrote the first, in one change; the plan says
// what comes of it, a second run has nothing to change, and the undo is exact.
func TestDiscriminators(t *testing.T) {
	for name, c := range discriminated {
		for who, applier := range appliers {
			t.Run(name+"-"+who, func(t *testing.T) {
				t.Parallel()
				f := onCluster(t, Options{Force: applier.force})
				applier.apply(f, c[0])
				plan := f.plan(c[1])
				if name == "budget" && who == "other" { // two managers that each want one of two fields do not agree
					if len(plan.Refusals) != 1 || !strings.Contains(plan.Refusals[0].Err.Error(), "minAvailable and maxUnavailable cannot be both set") {
						t.Errorf("refusals: %+v", plan.Refusals)
					}
					return
				}
				for _, r := range plan.Refusals {
					t.Fatalf("refused: %v", r.Err)
				}
				w := plan.Writes[0]
				if unchanged := w.Action == patch.Unchanged; unchanged != (who == "other" && slices.Contains(keptByOthers, name)) {
					t.Fatalf("action %s, notes %q", w.Action, plan.Notes)
				} else if unchanged {
					return
				}
				if err := f.Write(t.Context(), &w); err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(predictable(w.After), predictable(w.Written)); d != "" {
					t.Errorf("the plan did not predict what was written (-plan +written):\n%s", d)
				}
				// What the API server tolerates beside a new kind, and what another manager applies, stays.
				if who != "other" && name != "on-delete-daemon" {
					fresh := f.fresh(c[1])
					if d := cmp.Diff(fresh, predictable(w.Written)); d != "" {
						t.Errorf("it is not what a first apply makes (-first +written):\n%s", d)
					}
				}
				if changed := w.Written.GetGeneration() - w.Before.GetGeneration(); changed > 1 {
					t.Errorf("%d changes of the generation", changed)
				}
				if again := f.plan(c[1]); again.Changes() {
					t.Errorf("a second run wants changes:\n%s", again.Writes[0].Diff())
				}
				f.exact(w)
			})
		}
	}
}

// fresh is what the API server makes of a manifest that is applied for the first time.
func (f fixture) fresh(text string) map[string]any {
	f.t.Helper()
	w := f.plan(strings.Replace(text, "name: web", "name: fresh", 1)).Writes[0]
	out := predictable(w.After)
	_ = unstructured.SetNestedField(out, "web", "metadata", "name")
	return out
}

// predictable is what users write, without what the API server gives away anew each time.
func predictable(u *unstructured.Unstructured) map[string]any {
	out := patch.Authored(u)
	for _, field := range []string{"clusterIP", "clusterIPs", "healthCheckNodePort"} {
		unstructured.RemoveNestedField(out, "spec", field)
	}
	ports, _, _ := unstructured.NestedSlice(out, "spec", "ports")
	for _, p := range ports {
		delete(p.(map[string]any), "nodePort")
	}
	if len(ports) > 0 {
		_ = unstructured.SetNestedSlice(out, ports, "spec", "ports")
	}
	return out
}
