package main

import (
	"os"
	"path/filepath"
)

// The other commands that wait for a rollout, and their names in the tables.
const (
	helmName = "helm upgrade --wait"
	kappName = "kapp deploy"
)

// peerTime is how long they may take, to create as well as to change.
const peerTime = "6m"

// peers are the commands beside kubectl, as far as their programs were given.
func (b *bench) peers() []command {
	var all []command
	if b.options.helm != "" {
		args := []string{b.options.helm, "upgrade", "--install", "web", "%chart", "--wait", "--timeout", peerTime}
		all = append(all, command{name: helmName, args: args, chart: true, mayFail: true})
	}
	if b.options.kapp != "" {
		args := []string{b.options.kapp, "deploy", "--yes", "--app", "web", "--file", "%s", "--wait-timeout", peerTime, "--diff-changes=false"}
		all = append(all, command{name: kappName, args: args, mayFail: true})
	}
	return all
}

// writeChart makes a chart of a manifest, which has no place for values.
func writeChart(dir, manifest string) (string, error) {
	chart := filepath.Join(dir, "chart")
	if err := os.MkdirAll(filepath.Join(chart, "templates"), 0o700); err != nil {
		return "", err
	}
	const about = "apiVersion: v2\nname: web\nversion: 1.0.0\n"
	if err := os.WriteFile(filepath.Join(chart, "Chart.yaml"), []byte(about), 0o600); err != nil {
		return "", err
	}
	return chart, os.WriteFile(filepath.Join(chart, "templates", "web.yaml"), []byte(manifest), 0o600)
}
