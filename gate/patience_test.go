package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestPatienceOfOneWorkload: annotations add to the flags and win over them, for their workload alone.
func TestPatienceOfOneWorkload(t *testing.T) {
	base := diagnosis.Patience{Grace: map[string]time.Duration{"AppCrash": time.Minute, "OomKilled": time.Minute}}
	p, err := patience(base, map[string]string{GraceAnnotation: "AppCrash=5m", NoFailFastAnnotation: "ImageNotFound"})
	if err != nil {
		t.Fatal(err)
	}
	if p.Grace["AppCrash"] != 5*time.Minute || p.Grace["OomKilled"] != time.Minute || !p.NoFailFast["ImageNotFound"] {
		t.Errorf("got %+v", p)
	}
	if base.Grace["AppCrash"] != time.Minute {
		t.Error("the patience of the run was changed")
	}
}

// TestCheckTuning: an annotation that says nothing is an error with its place, before anything is changed.
func TestCheckTuning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "web.yaml")
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n  annotations:\n    rolloutgate.dev/grace: AppCrash=soon\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := manifest.Read(manifest.Options{Filenames: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	err = checkTuning(read.Objects)
	if err == nil || !strings.Contains(err.Error(), "web.yaml:6: annotation rolloutgate.dev/grace of configmap/web") || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("got %v", err)
	}
}
