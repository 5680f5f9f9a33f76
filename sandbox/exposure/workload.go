package main

import (
	_ "embed"
	"fmt"
	"strings"
	"text/template"
)

// service is the name of the workload and of its Service.
const service = "web"

// workload is a version of the service with all that serves it: the same pods for a Deployment and for a Rollout.
type workload struct {
	Release    string // v1 or v2: the tag of the image, and a label of the pods
	Replicas   int
	Env        env
	Argo       *argo // nil: it is a Deployment
	Hold       string
	Prometheus string
	Namespace  string
}

//go:embed web.yaml
var manifest string

//go:embed rolloutgate.yaml
var criteria string

var manifestTemplate = template.Must(template.New("web.yaml").Parse(manifest))

func (w workload) manifest() (string, error) {
	var b strings.Builder
	if err := manifestTemplate.Execute(&b, w); err != nil {
		return "", fmt.Errorf("writing the manifest of %s: %w", w.Release, err)
	}
	return b.String(), nil
}
