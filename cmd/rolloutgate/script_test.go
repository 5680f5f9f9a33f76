package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts call the binary by its name: `exec rolloutgate …` runs this very test binary as rolloutgate.
func TestMain(m *testing.M) {
	if address := os.Getenv("ROLLOUTGATE_PLAY"); address != "" { // in a terminal of a test
		play(address)
	}
	testscript.Main(m, map[string]func(){"rolloutgate": main, "kubectl-rollout_gate": main})
}

// TestScript runs what needs no cluster: bad input, help, offline answers.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "utf16": inUTF16, "receiver": receiver, "received": received},
		Setup: func(env *testscript.Env) error {
			env.Setenv("KUBECONFIG", env.WorkDir+"/no-kubeconfig")
			return nil
		},
	})
}

// exits runs a command and demands one exit code: `exits 10 rolloutgate run -f web.yaml`. What it printed is there for
// the stdout and stderr commands afterwards.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		got = failed.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// inUTF16 copies a file as Windows PowerShell would write it: `utf16 le in.yaml out.yaml`.
func inUTF16(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: utf16 le|be FILE COPY")
	}
	order := binary.AppendByteOrder(binary.LittleEndian)
	if args[0] == "be" {
		order = binary.BigEndian
	}
	var copied []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + strings.ReplaceAll(ts.ReadFile(args[1]), "\n", "\r\n"))) {
		copied = order.AppendUint16(copied, unit)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), copied, 0o600))
}

// TestHugeManifests: an error in the middle of a big file has its line. That it is found in time is tested in gate/manifest.
func TestHugeManifests(t *testing.T) {
	t.Chdir(t.TempDir())
	rows := []string{"apiVersion: v1", "kind: ConfigMap", "metadata:", "  name: boards", "data:"}
	for i := range 1890 {
		rows = append(rows, fmt.Sprintf("  k%d: '%s'", i, strings.Repeat("z", 800)))
	}
	write := func(name string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(strings.Join(rows, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("whole.yaml")
	rows[950] = "  k945: 'a quote that is never closed"
	write("broken.yaml")
	for name, want := range map[string]struct {
		code int
		text string
	}{"whole.yaml": {0, "ok: 1 object\n"}, "broken.yaml": {2, "error: broken.yaml:951: invalid YAML"}} {
		var out bytes.Buffer
		p := &program{getenv: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: &out, stderr: &out}
		code := p.execute(t.Context(), []string{"lint", "-f", name})
		if code != want.code || !strings.HasPrefix(out.String(), want.text) {
			t.Errorf("%s: exit code %d and %q, want %d and %q", name, code, out.String(), want.code, want.text)
		}
	}
}

// TestPanicIsInternal: a bug exits with 1 and says so.
func TestPanicIsInternal(t *testing.T) {
	devnull, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer devnull.Close()
	boom := func(string) string { panic("boom") }
	p := &program{getenv: boom, stdin: devnull, stdout: devnull, stderr: devnull}
	if code := p.execute(context.Background(), []string{"run", "-f", "x"}); code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
}

// TestErrorsAreNotCommands: what the cluster says in an error is printed, and obeyed by nobody.
func TestErrorsAreNotCommands(t *testing.T) {
	got := printable(errors.New("refused\n  ::set-output name=a::b\n::error::x\n  hint: \x1b[31mnone"))
	if want := "refused\n|   ::set-output name=a::b\n| ::error::x\n  hint: none"; got != want {
		t.Errorf("printable: %q, want %q", got, want)
	}
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
