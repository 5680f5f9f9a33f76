package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// TestTemplatePage: the page about GitLab has the inputs of the template, which are named like flags.
func TestTemplatePage(t *testing.T) {
	header, _, _ := strings.Cut(string(readFile(t, "templates/rolloutgate.yml")), "\n---\n")
	var file yaml.Node
	if err := yaml.Unmarshal([]byte(header), &file); err != nil {
		t.Fatal(err)
	}
	inputs := file.Content[0].Content[1].Content[1]
	flags := (&program{}).runCommand().Flags()
	notFlags := map[string]bool{"job": true, "stage": true, "image": true, "job_timeout": true, "environment": true, "resource_group": true, "extra_args": true}
	table := "| input | default | what it is |\n|---|---|---|\n"
	for i := 0; i+1 < len(inputs.Content); i += 2 {
		var input struct{ Description, Default string }
		name := inputs.Content[i].Value
		if err := inputs.Content[i+1].Decode(&input); err != nil {
			t.Fatal(err)
		}
		if flags.Lookup(strings.ReplaceAll(name, "_", "-")) == nil && !notFlags[name] {
			t.Errorf("the input %s is no flag of 'rolloutgate run'", name)
		}
		if input.Default != "" {
			input.Default = "`" + input.Default + "`"
		}
		table += fmt.Sprintf("| `%s` | %s | %s |\n", name, input.Default, input.Description)
	}
	generated(t, "docs/gitlab.md", "inputs", table)
}

// TestVariablePages: what a step tells later ones means the same in every system.
func TestVariablePages(t *testing.T) {
	a := readAction(t)
	gitlab, azure := "| variable | what it is |\n|---|---|\n", "| variable | what it is |\n|---|---|\n"
	for _, o := range outputs(gate.Report{}, reportFiles{}) {
		meaning := a.Outputs[o.name].Description
		azure += fmt.Sprintf("| `$(gate.%s)` | %s |\n", fileKey(o.name), meaning)
		if !strings.HasPrefix(o.name, "report-") {
			gitlab += fmt.Sprintf("| `%s` | %s |\n", gitlabVariable(o.name), meaning)
		}
	}
	gitlab += fmt.Sprintf("| `%s` | Id of the run, for `resume` and `undo` |\n", gitlabVariable("run"))
	generated(t, "docs/gitlab.md", "variables", gitlab)
	generated(t, "docs/azure-pipelines.md", "variables", azure)
}

// TestPipelinesNameReports: what an example hands to its system is a report of that name.
func TestPipelinesNameReports(t *testing.T) {
	written := map[string]bool{gitlabVariables: true, gitlabLinks: true, runIDFile: true}
	for _, f := range report.Formats() {
		written[f.File] = true
	}
	named := regexp.MustCompile(`(?:report_dir \]\]|\$\{dir\}|REPORT_DIR|-report)/([a-z-]+(?:\.[a-z]+)*)`)
	for _, path := range []string{"templates/rolloutgate.yml", "examples/gitlab-ci/.gitlab-ci.yml", "examples/jenkins/vars/rolloutgate.groovy", "examples/approval/Jenkinsfile",
		"examples/approval/.gitlab-ci.yml", "examples/azure-pipelines/azure-pipelines.yml", "examples/buildkite/.buildkite/hooks/pre-exit"} {
		found := named.FindAllStringSubmatch(string(readFile(t, path)), -1)
		if len(found) == 0 {
			t.Errorf("%s names no report", path)
		}
		for _, m := range found {
			if !written[m[1]] {
				t.Errorf("%s names %s, which nobody writes", path, m[1])
			}
		}
	}
}

// TestEverySystemHasItsPage: what rolloutgate writes for a CI system is of use only to those who know of it.
func TestEverySystemHasItsPage(t *testing.T) {
	names := map[string]string{"github": "github-actions", "azure": "azure-pipelines"}
	readme := string(readFile(t, "README.md"))
	for _, s := range ciSystems() {
		if s.name == anyCI().name {
			continue
		}
		page := "docs/" + orDefault(names[s.name], s.name) + ".md"
		if !strings.Contains(readme, "]("+page+")") || !strings.Contains(string(readFile(t, page)), "](../examples/") {
			t.Errorf("README.md has no link to %s, or that none to an example", page)
		}
	}
}
