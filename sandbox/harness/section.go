package harness

import (
	"fmt"
	"os"
	"strings"
)

// WriteSection puts text between the marks of a program in a document that explains it:
//
//	<!-- NAME: begin, written by `make NAME` -->
//	<!-- NAME: end -->
//
// Without a file it does nothing.
func WriteSection(file, name, text string) error {
	if file == "" {
		return nil
	}
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	changed, err := between(string(old), name, text)
	if err != nil {
		return fmt.Errorf("writing the results to %s: %w", file, err)
	}
	return os.WriteFile(file, []byte(changed), 0o644)
}

func between(document, name, text string) (string, error) {
	begin := fmt.Sprintf("<!-- %s: begin, written by `make %s` -->", name, name)
	end := fmt.Sprintf("<!-- %s: end -->", name)
	before, rest, ok := strings.Cut(document, begin)
	if !ok {
		return "", fmt.Errorf("there is no %q", begin)
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("there is no %q", end)
	}
	return before + begin + "\n" + strings.TrimSpace(text) + "\n" + end + after, nil
}
