package main

import (
	"fmt"
	"os"
	"strings"
)

// The marks between which a document holds the results.
const (
	beginMark = "<!-- bench: begin, written by `make bench` -->"
	endMark   = "<!-- bench: end -->"
)

// rewrite puts text between the marks of a file.
func rewrite(path, text string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	changed, err := between(string(old), text)
	if err != nil {
		return fmt.Errorf("writing the results to %s: %w", path, err)
	}
	return os.WriteFile(path, []byte(changed), 0o644)
}

func between(document, text string) (string, error) {
	before, rest, ok := strings.Cut(document, beginMark)
	if !ok {
		return "", fmt.Errorf("there is no %q", beginMark)
	}
	_, after, ok := strings.Cut(rest, endMark)
	if !ok {
		return "", fmt.Errorf("there is no %q", endMark)
	}
	return before + beginMark + "\n" + strings.TrimSpace(text) + "\n" + endMark + after, nil
}
