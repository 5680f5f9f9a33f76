package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

// ReadJSON reads what WriteJSON has written.
func ReadJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		return fmt.Errorf("reading the results in %s: %w", file, err)
	}
	return nil
}

// WriteJSON writes the results of a run for programs. Without a file it does nothing.
func WriteJSON(file string, results any) error {
	if file == "" {
		return nil
	}
	text, err := json.MarshalIndent(results, "", "  ")
	if err == nil {
		err = os.WriteFile(file, append(text, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// WriteDocument writes the document about a run. Without a file it does nothing.
func WriteDocument(file, text string) error {
	if file == "" {
		return nil
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}

// Table renders a Markdown table; cells are taken as they are.
func Table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(head)))
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// Indented sets what a program printed off from the lines around it.
func Indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		fmt.Fprintf(&b, "    %s\n", strings.TrimRight(line, "\n"))
	}
	return b.String()
}

// Whole is a number without its decimals.
func Whole(n float64) string { return fmt.Sprintf("%.0f", n) }

// Count is 1 for yes.
func Count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
