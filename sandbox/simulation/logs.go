package simulation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// containerLogs are the texts a container may have left behind, one line each.
var containerLogs = map[string][]string{
	"healthy.log": {
		`level=info msg="configuration loaded"`,
		`level=info msg="listening" address=:8080`,
	},
	"crash.log": {
		`level=info msg="configuration loaded"`,
		`level=info msg="loading price list" currency=EUR`,
		`panic: price list: row 17 has no currency`,
		``,
		`goroutine 1 [running]:`,
		`main.main()`,
		"\t/src/main.go:42 +0x1d4",
		`exit status 2`,
	},
	"oom.log": {
		`level=info msg="configuration loaded"`,
		`level=info msg="loading catalogue into memory"`,
		`level=warn msg="heap is growing" heap=498MiB limit=512MiB`,
	},
	"hang.log": {
		`level=info msg="listening" address=:8080`,
		`level=error msg="worker pool exhausted" waiting=128`,
		`level=info msg="received SIGTERM, shutting down"`,
	},
	"init.log": {
		`migrating schema from 41 to 42`,
		`ERROR: column "price" of relation "orders" already exists (SQLSTATE 42701)`,
	},
	"never-ready.log": {
		`level=info msg="listening" address=:8080`,
		`level=error msg="readiness check failed" error="cache is cold: 0 of 12 partitions loaded"`,
	},
}

// writeLogs writes the texts as a container runtime does: time, stream and a
// mark for complete lines before each.
func writeLogs(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing container logs: %w", err)
	}
	for name, lines := range containerLogs {
		var text strings.Builder
		for i, line := range lines {
			at := time.Now().UTC().Add(time.Duration(i) * time.Millisecond)
			fmt.Fprintf(&text, "%s stdout F %s\n", at.Format(time.RFC3339Nano), line)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text.String()), 0o644); err != nil {
			return fmt.Errorf("writing container logs: %w", err)
		}
	}
	return nil
}

// defaultLogs answers for every pod without logs of its own.
func defaultLogs(dir string) object {
	return object{
		"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "ClusterLogs",
		"metadata": object{"name": "healthy"},
		"spec":     object{"logs": []any{object{"logsFile": filepath.Join(dir, "healthy.log")}}},
	}
}

// podLogs is the step that gives one pod's misbehaving container its logs. The
// object belongs to the pod and is collected with it.
func podLogs(current, previous string) object {
	template := variables + `
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Logs
metadata:
  name: {{ .metadata.name }}
  namespace: {{ .metadata.namespace }}
  ownerReferences: [{apiVersion: v1, kind: Pod, name: {{ .metadata.name }}, uid: {{ .metadata.uid }}}]
spec:
  logs:
  - containers: [{{ $target }}]
    logsFile: ` + current + `
    previousLogsFile: "` + previous + `"
  - logsFile: ` + filepath.Join(filepath.Dir(current), "healthy.log") + `
`
	return object{"apply": object{"template": template}}
}

// LogsDefinition is the CustomResourceDefinition behind podLogs. kwok checks the
// content itself, so the schema accepts anything.
func LogsDefinition() any {
	return object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": object{"name": "logs.kwok.x-k8s.io"},
		"spec": object{
			"group": "kwok.x-k8s.io",
			"scope": "Namespaced",
			"names": object{"kind": "Logs", "listKind": "LogsList", "plural": "logs", "singular": "logs"},
			"versions": []any{object{
				"name": "v1alpha1", "served": true, "storage": true,
				"schema": object{"openAPIV3Schema": object{"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
			}},
		},
	}
}
