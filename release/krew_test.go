//go:build dist

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const krew = "sigs.k8s.io/krew/cmd/krew@v0.4.3"

// TestKrew: the manifest says what the files are, its own checker is content, and krew installs the plugin.
func TestKrew(t *testing.T) {
	r := made(t)
	path := filepath.Join(r.out, plugin+".yaml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var k krewPlugin
	if err := yaml.Unmarshal(data, &k); err != nil {
		t.Fatal(err)
	}
	if k.Metadata.Name != "rollout-gate" || k.Spec.Version != r.version || len(k.Spec.Platforms) != len(r.platforms) || k.Spec.ShortDescription == "" {
		t.Errorf("%+v", k)
	}
	sums, err := os.ReadFile(filepath.Join(r.out, sumsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range k.Spec.Platforms {
		archive := filepath.Base(p.URI)
		if !strings.Contains(string(sums), p.SHA256+"  "+archive+"\n") {
			t.Errorf("%s has not the checksum %s", archive, p.SHA256)
		}
		if want := project + "/releases/download/" + r.version + "/" + archive; p.URI != want {
			t.Errorf("got %s, want %s", p.URI, want)
		}
	}
	sh(t, ".", "go run "+strings.Replace(krew, "krew@", "validate-krew-manifest@", 1)+" -manifest "+path+" -skip-install")

	home := t.TempDir()
	env := []string{"KREW_ROOT=" + home, "KREW_NO_UPGRADE_CHECK=1"}
	sh(t, ".", "go run "+krew+" install --manifest="+path+" --archive="+r.path("linux_amd64.tar.gz")+" </dev/null", env...)
	if got := sh(t, home, "bin/kubectl-rollout_gate version"); !strings.HasPrefix(got, "rolloutgate "+r.version+" ") {
		t.Errorf("the plugin says %q", got)
	}
	if got := sh(t, home, "bin/kubectl-rollout_gate run --help"); !strings.Contains(got, "kubectl rollout-gate run -f FILENAME") {
		t.Errorf("the plugin's help does not call it as kubectl does:\n%s", got)
	}
}
