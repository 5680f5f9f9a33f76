package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets scripts call the binary by its name: `exec rolloutgate …` runs this very test binary as rolloutgate.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"rolloutgate": main})
}

// TestScript runs what needs no cluster: bad input, help, offline answers.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
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
	got := told(errors.New("refused\n  ::set-output name=a::b\n::error::x\n  hint: \x1b[31mnone"))
	if want := "refused\n|   ::set-output name=a::b\n| ::error::x\n  hint: none"; got != want {
		t.Errorf("told: %q, want %q", got, want)
	}
}
