package main

import (
	"fmt"
	"strings"
)

// manifest is as many Deployments as people write them, and their Services.
func (t *track) manifest() string {
	var all []string
	for i := range t.size.workloads {
		all = append(all, workload(workloadName(i), t.replicas, t.image(), !t.size.noProbe))
	}
	if t.spoiled {
		t.spoil(all)
	}
	return strings.Join(all, "---\n")
}

func workloadName(i int) string {
	if i == 0 {
		return deploymentName
	}
	return fmt.Sprintf("%s-%d", deploymentName, i)
}

// benchLabel is on every Deployment that is rolled, on its Service, and so on the EndpointSlices of that.
const benchLabel = "bench=rolled"

func workload(name string, replicas int, image string, probe bool) string {
	text := fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: %[1]s
  labels: {app: %[1]s, bench: rolled}
spec:
  selector: {app: %[1]s}
  ports:
  - {name: http, port: 80, targetPort: http}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  labels: {app: %[1]s, bench: rolled}
spec:
  replicas: %[2]d
  selector:
    matchLabels: {app: %[1]s}
  template:
    metadata:
      labels: {app: %[1]s}
    spec:
      containers:
      - name: server
        image: %[3]s
        ports:
        - {name: http, containerPort: 8080}
        env:
        - {name: LOG_LEVEL, value: info}
        resources:
          requests: {cpu: 10m, memory: 16Mi}
          limits: {memory: 64Mi}
`, name, replicas, image)
	if probe {
		text += `        readinessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 2
`
	}
	return text
}

const neighbourName = "neighbour"

// neighbours is a ReplicaSet of pods that have nothing to do with the measured Deployment.
func neighbours(pods int) string {
	return fmt.Sprintf(`{"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "%[1]s"}, "spec": {
  "replicas": %[2]d, "selector": {"matchLabels": {"app": "%[1]s"}},
  "template": {"metadata": {"labels": {"app": "%[1]s"}}, "spec": {"containers": [{"name": "main", "image": "example.test/neighbour:1"}]}}}}`, neighbourName, pods)
}

func namespaceObject(name string) string {
	return fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": %q}}`, name)
}
