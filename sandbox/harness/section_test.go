package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteSection(t *testing.T) {
	const begin, end = "<!-- bench: begin, written by `make bench` -->", "<!-- bench: end -->"
	file := filepath.Join(t.TempDir(), "document.md")
	document := "# Title\n\n" + begin + "\nold\n" + end + "\nrest\n"
	if err := os.WriteFile(file, []byte(document), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := WriteSection(file, "bench", "\nnew\n\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(file)
	if want := strings.Replace(document, "old", "new", 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	for _, bad := range []string{"", begin, end + begin, strings.ReplaceAll(document, "bench", "crash")} {
		if _, err := between(bad, "bench", "new"); err == nil {
			t.Errorf("both marks were found in %q", bad)
		}
	}
	if err := WriteSection("", "bench", "new"); err != nil {
		t.Errorf("without a file: %v", err)
	}
}
