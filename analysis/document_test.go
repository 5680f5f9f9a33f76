package analysis

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

var updateDocument = flag.Bool("update", false, "rewrite the generated parts of docs/criteria.md")

const document = "../docs/criteria.md"

// TestDocumentBlocks: every block of YAML in the page is read as rolloutgate reads it. A block after "<!-- refused -->"
// is one that it refuses, one after "<!-- remarked -->" one that it takes with a remark, and the words that follow are
// what it says.
func TestDocumentBlocks(t *testing.T) {
	page := readDocument(t)
	block := regexp.MustCompile("(?ms)(?:^<!-- (refused|remarked) -->\n)?^```yaml\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?")
	taken, marked := 0, 0
	page = block.ReplaceAllStringFunc(page, func(found string) string {
		parts := block.FindStringSubmatch(found)
		marker, text, said := parts[1], parts[2], parts[3]
		criteria, err := compileBlock(text)
		switch {
		case marker == "" && (criteria != nil || err != nil):
			taken++
			if err != nil {
				t.Errorf("%v in\n%s", err, text)
			}
			if remarks := Lint(criteria, Placeholders()); len(remarks) > 0 {
				t.Errorf("%v in\n%s", errors.Join(remarks...), text)
			}
			return found
		case marker == "":
			return found
		case marker == "remarked" && err == nil:
			err = errors.Join(Lint(criteria, Placeholders())...)
		case marker == "remarked":
			t.Errorf("%v in\n%s", err, text)
			return found
		}
		marked++
		if err == nil {
			t.Errorf("nothing is said about\n%s", text)
			return found
		}
		want := strings.TrimRight(err.Error(), "\n") + "\n"
		if said != want && !*updateDocument {
			t.Errorf("-page +code:\n%s\nabout\n%s", cmp.Diff(said, want), text)
		}
		return strings.Replace(found, "```text\n"+said, "```text\n"+want, 1)
	})
	if taken < 10 || marked < 5 {
		t.Errorf("the page has %d blocks that are taken and %d that are not: are they still found?", taken, marked)
	}
	writeDocument(t, page)
}

// compileBlock reads a file, or the entries of a list of criteria; nil if it is neither.
func compileBlock(text string) ([]Criterion, error) {
	if strings.HasPrefix(text, "- ") {
		text = "criteria:\n" + text
	}
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		return nil, err
	}
	ours := &yaml.Node{Kind: yaml.MappingNode, Line: 1, Column: 1}
	for i := 0; i+1 < len(node.Content[0].Content); i += 2 {
		if key := node.Content[0].Content[i]; slices.Contains(SpecKeys(), key.Value) {
			ours.Content = append(ours.Content, key, node.Content[0].Content[i+1])
		}
	}
	if len(ours.Content) == 0 {
		return nil, nil
	}
	spec, err := ParseSpec("rolloutgate.yaml", ours)
	if err != nil {
		return nil, err
	}
	vars := Vars{Namespace: "shop", Env: map[string]string{}}
	for _, name := range spec.Env {
		vars.Env[name] = "value"
	}
	criteria, err := spec.Compile(vars)
	if err == nil {
		err = spec.Timing.Check(criteria)
	}
	return criteria, err
}

// TestDocumentChecks: so are the values of --check.
func TestDocumentChecks(t *testing.T) {
	for _, found := range regexp.MustCompile(`--check '([^']*)'`).FindAllStringSubmatch(readDocument(t), -1) {
		if _, err := ParseCheck(found[1], Placeholders()); err != nil {
			t.Error(err)
		}
	}
}

// TestDocumentExitCodes: the exit codes are those of the README.
func TestDocumentExitCodes(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`([a-z-]+)` \\(exit (\\d+)\\)").FindAllStringSubmatch(readDocument(t), -1)
	if len(found) == 0 {
		t.Error("the page names no exit code")
	}
	for _, f := range found {
		if !strings.Contains(string(readme), fmt.Sprintf("| %s | `%s` |", f[2], f[1])) {
			t.Errorf("the README has no exit code %s with the name %s", f[2], f[1])
		}
	}
}

// TestDocumentTables: the tables are what the code says.
func TestDocumentTables(t *testing.T) {
	for name, table := range map[string]func(*testing.T) string{
		"keys of the file": func(t *testing.T) string { return keyTable(t, `%s: {}`, fileKeys) },
		"keys of a criterion": func(t *testing.T) string {
			return keyTable(t, `criteria: [{%s: {}}]`, criterionKeys)
		},
		"keys of ratio":  func(t *testing.T) string { return keyTable(t, `criteria: [{ratio: {%s: {}}}]`, ratioKeys) },
		"keys of slow":   func(t *testing.T) string { return keyTable(t, `criteria: [{slow: {%s: {}}}]`, slowKeys) },
		"keys of slo":    func(t *testing.T) string { return keyTable(t, `criteria: [{slo: {%s: {}}}]`, sloKeys) },
		"keys of alerts": func(t *testing.T) string { return keyTable(t, `criteria: [{alerts: {%s: {}}}]`, alertsKeys) },
		"keys of http":   func(t *testing.T) string { return keyTable(t, `criteria: [{http: {%s: {}}}]`, httpKeys) },
		"variables":      variableTable,
		"presets":        presetTable,
		"units":          unitTable,
		"labels":         labelTable,
		"events":         eventTable,
		"values":         valueTable,
		"counts":         countTable,
	} {
		generatedPart(t, name, table(t))
	}
}

func inCell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// generatedPart holds the text between two markers to what the code says, or writes it there.
func generatedPart(t *testing.T, name, want string) {
	t.Helper()
	begin, end := fmt.Sprintf("<!-- begin %s: written by go test ./analysis -run Document -update -->\n", name), fmt.Sprintf("<!-- end %s -->", name)
	before, rest, found := strings.Cut(readDocument(t), begin)
	got, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Errorf("the page has no markers %q and %q", begin, end)
		return
	}
	if got != want && !*updateDocument {
		t.Errorf("%s: the page is not what the code says; -update rewrites it (-page +code):\n%s", name, cmp.Diff(got, want))
	}
	writeDocument(t, before+begin+want+end+after)
}

func readDocument(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeDocument(t *testing.T, text string) {
	t.Helper()
	if !*updateDocument || text == readDocument(t) {
		return
	}
	if err := os.WriteFile(document, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
