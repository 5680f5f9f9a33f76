//go:build dist

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestInstallingPage plays the blocks of docs/installing.md with the files that were made: a server of this machine is where
// the release would be. What is installed goes below a folder.
func TestInstallingPage(t *testing.T) {
	r := made(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		name, ok := strings.CutPrefix(request.URL.Path, "/"+r.version+"/")
		data, err := os.ReadFile(filepath.Join(r.out, filepath.Base(name)))
		if !ok || err != nil {
			http.NotFound(w, request)
			return
		}
		if strings.HasSuffix(name, ".yaml") { // the manifest of krew has addresses itself
			data = bytes.ReplaceAll(data, []byte(downloads), []byte(server.URL))
		}
		_, _ = w.Write(data) // whoever hangs up says so
	})
	server.Start()
	defer server.Close()

	page, err := os.ReadFile("../docs/installing.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := stand(t)
	played := 0
	for _, block := range regexp.MustCompile("(?ms)^```sh\n(.*?)^```").FindAllStringSubmatch(string(page), -1) {
		if regexp.MustCompile(`(?m)^(docker|gh|go|git|make|mkdir) `).MatchString(block[1]) {
			continue // the network, or a test of its own
		}
		played++
		dir := t.TempDir()
		text := strings.ReplaceAll(strings.ReplaceAll(block[1], "version=0.1.0", "version="+r.number()), downloads, server.URL)
		out := sh(t, dir, text, "PATH="+programs+":"+os.Getenv("PATH"), "MACHINE="+dir+"/machine", "KREW_ROOT="+dir+"/krew", "RELEASE="+mustAbs(t, "."))
		if strings.Contains(text, " version") && !strings.Contains(out, "rolloutgate "+r.version+" ") {
			t.Errorf("%s\nprinted %s", text, out)
		}
		if strings.Contains(text, "sudo") {
			useInstalled(t, r, filepath.Join(dir, "machine"))
		}
	}
	if played != 4 {
		t.Errorf("%d blocks were played, of archive, deb, rpm and krew", played)
	}
	for _, want := range []string{repository + ":v0.1.0", "--signer-workflow rolloutgate/rolloutgate/.github/workflows/release.yml"} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if _, err := os.Stat("../.github/workflows/release.yml"); err != nil {
		t.Error(err)
	}
}

const downloads = project + "/releases/download"

// stand makes programs that take the place of some that would change this machine, or are not on it. The index of krew's
// plugins, which is on GitHub, is not asked for: the manifest is not in it.
func stand(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"sudo": `mkdir -p "$MACHINE/var/lib/dpkg/updates" "$MACHINE/var/lib/dpkg/info" && touch "$MACHINE/var/lib/dpkg/status" "$MACHINE/var/lib/dpkg/available"
program=$1; shift
case $program in
dpkg) exec dpkg --root="$MACHINE" --log=/dev/null "$@" ;;
rpm) rpmdb --root "$MACHINE" --initdb; exec rpm --root "$MACHINE" --nodeps "$@" ;;
esac
exit 1`,
		"kubectl": `command=$1; shift
case $command in
krew) cd "$RELEASE" && KREW_NO_UPGRADE_CHECK=1 exec go run ` + krew + ` "$@" --no-update-index ;;
esac
exec "$KREW_ROOT/bin/kubectl-$(echo "$command" | tr - _)" "$@"`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
