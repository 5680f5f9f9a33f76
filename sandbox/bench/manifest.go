package main

import "fmt"

// manifest is a Deployment as people write it, and its Service.
func manifest(replicas int, image string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Service
metadata:
  name: %[1]s
  labels: {app: %[1]s}
spec:
  selector: {app: %[1]s}
  ports:
  - {name: http, port: 80, targetPort: http}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: %[1]s
  labels: {app: %[1]s}
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
        readinessProbe:
          httpGet: {path: /healthz, port: http}
          periodSeconds: 2
`, deploymentName, replicas, image)
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
