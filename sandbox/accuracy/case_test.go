package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// folder writes the files of one case.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image-typo")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const goodCase = "title: A typo in the tag\ntier: simulated\nexpect: ImageNotFound\ntimeout: 1m30s\nworkload: deployment/shop\n"

const movingCase = "title: Others write\ntier: simulated\nexits: [10, 20]\ntimeout: 1m30s\nworkload: deployment/shop\n"

func TestReadCase(t *testing.T) {
	c, err := readCase(folder(t, map[string]string{caseFile: goodCase, rolloutFile: "", beforeFile: "", scriptFile: `
actions:
- wait: 5s
- event: {reason: BackOff, message: Back-off, times: 3}
pods:
- {after: 1s, running: true}
- {after: 2s, repeat: 1}
`}))
	if err != nil {
		t.Fatal(err)
	}
	if c.name != "image-typo" || c.Namespace != "image-typo" || c.Timeout != duration(90*time.Second) || !c.before {
		t.Errorf("got %+v", c)
	}
	if len(c.script.Actions) != 2 || len(c.script.Pods) != 2 {
		t.Errorf("got the script %+v", c.script)
	}
}

func TestBrokenCasesAreNamed(t *testing.T) {
	for want, files := range map[string]map[string]string{
		`image-typo/case.yaml: json: unknown field "expects"`:                {caseFile: goodCase + "expects: X\n"},
		"image-typo/case.yaml: exactly one of expect, exit, exits and quiet": {caseFile: goodCase + "quiet: true\n"},
		`image-typo/case.yaml: there is no tier "cloud"`:                     {caseFile: strings.Replace(goodCase, "simulated", "cloud", 1)},
		`is not KIND/NAME`: {caseFile: strings.Replace(goodCase, "deployment/", "deployments/", 1)},
		"meanwhile, always and checks belong to a case with exits":   {caseFile: goodCase, scriptFile: "checks:\n- {report: x}\n"},
		"a check has exactly one of":                                 {caseFile: movingCase, scriptFile: "checks:\n- {of: pod/a, path: '{.a}'}\n"},
		`"pods/a" is not KIND/NAME`:                                  {caseFile: movingCase, scriptFile: "checks:\n- {of: pods/a, absent: true}\n"},
		`there is no signal "SIGFOO"`:                                {caseFile: movingCase, scriptFile: "meanwhile: [{signal: SIGFOO}]\nchecks: [{report: x}]\n"},
		`there is no base "helm"`:                                    {caseFile: movingCase + "base: helm\n"},
		`image-typo/actions.yaml: json: unknown field "waits"`:       {caseFile: goodCase, scriptFile: "actions:\n- waits: 5s\n"},
		"image-typo/actions.yaml: an action is exactly one of":       {caseFile: goodCase, scriptFile: "actions:\n- wait: 5s\n  kubectl: [get]\n"},
		"step 1 of pods repeats from step 3, which is not before it": {caseFile: goodCase, scriptFile: "pods:\n- repeat: 3\n"},
		"reading image-typo: ":                                       {caseFile: goodCase},
	} {
		_, err := readCase(folder(t, files))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The cases of the repository are read by every test run, so that a broken one is noticed before a sandbox is built.
func TestAllCasesAreReadable(t *testing.T) {
	cases, err := readCases("cases", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		if len(c.name) > 63 { // it is also a namespace
			t.Errorf("the name %s is too long", c.name)
		}
	}
}

func TestCrashesHaveTheBackOffOfAKubelet(t *testing.T) {
	s := script{Pods: []podStep{{Crash: &crash{terminated: terminated{ExitCode: 1}}}}}
	if err := s.check(false); err != nil {
		t.Fatal(err)
	}
	var waits []string
	for _, step := range s.Pods {
		if step.Running {
			waits = append(waits, step.After.String())
		}
	}
	if got, want := strings.Join(waits, " "), "1s 1s 10s 20s 40s 1m20s 2m40s"; got != want {
		t.Errorf("it starts after %s, want %s", got, want)
	}
	if end := s.Pods[1]; end.Terminated == nil || end.Waiting != nil || len(end.Events) != 0 {
		t.Errorf("the first end is %+v", end)
	}
	if end := s.Pods[3]; end.Terminated == nil || !strings.Contains(string(end.Waiting), "back-off 10s") || len(end.Events) != 1 {
		t.Errorf("the second end is %+v", end)
	}
}

func TestCrashesAndPullsMayHeal(t *testing.T) {
	for _, step := range []podStep{{Crash: &crash{Times: 2}}, {Pull: &pull{Error: "not found", Times: 1}}} {
		s := script{Pods: []podStep{step}}
		if err := s.check(false); err != nil {
			t.Fatal(err)
		}
		ends := 0
		for _, p := range s.Pods {
			if p.Terminated != nil {
				ends++
			}
		}
		if last := s.Pods[len(s.Pods)-1]; !last.Ready || step.Crash != nil && ends != 2 {
			t.Errorf("it ends %d times, and its last step is %+v", ends, last)
		}
	}
}
