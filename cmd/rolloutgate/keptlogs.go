package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// logIndex lists the logs in its folder that are ours: the next run with this folder removes them, and nothing else.
const logIndex = ".rolloutgate"

// logs writes the whole logs to the folder of the reports, in place of those of the run before, and returns what was
// written.
func (out *output) logs(r gate.Report) ([]gate.KeptLog, error) {
	if out.dir == "" || !slices.Contains([]string{"run", "resume", "watch", "diagnose"}, r.Run.Command) {
		return nil, nil // what explains a bad rollout is not removed by a look at it
	}
	err := clearLogs(out.dir)
	if len(r.Logs) == 0 {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(out.dir, "logs"), 0o755); err != nil {
		return nil, fmt.Errorf("writing the logs: %w", err)
	}
	errs := []error{err, indexLogs(out.dir, r.Logs)}
	var written []gate.KeptLog
	for _, l := range r.Logs {
		text := report.Sanitize(l.Text, 0, 0)
		if err := os.WriteFile(filepath.Join(out.dir, filepath.FromSlash(l.File)), []byte(text), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("writing the logs: %w", err))
			continue
		}
		l.Bytes = len(text)
		written = append(written, l)
	}
	return written, errors.Join(errs...)
}

// indexLogs notes which files are ours before they are there: a run may be killed in between.
func indexLogs(dir string, logs []gate.KeptLog) error {
	var names strings.Builder
	for _, l := range logs {
		names.WriteString(strings.TrimPrefix(l.File, "logs/") + "\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "logs", logIndex), []byte(names.String()), 0o644); err != nil {
		return fmt.Errorf("writing the logs: %w", err)
	}
	return nil
}

// clearLogs removes the logs of an earlier run, and their folder if nothing else is in it.
func clearLogs(dir string) error {
	folder := filepath.Join(dir, "logs")
	index, err := os.ReadFile(filepath.Join(folder, logIndex))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing the logs of an earlier run: %w", err)
	}
	for name := range strings.SplitSeq(string(index), "\n") {
		if filepath.Base(name) != name || !strings.HasSuffix(name, ".log") { // somebody else has written here
			continue
		}
		if err := os.Remove(filepath.Join(folder, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing the logs of an earlier run: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(folder, logIndex)); err != nil {
		return fmt.Errorf("removing the logs of an earlier run: %w", err)
	}
	_ = os.Remove(folder) // fails where there is something of somebody else's
	return nil
}
