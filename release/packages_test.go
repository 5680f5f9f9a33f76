//go:build dist

package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var installed = []string{
	"usr/bin/kubectl-rollout_gate", "usr/bin/rolloutgate", "usr/share/bash-completion/completions/rolloutgate",
	"usr/share/doc/rolloutgate/CHANGELOG.md", "usr/share/doc/rolloutgate/README.md", "usr/share/doc/rolloutgate/THIRD_PARTY_LICENSES.txt",
	"usr/share/fish/vendor_completions.d/rolloutgate.fish", "usr/share/man/man1/rolloutgate.1.gz", "usr/share/man/man1/rolloutgate-undo.1.gz",
}

// TestDeb installs the package below a folder, uses it and removes it again.
func TestDeb(t *testing.T) {
	r := made(t)
	pack := r.path("linux_amd64.deb")
	fields := sh(t, r.out, "dpkg-deb --field "+pack)
	for _, want := range []string{"Package: rolloutgate\n", "Architecture: amd64\n", "Version: " + strings.Replace(r.number(), "-", "~", 1) + "-1\n", "Section: admin\n", "Homepage: " + project + "\n"} {
		if !strings.Contains(fields, want) {
			t.Errorf("the fields lack %q:\n%s", want, fields)
		}
	}
	if strings.Contains(fields, "Depends:") {
		t.Errorf("a static binary needs nothing:\n%s", fields)
	}
	if out := sh(t, r.out, "dpkg-deb --ctrl-tarfile "+pack+" | tar -t"); strings.Contains(out, "inst") || strings.Contains(out, "rm") {
		t.Errorf("it runs scripts: %s", out)
	}

	machine := t.TempDir()
	sh(t, machine, "mkdir -p var/lib/dpkg/updates var/lib/dpkg/info && touch var/lib/dpkg/status var/lib/dpkg/available")
	dpkg := "dpkg --root=" + machine + " --log=/dev/null "
	sh(t, machine, dpkg+"--install "+pack)
	checkInstalled(t, machine, append(installed, "usr/share/zsh/vendor-completions/_rolloutgate", "usr/share/doc/rolloutgate/copyright"))
	if out := sh(t, machine, dpkg+"--verify rolloutgate"); out != "" {
		t.Errorf("dpkg --verify: %s", out)
	}
	useInstalled(t, r, machine)
	sh(t, machine, dpkg+"--purge rolloutgate")
	nothingInstalled(t, machine)

	if out := sh(t, r.out, "dpkg-deb --field "+r.path("linux_arm64.deb")+" Architecture"); out != "arm64\n" {
		t.Errorf("the package for arm64 is for %s", out)
	}
}

// TestRPM does the same with the other kind.
func TestRPM(t *testing.T) {
	r := made(t)
	pack := r.path("linux_amd64.rpm")
	if out := sh(t, r.out, "rpm --checksig --nosignature "+pack); !strings.Contains(out, "digests OK") {
		t.Errorf("rpm --checksig: %s", out)
	}
	got := sh(t, r.out, "rpm -qp --queryformat '%{NAME} %{VERSION} %{RELEASE} %{ARCH} %{LICENSE} %{BUILDHOST} %{BUILDTIME}' "+pack)
	version := strings.ReplaceAll(strings.Replace(r.number(), "-", "~", 1), "-", "_")
	if want := "rolloutgate " + version + " 1 x86_64 Apache-2.0 rolloutgate "; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if out := sh(t, r.out, "rpm -qp --scripts "+pack); out != "" {
		t.Errorf("it runs scripts: %s", out)
	}
	machine := t.TempDir()
	rpm := "rpm --root " + machine + " --nosignature "
	sh(t, machine, "rpmdb --root "+machine+" --initdb && "+rpm+"--install --nodeps "+pack)
	checkInstalled(t, machine, append(installed, "usr/share/zsh/site-functions/_rolloutgate", "usr/share/licenses/rolloutgate/LICENSE"))
	if out := sh(t, machine, rpm+"--verify --nodeps rolloutgate"); out != "" {
		t.Errorf("rpm --verify: %s", out)
	}
	useInstalled(t, r, machine)
	sh(t, machine, rpm+"--erase rolloutgate")
	nothingInstalled(t, machine)

	if out := sh(t, r.out, "rpm -qp --queryformat '%{ARCH}' "+r.path("linux_arm64.rpm")); out != "aarch64" {
		t.Errorf("the package for arm64 is for %s", out)
	}
}

func checkInstalled(t *testing.T, machine string, want []string) {
	t.Helper()
	got := filesBelow(t, machine)
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s is not installed: %v", name, got)
		}
	}
	for _, name := range got {
		if !slices.Contains(want, name) && !strings.HasPrefix(name, "usr/share/man/man1/rolloutgate-") {
			t.Errorf("nobody expects %s", name)
		}
	}
}

// filesBelow are the files that a package has brought, without those of the packager.
func filesBelow(t *testing.T, machine string) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(machine, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(machine, path)
		if entry.IsDir() {
			if name == "var" || name == "root/.rpmdb" || strings.HasPrefix(name, "usr/lib") { // their own records
				return fs.SkipDir
			}
			return err
		}
		if info, err := entry.Info(); err == nil && entry.Type().IsRegular() && info.Mode()&0o022 != 0 {
			t.Errorf("%s may be written by others: %v", name, info.Mode())
		}
		names = append(names, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func useInstalled(t *testing.T, r release, machine string) {
	t.Helper()
	for _, name := range []string{"rolloutgate", "kubectl-rollout_gate"} {
		if got := sh(t, machine, "usr/bin/"+name+" version"); !strings.HasPrefix(got, "rolloutgate "+r.version+" ") {
			t.Errorf("%s says %q", name, got)
		}
	}
	if got := sh(t, machine, "MANPATH="+machine+"/usr/share/man man rolloutgate-undo | col -b"); !strings.Contains(got, "rolloutgate undo") {
		t.Errorf("man shows\n%s", got)
	}
}

func nothingInstalled(t *testing.T, machine string) {
	t.Helper()
	if left := filesBelow(t, machine); len(left) > 0 {
		t.Errorf("left after removal: %v", left)
	}
	if _, err := os.Stat(filepath.Join(machine, "usr/share/doc/rolloutgate")); err == nil {
		t.Error("the folder of the documents is left")
	}
}
