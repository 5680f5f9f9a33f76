package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build compiles the program for a platform into a folder, and returns its path.
func (r release) build(ctx context.Context, p platform, dir string) (string, error) {
	path := filepath.Join(dir, p.os+"_"+p.arch, p.program())
	_, err := r.goTool(ctx, p, "build", "-trimpath", "-buildvcs=false", "-gcflags=all=-l", "-gcflags=std=", "-ldflags", "-s -w -X main.buildVersion="+r.version, "-o", path, "./cmd/rolloutgate")
	if err != nil {
		return "", fmt.Errorf("building for %s: %w", p, err)
	}
	return path, nil
}

// goTool runs the Go tool in the checkout. Nothing that a machine has set may shape the result.
func (r release) goTool(ctx context.Context, p platform, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = r.root
	c.Env = append(os.Environ(), "GOOS="+p.os, "GOARCH="+p.arch, "GOTOOLCHAIN="+r.toolchain, "CGO_ENABLED=0", "GOFLAGS=-mod=readonly",
		"GOWORK=off", "GOENV=off", "GOAMD64=v1", "GOARM64=v8.0", "GOEXPERIMENT=", "GOFIPS140=off")
	for _, name := range []string{"GOPROXY", "GOSUMDB", "GONOSUMDB", "GOCACHE", "GOMODCACHE"} { // where from is the machine's affair
		if value, err := exec.CommandContext(ctx, "go", "env", name).Output(); err == nil {
			c.Env = append(c.Env, name+"="+string(bytes.TrimSpace(value)))
		}
	}
	var problem bytes.Buffer
	c.Stderr = &problem
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", args[0], err, bytes.TrimSpace(problem.Bytes()))
	}
	return out, nil
}
