package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rolloutgate/rolloutgate/gate"
)

// agent is what an agent of Azure Pipelines makes of a log: the commands that it obeys. It finds them anywhere in a line, and
// does not mind the case.
func agent(log string) (commands []string) {
	for _, line := range strings.Split(log, "\n") {
		if m := regexp.MustCompile(`(?i)##vso\[.*`).FindString(line); m != "" {
			commands = append(commands, m)
		} else if strings.Contains(line, "##[") {
			commands = append(commands, line)
		}
	}
	return commands
}

func TestAzureObeysNoClusterText(t *testing.T) {
	var log bytes.Buffer
	a := ciNamed(t, "azure").log(&log, environment(nil))
	evil := "##vso[task.setvariable variable=KUBECONFIG]x and ##VSO[task.complete result=Succeeded;] or ##[error]owned ####vso[a]b\n"
	for cut := range len(evil) {
		fmt.Fprint(a.text, evil[:cut])
		fmt.Fprint(a.text, evil[cut:])
	}
	for i := range len(evil) {
		fmt.Fprint(a.text, evil[i:i+1])
	}
	a.folder.Open("title\n##vso[task.complete]")
	fmt.Fprint(a.text, "text without an end of its line")
	a.folder.Close()
	commands := agent(log.String())
	if len(commands) != 2 || !strings.HasPrefix(commands[0], "##[group]title ") || commands[1] != "##[endgroup]" {
		t.Errorf("the agent obeys %q", commands)
	}
	if plain := strings.ReplaceAll(log.String(), " [", "["); strings.Count(plain, evil) != len(evil)+1 {
		t.Error("text was lost")
	}
}

func TestAzureResult(t *testing.T) {
	var log bytes.Buffer
	dir := t.TempDir()
	a := ciNamed(t, "azure").log(&log, environment(map[string]string{"BUILD_SOURCESDIRECTORY": dir}))
	finding := imageFinding()
	finding.File = filepath.Join(dir, "deploy", "web.yaml")
	finding.Cause = "100% of the pods;\nfail ]"
	page := filepath.Join(dir, "report.md")
	for _, name := range []string{"report.md", "report.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.mask([]string{"pass;word]\nsecond%line", "1"}); err != nil {
		t.Fatal(err)
	}
	if err := a.finish(failedReport(finding), filepath.Join(dir, "report.json")); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"##vso[task.setsecret]pass;word]",
		"##vso[task.setsecret]second%AZP25line",
		"##vso[task.logissue type=error;sourcepath=deploy/web.yaml;linenumber=32]ImageNotFound in deployment/web: " +
			"100%AZP25 of the pods;%0Afail ]%0AFix: Push it.%0Adeployment/web is back at its previous version (verified)",
		"##vso[task.uploadsummary]" + page,
		"##vso[task.setvariable variable=verdict;isOutput=true]failed",
		"##vso[task.setvariable variable=exitCode;isOutput=true]10",
		"##vso[task.setvariable variable=reason;isOutput=true]ImageNotFound",
		"##vso[task.setvariable variable=undo;isOutput=true]verified",
		"##vso[task.setvariable variable=failedKind;isOutput=true]Deployment",
		"##vso[task.setvariable variable=failedName;isOutput=true]web",
		"##vso[task.setvariable variable=durationSeconds;isOutput=true]58",
		"##vso[task.setvariable variable=reportDir;isOutput=true]" + dir,
		"##vso[task.setvariable variable=reportJson;isOutput=true]" + filepath.Join(dir, "report.json"),
		"##vso[task.setvariable variable=reportHtml;isOutput=true]",
		"##vso[task.setvariable variable=reportJunit;isOutput=true]",
	}
	if diff := cmp.Diff(want, agent(log.String())); diff != "" {
		t.Error(diff)
	}
}

func TestAzurePassed(t *testing.T) {
	var log bytes.Buffer
	r := failedReport()
	r.Exit = gate.Exit{Name: "passed"}
	if err := ciNamed(t, "azure").log(&log, environment(nil)).finish(r, ""); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(log.String(), "logissue") || !strings.Contains(log.String(), "variable=verdict;isOutput=true]passed") {
		t.Errorf("prints %s", log.String())
	}
}

func TestBuildkiteGroups(t *testing.T) {
	var log bytes.Buffer
	b := ciNamed(t, "buildkite").log(&log, environment(nil))
	fmt.Fprint(b.text, "first")
	b.folder.Open("a\n+++ diff")
	fmt.Fprintln(b.text, "the diff")
	b.folder.Close()
	b.folder.Open("second")
	fmt.Fprintln(b.text, "another")
	b.folder.Close()
	b.folder.Close()
	fmt.Fprintln(b.text, "rolloutgate: failed (exit 10)")
	fmt.Fprintln(b.text, "end")
	const want = "first\n--- a +++ diff\nthe diff\n--- second\nanother\n+++ rolloutgate\nrolloutgate: failed (exit 10)\nend\n"
	if log.String() != want {
		t.Errorf("got  %q\nwant %q", log.String(), want)
	}
}
