package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate/rights"
)

// TestPermissionsPage: the page has the rows of the table, and the Roles of the quickstart.
func TestPermissionsPage(t *testing.T) {
	required := "| a run has to … | verbs | on |\n|---|---|---|\n"
	optional := "| a run has to … | verbs | on | without it |\n|---|---|---|---|\n"
	for _, row := range rights.Table() {
		line := fmt.Sprintf("| %s | %s | %s |", row.Purpose, strings.Join(row.Verbs, ", "), row.Where())
		if !row.Optional() {
			required += line + "\n"
			continue
		}
		lost := row.Without
		if row.Beware != "" {
			lost += "; beware: " + row.Beware
		}
		optional += line + " " + lost + " |\n"
	}
	generated(t, "docs/permissions.md", "required", required)
	generated(t, "docs/permissions.md", "optional", optional)
	code, stdout, stderr := offline(t, "rbac", "-f", root+"examples/quickstart/good.yaml", "-n", "shop", "--service-account", "ci/deployer")
	if code != 0 || stderr != "" {
		t.Fatalf("exit code %d, %s", code, stderr)
	}
	generated(t, "docs/permissions.md", "example", "```yaml\n"+stdout+"```\n")
}

// offline runs rolloutgate without a cluster.
func offline(t *testing.T, args ...string) (code int, out, err string) {
	t.Helper()
	t.Setenv("KUBECONFIG", t.TempDir()+"/none")
	var stdout, stderr bytes.Buffer
	p := &program{getenv: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: &stdout, stderr: &stderr}
	code = p.execute(t.Context(), args)
	return code, stdout.String(), stderr.String()
}
