package components

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/process"
)

// Result says where the binaries are and what it took.
type Result struct {
	Dir   string        // holds one executable per component
	Built []string      // names that had to be built; empty when all were cached
	Took  time.Duration // zero when nothing was built
}

// Build returns a directory under cache with all wanted components, building
// those that are missing. Progress goes to log. Builds of the same cache in
// several processes wait for each other.
func Build(ctx context.Context, cache string, m Module, flags Flags, want []Component, log io.Writer) (Result, error) {
	dir := filepath.Join(cache, key(m, flags, runtime.Version()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Result{}, fmt.Errorf("building components: %w", err)
	}
	unlock, err := process.Lock(ctx, dir+".lock")
	if err != nil {
		return Result{}, fmt.Errorf("waiting for another build: %w", err)
	}
	defer unlock()

	missing := absent(dir, want)
	if len(missing) == 0 {
		return Result{Dir: dir}, nil
	}
	start := time.Now()
	if err := compile(ctx, dir, m, flags, missing, log); err != nil {
		return Result{}, err
	}
	r := Result{Dir: dir, Took: time.Since(start)}
	for _, c := range missing {
		r.Built = append(r.Built, c.Name)
	}
	return r, nil
}

// Packed is the folder below base that holds all wanted components as this program would build them, or empty.
func Packed(base string, m Module, flags Flags, want []Component) string {
	dir := filepath.Join(base, key(m, flags, runtime.Version()))
	if len(absent(dir, want)) > 0 {
		return ""
	}
	return dir
}

func absent(dir string, want []Component) []Component {
	var missing []Component
	for _, c := range want {
		if info, err := os.Stat(filepath.Join(dir, c.Name)); err != nil || !info.Mode().IsRegular() {
			missing = append(missing, c)
		}
	}
	return missing
}

// compile runs one `go build` for everything missing, so that the shared
// packages are compiled once, and moves each finished binary into place.
func compile(ctx context.Context, dir string, m Module, flags Flags, missing []Component, log io.Writer) error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("building components: the Go tool is not in PATH; install Go 1.26 or newer from https://go.dev/dl")
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "build-")
	if err != nil {
		return fmt.Errorf("building components: %w", err)
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "out")
	replace, err := writeStandins(work)
	if err != nil {
		return fmt.Errorf("building components: %w", err)
	}
	for name, data := range map[string][]byte{"go.mod": slices.Concat(m.Mod, []byte("\n"), replace), "go.sum": m.Sum} {
		if err := os.WriteFile(filepath.Join(work, name), data, 0o644); err != nil {
			return fmt.Errorf("building components: %w", err)
		}
	}

	args := append([]string{"build", "-v"}, flags...)
	args = append(args, "-tags", tags, "-ldflags", linkFlags(m.Version("k8s.io/kubernetes")), "-o", out+string(filepath.Separator))
	names := make([]string, 0, len(missing))
	for _, c := range missing {
		args = append(args, c.Package)
		names = append(names, c.Name)
	}
	fmt.Fprintf(log, "building %s with %s; with nothing in the Go build cache this takes about 3 minutes on two cores\n", strings.Join(names, ", "), runtime.Version())
	if err := runGo(ctx, work, args, log); err != nil {
		return err
	}
	for _, c := range missing {
		if err := os.Rename(filepath.Join(out, c.output()), filepath.Join(dir, c.Name)); err != nil {
			return fmt.Errorf("building %s: %w", c.Name, err)
		}
	}
	return nil
}

// runGo runs the Go tool and condenses its one-line-per-package output into a
// line every few seconds; the full text is shown only when the build fails.
func runGo(ctx context.Context, work string, args []string, log io.Writer) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = work
	// Of two settings of a variable the last one counts.
	cmd.Env = slices.Concat(fewCollections, os.Environ(), []string{"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off"})
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("running the Go tool: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("running the Go tool: %w", err)
	}
	tail := follow(pipe, log)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return fmt.Errorf("building components: %w", ctx.Err())
		}
		return fmt.Errorf("building components: %w\n%s", err, tail)
	}
	return nil
}

// fewCollections lets compiler and linker use memory instead of collecting garbage all the time, which takes a fifth of
// their time; above two gigabytes in one of them they do collect. Settings of the user come first.
var fewCollections = []string{"GOGC=off", "GOMEMLIMIT=2GiB"}

const progressEvery = 10 * time.Second

// follow reads until the pipe closes and returns the last lines seen.
func follow(pipe io.Reader, log io.Writer) string {
	const keep = 30
	var last []string
	start, shown, packages := time.Now(), time.Now(), 0
	lines := bufio.NewScanner(pipe)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if last = append(last, line); len(last) > keep {
			last = last[1:]
		}
		packages++
		if time.Since(shown) >= progressEvery {
			shown = time.Now()
			fmt.Fprintf(log, "  %s: %d packages compiled, now %s\n", time.Since(start).Round(time.Second), packages, line)
		}
	}
	// A line too long for the scanner must not block the build on a full pipe.
	_, _ = io.Copy(io.Discard, pipe)
	return string(bytes.TrimSpace([]byte(strings.Join(last, "\n"))))
}
