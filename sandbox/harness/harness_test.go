package harness

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
)

func TestList(t *testing.T) {
	if got := List("a,,b,"); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
	if got := List(""); len(got) != 0 {
		t.Errorf("got %q of nothing", got)
	}
}

func TestFolderStaysOnlyWhenItWasAskedFor(t *testing.T) {
	asked := t.TempDir()
	for _, c := range []struct {
		asked string
		stays bool
	}{{asked, true}, {"", false}} {
		dir, remove, err := Folder(c.asked, "test")
		if err != nil || !filepath.IsAbs(dir) {
			t.Fatalf("got %q, %v", dir, err)
		}
		remove()
		if _, err := os.Stat(dir); (err == nil) != c.stays {
			t.Errorf("%q: afterwards %v", c.asked, err)
		}
	}
}

func TestTable(t *testing.T) {
	got := Table([]string{"a", "b"}, [][]string{{"1", "2"}, {"3", "4"}})
	if want := "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestResultsComeBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "results.json")
	var read map[string]int
	if err := errors.Join(WriteJSON(file, map[string]int{"a": 1}), ReadJSON(file, &read)); err != nil || read["a"] != 1 {
		t.Errorf("got %v, %v", read, err)
	}
	if err := WriteJSON("", make(chan int)); err != nil {
		t.Errorf("without a file: %v", err)
	}
	if err := WriteJSON(filepath.Join(t.TempDir(), "none", "results.json"), 1); err == nil {
		t.Error("a folder that is not there is no error")
	}
}

func TestUntil(t *testing.T) {
	asked := 0
	if err := Until(t.Context(), time.Minute, "the third", func() error {
		if asked++; asked < 3 {
			return errors.New("not yet")
		}
		return nil
	}); err != nil || asked != 3 {
		t.Errorf("asked %d times: %v", asked, err)
	}
	if err := Until(t.Context(), 0, "nothing", func() error { return os.ErrNotExist }); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the limit: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Until(over, time.Minute, "nothing", func() error { return os.ErrNotExist }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestInParallel(t *testing.T) {
	var now, most, done atomic.Int32
	InParallel(make([]int, 20), 3, func(int) {
		most.Store(max(most.Load(), now.Add(1)))
		time.Sleep(time.Millisecond)
		now.Add(-1)
		done.Add(1)
	})
	if done.Load() != 20 || most.Load() > 3 {
		t.Errorf("%d of 20 were done, %d at once", done.Load(), most.Load())
	}
}

func TestRunKeepsWhatIsPrinted(t *testing.T) {
	t.Setenv("SECRET_OF_THE_CALLER", "1")
	c := Cluster{State: instance.State{Bin: "/nowhere", Kubeconfig: "/a/kubeconfig"}, home: "/b"}
	keep := t.TempDir()
	ran, err := c.Run(t.Context(), Command{Name: "script", Dir: keep, Keep: keep, Path: "/bin/sh",
		Args: []string{"-c", "echo $KUBECONFIG $HOME $SECRET_OF_THE_CALLER >&2; exit 7"}})
	if err != nil || ran.Exit != 7 || ran.Output != "/a/kubeconfig /b\n" {
		t.Errorf("got %+v, %v", ran, err)
	}
	if kept, err := os.ReadFile(filepath.Join(keep, "script.txt")); string(kept) != ran.Output {
		t.Errorf("kept %q, %v", kept, err)
	}
	if _, err := c.Run(t.Context(), Command{Name: "none", Dir: keep, Keep: keep, Path: "/nowhere/none"}); err == nil {
		t.Error("a program that is not there is no error")
	}
}
