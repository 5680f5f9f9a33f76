//go:build cluster

package cluster

import "strings"

// The objects of the tests against a real API server, each before and after a change.

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app
        image: registry.example/web:v1
        env: [{name: A, value: "1"}]
`

// changedDeployment changes the image, renames the variable and adds a label.
var changedDeployment = strings.NewReplacer("web:v1", "web:v2", "name: A", "name: B", "labels: {app: web}\nspec:\n  replicas", "labels: {app: web, new: yes-it-is}\nspec:\n  replicas").Replace(deployment)

var undoCases = map[string]struct{ before, after string }{
	"deployment": {deployment, changedDeployment},
	"statefulset": {`
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "registry.example/db:v1", args: [a, b]}]
`, `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "registry.example/db:v2", args: [c]}]
`},
	"daemonset": {`
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: agent, image: "registry.example/agent:v1"}]
`, `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, annotations: {note: new}}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers: [{name: agent, image: "registry.example/agent:v2"}]
`},
	"service": {`
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}]
`, `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: other}
  ports: [{name: http, port: 80, targetPort: 8081}, {name: more, port: 82}]
`},
	"configmap": {`
apiVersion: v1
kind: ConfigMap
metadata: {name: conf}
data: {a: "1", b: "2"}
`, `
apiVersion: v1
kind: ConfigMap
metadata: {name: conf, labels: {x: "y"}}
data: {a: "1", c: "3"}
`},
	"secret": {`
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: first-password}
`, `
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {password: second-password, more: another-value}
`},
	"ingress": {`
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]}
`, `
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: b.example, http: {paths: [{path: /x, pathType: Exact, backend: {service: {name: web, port: {name: http}}}}]}}]}
`},
	"autoscaler": {`
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 1, maxReplicas: 3}
`, `
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 5}
`},
}
