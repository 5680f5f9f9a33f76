package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
)

// finished is what a job leaves for GitLab.
func finished(t *testing.T, r gate.Report, vars map[string]string) (variables string, links map[string][]gitlabLink) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "rolloutgate-report")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if vars == nil {
		vars = map[string]string{}
	}
	vars["CI_PROJECT_DIR"] = filepath.Dir(dir)
	if err := ciNamed(t, "gitlab").log(&bytes.Buffer{}, environment(vars)).finish(r, filepath.Join(dir, "report.json")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, gitlabVariables))
	if os.IsNotExist(err) {
		return "", nil
	}
	text, err := os.ReadFile(filepath.Join(dir, gitlabLinks))
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&links); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return string(data), links
}

func TestGitLabVariables(t *testing.T) {
	r := failedReport(imageFinding())
	r.Run.ID = "7QK2M5XWZA"
	got, _ := finished(t, r, nil)
	want := "GATE_VERDICT=failed\nGATE_EXIT_CODE=10\nGATE_REASON=ImageNotFound\nGATE_UNDO=verified\nGATE_FAILED_KIND=Deployment\n" +
		"GATE_FAILED_NAME=web\nGATE_DURATION_SECONDS=58\nGATE_RUN=7QK2M5XWZA\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestGitLabTakesTheVariables holds them to what GitLab refuses: it drops the whole file for one bad line.
func TestGitLabTakesTheVariables(t *testing.T) {
	evil := failedReport(imageFinding())
	evil.Exit.Name, evil.Findings[0].Code, evil.Run.ID = "failed\nKUBECONFIG=/tmp/x", "a b \"c\" # d", "$(id)"
	evil.Findings[0].Workload.Name = strings.Repeat("web", 4000)
	passed := failedReport()
	passed.Exit, passed.Undo = gate.Exit{Name: "passed"}, nil
	flags := (&program{}).runCommand().Flags()
	for name, r := range map[string]gate.Report{"evil": evil, "passed": passed, "failed": failedReport(imageFinding())} {
		text, _ := finished(t, r, nil)
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		if len(text) > 5*1024 || len(lines) > 20 || text == "" {
			t.Errorf("%s: %d bytes, %d variables", name, len(text), len(lines))
		}
		for _, line := range lines {
			if !regexp.MustCompile(`^[A-Za-z_]\w*=[A-Za-z0-9.-]+$`).MatchString(line) {
				t.Errorf("%s: %q is not a variable", name, line)
			}
			key, _, _ := strings.Cut(line, "=")
			if strings.HasPrefix(key, envPrefix) || flags.Lookup(strings.ToLower(key)) != nil {
				t.Errorf("%s: the next job takes %s for a flag", name, key)
			}
		}
	}
}

func TestGitLabLinks(t *testing.T) {
	vars := map[string]string{"CI_JOB_URL": "https://gitlab.example/shop/web/-/jobs/7", "CI_PIPELINE_URL": "https://user:pw@gitlab.example/shop/web/-/pipelines/3"}
	dir := t.TempDir()
	files := reportFiles{filepath.Join(dir, "rolloutgate-report"), map[string]string{}}
	for _, format := range []string{"json", "html", "junit"} {
		files.paths[format] = filepath.Join(files.dir, "report."+format)
	}
	vars["CI_PROJECT_DIR"] = dir
	links := gitlabFiles{environment(vars)}.links(failedReport(imageFinding()), files)
	var got []string
	for _, l := range links["rolloutgate"] {
		got = append(got, l.ExternalLink.Label+": "+l.ExternalLink.URL)
	}
	want := []string{
		"rolloutgate: the report: https://gitlab.example/shop/web/-/jobs/7/artifacts/file/rolloutgate-report/report.html",
		"rolloutgate: results as tests: https://gitlab.example/shop/web/-/pipelines/3/test_report",
		"rolloutgate: what ImageNotFound means: https://github.com/rolloutgate/rolloutgate/blob/main/docs/causes.md#imagenotfound",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(readFile(t, "docs/causes.md")), "\n### ImageNotFound\n") {
		t.Error("docs/causes.md has no heading that the link leads to")
	}
	vars["CI_JOB_URL"] = "javascript:alert(1)"
	if links := (gitlabFiles{environment(vars)}).links(failedReport(), reportFiles{paths: map[string]string{"html": files.paths["html"]}}); fmt.Sprint(links) != "map[rolloutgate:[]]" {
		t.Errorf("links: %v", links)
	}
}

// TestGitLabAfterScript: what puts a killed run back does not tell later jobs that the release has passed.
func TestGitLabAfterScript(t *testing.T) {
	r := failedReport()
	r.Run.Command = "undo"
	if text, _ := finished(t, r, nil); text != "" {
		t.Errorf("the variables are %q", text)
	}
}
