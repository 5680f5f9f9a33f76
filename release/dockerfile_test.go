package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestDockerfileHasTheSource: what it copies, and what .dockerignore lets through, is all that the program is built from.
func TestDockerfileHasTheSource(t *testing.T) {
	text, ignored := read(t, "../Dockerfile"), read(t, "../.dockerignore")
	context := t.TempDir()
	for _, line := range regexp.MustCompile(`(?m)^COPY ([^-\n].*)$`).FindAllStringSubmatch(text, -1) {
		words := strings.Fields(line[1])
		for _, name := range words[:len(words)-1] {
			if !strings.Contains(ignored, "\n!"+name+"\n") {
				t.Errorf(".dockerignore keeps %s out", name)
			}
			if out, err := exec.CommandContext(t.Context(), "cp", "-r", filepath.Join("..", name), context).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	}
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "./cmd/rolloutgate")
	list.Dir, list.Env = context, append(os.Environ(), "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := list.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestDockerfileIsTheImage: both say the same of themselves, start the same and as the same user.
func TestDockerfileIsTheImage(t *testing.T) {
	text := read(t, "../Dockerfile")
	stages := strings.Split(text, "\nFROM ")
	for _, stage := range stages[2:] { // the flavours; the first one builds
		for name, value := range (release{version: "${VERSION}"}).labels() {
			if !strings.Contains(stage, name+`="`+value+`"`) {
				t.Errorf("the label %s=%q is not in\n%s", name, value, stage)
			}
		}
	}
	last := stages[len(stages)-1]
	for _, want := range []string{"USER 65532:65532", "WORKDIR /workspace", `ENTRYPOINT ["/usr/local/bin/rolloutgate"]`} {
		if !strings.Contains(last, want) {
			t.Errorf("%s is not in\n%s", want, last)
		}
	}
	if len(stages) != 4 {
		t.Errorf("%d stages", len(stages))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
