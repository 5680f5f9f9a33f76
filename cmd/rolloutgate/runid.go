package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// runIDFile is beside the reports of a run from its beginning, so that a later step can name the run when its process was
// killed.
const runIDFile = "run-id"

// writeRunID puts the id of a run into its folder of reports.
func writeRunID(dir, id string) error {
	if dir == "" {
		return nil
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, runIDFile), []byte(id+"\n"), 0o644)); err != nil {
		return fmt.Errorf("writing the id of the run: %w", err)
	}
	return nil
}

// readRunID is the id of the run whose reports are in a folder; empty when none has begun there.
func readRunID(dir string) (string, error) {
	data, err := os.ReadFile(filepath.Join(dir, runIDFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the id of the run: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

// forgetRunID: what a run left is put back once. Where folders outlive their jobs, the next job may end before its run begins.
func forgetRunID(dir string) {
	if dir != "" {
		_ = os.Remove(filepath.Join(dir, runIDFile))
	}
}
