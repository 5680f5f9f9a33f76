//go:build cluster

package examples_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// plain is a log without its colours.
func plain(log string) string { return regexp.MustCompile(`\x1b\[[0-9;]*m`).ReplaceAllString(log, "") }

// snippet is a block of README.md, by the words before it.
func snippet(t *testing.T, after, language string) string {
	t.Helper()
	_, rest, found := strings.Cut(string(read(t, "../README.md")), after)
	_, rest, open := strings.Cut(rest, "```"+language+"\n")
	text, _, closed := strings.Cut(rest, "```")
	if !found || !open || !closed {
		t.Fatalf("README.md has no block of %s after %q", language, after)
	}
	return text
}

func indent(text, with string) string {
	return with + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n"+with) + "\n"
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o755)); err != nil {
		t.Fatal(err)
	}
}

// uploadArtifact stands for the action that keeps files: it says which ones it was given.
const uploadArtifact = `name: upload
description: stands for upload-artifact
inputs:
  name: {description: name}
  path: {description: path}
runs:
  using: composite
  steps:
    - shell: bash
      env: {NAME: '${{ inputs.name }}', UPLOADS: '${{ inputs.path }}'}
      run: |
        cd "$UPLOADS"
        for file in *; do echo "uploads $NAME/$file"; done
`

// reportFiles are the files that a run leaves in its report folder.
func reportFiles() (names []string) {
	for _, f := range report.Formats() {
		if f.File != "" {
			names = append(names, f.File)
		}
	}
	return names
}

// haveReports looks for all of them.
func haveReports(t *testing.T, dir string, more ...string) {
	t.Helper()
	for _, name := range append(reportFiles(), more...) {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("a report is missing or empty: %s, %v", name, err)
		}
	}
}

// told is where notices arrive.
func told(t *testing.T) (url string, notices func() string) {
	t.Helper()
	var mu sync.Mutex
	var all []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, string(body))
		if err != nil {
			all = append(all, err.Error())
		}
	}))
	t.Cleanup(server.Close)
	return server.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(all, "\n")
	}
}

// toldOf checks that there was one notice, of the bad version.
func toldOf(t *testing.T, notices string) {
	t.Helper()
	if strings.Count(notices, "\n") > 0 || !strings.Contains(notices, "failed and was undone") || !strings.Contains(notices, "ImageNotFound") {
		t.Errorf("there is not one notice of the bad version:\n%s", notices)
	}
}

// withNotices puts the config file of README.md beside the pipeline.
func withNotices(t *testing.T, dir string) {
	t.Helper()
	write(t, filepath.Join(dir, "rolloutgate.yaml"), snippet(t, "says who is told", "yaml"))
}

// TestReadmeGitHub runs the very job of README.md.
func TestReadmeGitHub(t *testing.T) {
	t.Parallel()
	env := environment(t)
	text := snippet(t, "GitHub Actions (", "yaml")
	dir := repository(t, "github-actions/deploy.yml", "unused.yml")
	withNotices(t, dir)
	write(t, filepath.Join(dir, ".github/workflows/deploy.yml"), "on: push\n"+text)
	upload := t.TempDir()
	write(t, filepath.Join(upload, "action.yml"), uploadArtifact)
	uses := regexp.MustCompile(`actions/upload-artifact@[0-9a-f]{40}`).FindString(text)
	args, acts := onGitHub(t, env)
	url, notices := told(t)
	args = append(args, "--local-repository", uses+"="+upload, "--secret", "SLACK_WEBHOOK="+url)

	deploy(t, dir, "quickstart/good.yaml")
	out, code := execute(t, dir, acts, "go", args...)
	for _, want := range []string{"deployment/web is complete", "uploads rolloutgate-report/report.json"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("a good version: exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
	deploy(t, dir, "quickstart/image-missing.yaml")
	out, code = execute(t, dir, acts, "go", args...)
	wants := []string{"rolloutgate: failed (exit 10)"}
	for _, name := range reportFiles() {
		wants = append(wants, "uploads rolloutgate-report/"+name)
	}
	for _, want := range wants {
		if code == 0 || !strings.Contains(out, want) {
			t.Errorf("a bad version: exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
	toldOf(t, notices())
}

// gitlabLocal runs a whole pipeline.
func gitlabLocal(t *testing.T, dir string, env []string, more ...string) (string, int) {
	t.Helper()
	if _, err := exec.LookPath("gitlab-ci-local"); err != nil {
		if os.Getenv("CI_FRONTENDS") == "required" {
			t.Fatal(err)
		}
		t.Skip("gitlab-ci-local is not installed; .ci/run does it")
	}
	args := []string{"--force-shell-executor", "--home", t.TempDir()}
	for _, name := range []string{"KUBECONFIG", "ROLLOUTGATE_NAMESPACE", "PATH"} {
		args = append(args, "--variable", name+"="+value(env, name))
	}
	args = append(args, "--variable", "ROLLOUTGATE_GRACE=ImageNotFound=5s", "--variable", "ROLLOUTGATE_CI=gitlab")
	return execute(t, dir, env, "gitlab-ci-local", append(args, more...)...)
}

// TestReadmeGitLab runs the very jobs of README.md, with the template of this commit instead of the released one.
func TestReadmeGitLab(t *testing.T) {
	t.Parallel()
	env := environment(t)
	text := snippet(t, "GitLab CI (", "yaml")
	local := regexp.MustCompile(`remote: https://raw\.githubusercontent\.com/rolloutgate/rolloutgate/v[0-9.]+/`).ReplaceAllString(text, "local: ")
	if local == text {
		t.Fatal("README.md does not include the template")
	}
	dir := repository(t, "gitlab-ci/.gitlab-ci.yml", "unused.yml")
	withNotices(t, dir)
	url, notices := told(t)
	write(t, filepath.Join(dir, ".gitlab-ci.yml"), local)
	write(t, filepath.Join(dir, "templates/rolloutgate.yml"), string(read(t, "../templates/rolloutgate.yml")))
	deploy(t, dir, "quickstart/good.yaml")
	out, code := gitlabLocal(t, dir, env, "--variable", "SLACK_WEBHOOK="+url)
	for _, want := range []string{"deployment/web is complete"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Fatalf("a good version: exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
	deploy(t, dir, "quickstart/image-missing.yaml")
	out, code = gitlabLocal(t, dir, env, "--variable", "SLACK_WEBHOOK="+url)
	for _, want := range []string{"ImageNotFound in deployment/web", "was undone already, so nothing was changed"} {
		if code == 0 || !strings.Contains(out, want) {
			t.Errorf("a bad version: exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
	toldOf(t, notices())
	haveReports(t, filepath.Join(dir, "rolloutgate-report"), "gitlab.env", "gl-annotations.json")
}

// templateJob is the job of the template, with the defaults of its inputs or with these.
func templateJob(t *testing.T, inputs map[string]string) (text string, job gitlabJob) {
	t.Helper()
	header, body, found := strings.Cut(string(read(t, "../templates/rolloutgate.yml")), "\n---\n")
	var spec struct {
		Spec struct {
			Inputs map[string]struct{ Default string }
		}
	}
	if err := yaml.Unmarshal([]byte(header), &spec); err != nil || !found {
		t.Fatalf("the template: %v", err)
	}
	values := map[string]string{}
	for name, input := range spec.Spec.Inputs {
		values[name] = input.Default
	}
	maps.Copy(values, inputs)
	for name, value := range values {
		body = strings.ReplaceAll(body, "$[[ inputs."+name+" ]]", value)
	}
	if strings.Contains(body, "$[[") {
		t.Fatalf("the template uses an input that it does not have:\n%s", body)
	}
	var jobs map[string]gitlabJob
	if err := yaml.Unmarshal([]byte(body), &jobs); err != nil || len(jobs) != 1 {
		t.Fatalf("the template has %d jobs, %v", len(jobs), err)
	}
	return body, jobs[values["job"]]
}

// TestTemplateIsTheExample: what surrounds the script is the same in both.
func TestTemplateIsTheExample(t *testing.T) {
	text, _ := templateJob(t, nil)
	var template, example map[string]map[string]any
	if err := errors.Join(yaml.Unmarshal([]byte(text), &template), yaml.Unmarshal([]byte(strings.ReplaceAll(string(read(t, "gitlab-ci/.gitlab-ci.yml")), "stages: [deploy]", "")), &example)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"stage", "image", "environment", "resource_group", "interruptible", "timeout", "retry", "artifacts"} {
		a, _ := yaml.Marshal(template["rolloutgate"][key])
		b, _ := yaml.Marshal(example["deploy"][key])
		if !bytes.Equal(a, b) || len(a) == 0 {
			t.Errorf("%s: the template has\n%s\nand the example\n%s", key, a, b)
		}
	}
}

// TestTemplateArguments: more flags are words, and nothing else.
func TestTemplateArguments(t *testing.T) {
	t.Parallel()
	_, job := templateJob(t, map[string]string{"extra_args": "--canary 25% --workloads deploy* $(touch owned) ;id"})
	dir := t.TempDir()
	env := program(t, `printf '<%s>' "$@"`)
	for name, value := range job.Variables {
		env = append(env, name+"="+value)
	}
	write(t, filepath.Join(dir, "deploy"), "")
	out, code := execute(t, dir, env, "sh", "-e", script(t, strings.Join(job.Script, "\n")))
	if want := "<run><--canary><25%><--workloads><deploy*><$(touch><owned)><;id>"; out != want || code != 0 {
		t.Errorf("exit code %d, and the arguments are %s, not %s", code, out, want)
	}
}

// TestCancelledTemplate plays the job of the template, and what a runner does when somebody cancels it.
func TestCancelledTemplate(t *testing.T) {
	t.Parallel()
	_, job := templateJob(t, nil)
	env := environment(t)
	dir := repository(t, "gitlab-ci/.gitlab-ci.yml", "unused.yml")
	for name, value := range job.Variables {
		env = append(env, name+"="+value)
	}
	if out, code := execute(t, dir, env, "sh", "-e", script(t, strings.Join(job.Script, "\n"))); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	deploy(t, dir, "quickstart/never-ready.yaml")
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		interrupted(t, dir, env, signal, "sh", "-e", script(t, strings.Join(job.Script, "\n")))
		job.after(t, dir, env, "canceled")
		isNot(t, env, "no-such-page")
	}
}

// later is true some seconds after it was first asked.
func later(seconds int) func() bool {
	var first time.Time
	return func() bool {
		if first.IsZero() {
			first = time.Now()
		}
		return time.Since(first) > time.Duration(seconds)*time.Second
	}
}

// TestJenkins builds a good version, and aborts the build of one that is never ready, as Jenkins does.
func TestJenkins(t *testing.T) {
	t.Parallel()
	env := append(environment(t), "JENKINS_URL=http://jenkins.example.com/")
	dir := repository(t, "jenkins/Jenkinsfile", "Jenkinsfile")
	build := func() *exec.Cmd { return jenkins(t, dir, env, "junit,publishHTML", "jenkins/Jenkinsfile") }
	out, green := played(t, build())
	const last = "\nrolloutgate: passed (exit 0): deployment/web is complete\n"
	if !green || !strings.Contains(out, last) || !strings.Contains(string(read(t, "jenkins/README.md")), last) || strings.Contains(out, "\x1b") {
		t.Errorf("green: %t, and the last line or the colours are not as the README says:\n%s", green, out)
	}
	deploy(t, dir, "quickstart/never-ready.yaml")
	for signal, words := range map[syscall.Signal][]string{
		syscall.SIGTERM: {"rolloutgate: cancelled (exit 143)", "(verified)"},
		syscall.SIGKILL: {"deployment/web is back at the previous version (verified)"},
	} {
		out, green := aborted(t, build(), "GATE_COMMAND", later(5), signal)
		for _, want := range words {
			if green || !strings.Contains(out, want) {
				t.Errorf("%s: green: %t, and there is no %q in\n%s", signal, green, want, out)
			}
		}
		isNot(t, env, "no-such-page")
	}
}

// TestReadmeJenkins runs the very pipeline of README.md.
func TestReadmeJenkins(t *testing.T) {
	t.Parallel()
	url, notices := told(t)
	env := append(environment(t), "JENKINS_URL=http://jenkins.example.com/", "ROLLOUTGATE_GRACE=ImageNotFound=5s", "CREDENTIAL="+url)
	dir := repository(t, "jenkins/Jenkinsfile", "unused")
	withNotices(t, dir)
	file := filepath.Join(t.TempDir(), "Jenkinsfile")
	write(t, file, snippet(t, "Jenkins (", "groovy"))
	if out, green := played(t, jenkins(t, dir, env, "junit,publishHTML", file)); !green || !strings.Contains(out, "deployment/web is complete") {
		t.Errorf("a good version: green: %t\n%s", green, out)
	}
	deploy(t, dir, "quickstart/image-missing.yaml")
	out, green := played(t, jenkins(t, dir, env, "junit,publishHTML", file))
	for _, want := range []string{"ImageNotFound in deployment/web", "[archive] rolloutgate-report/**", "script returned exit code 10"} {
		if green || !strings.Contains(out, want) {
			t.Errorf("a bad version: green: %t, and there is no %q in\n%s", green, want, out)
		}
	}
	haveReports(t, filepath.Join(dir, "rolloutgate-report"))
	toldOf(t, notices())
}

// TestApprovalJenkins: the canary waits for an answer, and goes on or back.
func TestApprovalJenkins(t *testing.T) {
	t.Parallel()
	env := append(environment(t), "JENKINS_URL=http://jenkins.example.com/")
	file := filepath.Join(t.TempDir(), "Jenkinsfile")
	write(t, file, strings.ReplaceAll(string(read(t, "approval/Jenkinsfile")), "hold: '10m'", "hold: '3s'"))
	dir := repository(t, "approval/Jenkinsfile", "Jenkinsfile")
	if out, code := execute(t, "approval", env, rolloutgate(), "run", "-f", "web.yaml"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	for _, c := range []struct{ answer, manifest, says string }{
		{"no", "approval/next.yaml", "deployment/web is back at the previous version (verified)"},
		{"yes", "approval/next.yaml", "deployment/web is complete"},
	} {
		deploy(t, dir, c.manifest)
		out, green := played(t, jenkins(t, dir, append(slices.Clip(env), "ANSWER="+c.answer), "junit", file))
		if green != (c.answer == "yes") || !strings.Contains(out, "rolloutgate: parked (exit 0)") || !strings.Contains(out, c.says) {
			t.Errorf("the answer is %s; green: %t\n%s", c.answer, green, out)
		}
		isNot(t, env, map[string]string{"no": "podinfo:6.9.1", "yes": "podinfo:6.9.0"}[c.answer])
	}
}

// azureStep is a step of Azure Pipelines.
type azureStep struct {
	Bash, Task, Publish, Checkout, Name, Condition string
	Env, Inputs                                    map[string]string
}

// azureJob is what an agent knows of a job while it goes through the steps.
type azureJob struct {
	t          *testing.T
	dir        string
	env        []string
	steps      []azureStep
	outputs    map[string]string
	failed     bool
	canceled   bool
	log, after string // of the gate, and of what puts back
}

// azure goes through the job as an agent does. cancel, if there is one, runs the step of the gate instead.
func azure(t *testing.T, dir string, env []string, cancel func(args []string, env []string) (string, int)) azureJob {
	t.Helper()
	var file struct {
		Stages []struct {
			Jobs []struct{ Steps []azureStep }
		}
	}
	if err := yaml.Unmarshal(read(t, "azure-pipelines/azure-pipelines.yml"), &file); err != nil {
		t.Fatal(err)
	}
	j := azureJob{t: t, dir: dir, env: slices.Clip(append(env, "TF_BUILD=True")), steps: file.Stages[0].Jobs[0].Steps,
		outputs: map[string]string{"kubeconfig.secureFilePath": value(env, "KUBECONFIG")}, canceled: cancel != nil}
	for _, s := range j.steps {
		j.step(s, cancel)
	}
	return j
}

func (j *azureJob) due(condition string) bool {
	switch condition {
	case "always()":
		return true
	case "or(failed(), canceled())":
		return j.failed || j.canceled && j.log != ""
	case "":
		return !j.failed && (!j.canceled || j.log == "")
	}
	j.t.Fatalf("the test does not know the condition %q", condition)
	return false
}

func (j *azureJob) step(s azureStep, cancel func([]string, []string) (string, int)) {
	j.t.Helper()
	if !j.due(s.Condition) {
		return
	}
	if s.Publish != "" {
		if _, err := os.Stat(filepath.Join(j.dir, s.Publish)); err != nil {
			j.t.Errorf("there is nothing to publish: %v", err)
		}
	}
	if s.Bash == "" {
		return
	}
	env := j.env
	for name, text := range s.Env {
		env = append(env, name+"="+regexp.MustCompile(`\$\(([\w.]+)\)`).ReplaceAllStringFunc(text, func(m string) string { return j.outputs[m[2:len(m)-1]] }))
	}
	args := []string{"--noprofile", "--norc", script(j.t, s.Bash)}
	var out string
	var code int
	if gate := s.Name == "gate"; gate && cancel != nil {
		out, code = cancel(args, env)
	} else {
		out, code = execute(j.t, j.dir, env, "bash", args...)
	}
	for _, m := range regexp.MustCompile(`##vso\[task\.setvariable variable=(\w+);isOutput=true\](.*)`).FindAllStringSubmatch(out, -1) {
		j.outputs[s.Name+"."+m[1]] = m[2]
	}
	j.failed = j.failed || code != 0
	if s.Name == "gate" {
		j.log = out
	} else {
		j.after += out
	}
}

// TestAzurePipelines goes through the steps with a good version, a bad one, and one that is cancelled: with the signal that an
// agent sends, with none in time, and with one that a wrapper keeps to itself.
func TestAzurePipelines(t *testing.T) {
	t.Parallel()
	env := append(environment(t), "ROLLOUTGATE_GRACE=ImageNotFound=5s")
	dir := repository(t, "azure-pipelines/azure-pipelines.yml", "azure-pipelines.yml")
	j := azure(t, dir, env, nil)
	const last = "rolloutgate: passed (exit 0): deployment/web is complete"
	if j.failed || lastLine(plain(j.log)) != last || lastLine(j.after) != "verdict=passed reason=" || !strings.Contains(string(read(t, "azure-pipelines/README.md")), last) {
		t.Fatalf("a good version:\n%s%s", j.log, j.after)
	}
	deploy(t, dir, "quickstart/image-missing.yaml")
	j = azure(t, dir, env, nil)
	for _, want := range []string{"##vso[task.logissue type=error;sourcepath=deploy/web.yaml;linenumber=29]ImageNotFound in deployment/web", "##vso[task.uploadsummary]/"} {
		if !j.failed || !strings.Contains(j.log, want) {
			t.Errorf("a bad version, and no %q:\n%s", want, j.log)
		}
	}
	if !strings.Contains(j.after, "was undone already, so nothing was changed") || lastLine(j.after) != "verdict=failed reason=ImageNotFound" {
		t.Errorf("after a bad version:\n%s", j.after)
	}

	deploy(t, dir, "quickstart/never-ready.yaml")
	haveReports(t, filepath.Join(dir, "rolloutgate-report"))
	for name, cancel := range map[string]func([]string, []string) (string, int){
		"SIGINT": func(args, env []string) (string, int) {
			return interrupted(t, dir, env, syscall.SIGINT, "bash", args...)
		},
		"SIGKILL": func(args, env []string) (string, int) {
			return interrupted(t, dir, env, syscall.SIGKILL, "bash", args...)
		},
		"nobody tells it": func(args, env []string) (string, int) {
			wrapper := script(t, "bash \"$@\" >orphan.log 2>&1 &\nwait")
			interrupted(t, dir, env, syscall.SIGKILL, "sh", append([]string{wrapper}, args...)...)
			return "the wrapper is gone\n", 1
		},
	} {
		j := azure(t, dir, env, cancel)
		if !strings.Contains(j.after, "(verified)") {
			t.Errorf("%s: nothing puts the release back:\n%s%s", name, j.log, j.after)
		}
		isNot(t, env, "no-such-page")
	}
}

// buildkite runs the step as an agent does, and the hook after it. It returns both logs, the exit code, and what became the
// annotation of the build.
func buildkite(t *testing.T, dir string, env []string, signal syscall.Signal) (log, hook, annotation string, code int) {
	t.Helper()
	var file struct {
		Steps []struct {
			Key, Command string
			Env          map[string]string
		}
	}
	if err := yaml.Unmarshal(read(t, "buildkite/.buildkite/pipeline.yml"), &file); err != nil {
		t.Fatal(err)
	}
	step := file.Steps[0]
	tools := t.TempDir()
	write(t, filepath.Join(tools, "buildkite-agent"), "#!/bin/sh\n{ echo \"$*\"; cat; } >"+tools+"/annotation\n")
	env = append(slices.Clip(env), "BUILDKITE=true", "BUILDKITE_STEP_KEY="+step.Key, "PATH="+tools+":"+value(env, "PATH"))
	for name, value := range step.Env {
		env = append(env, name+"="+value)
	}
	var out bytes.Buffer
	c := exec.CommandContext(t.Context(), "bash", "-e", "-c", "trap 'kill -- $$' INT TERM QUIT; "+step.Command)
	c.Dir, c.Env, c.Stdout, c.Stderr, c.WaitDelay = dir, env, &out, &out, 10*time.Second
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if signal != 0 {
		time.Sleep(5 * time.Second)
		if err := syscall.Kill(-c.Process.Pid, signal); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(9*time.Second, func() { syscall.Kill(-c.Process.Pid, syscall.SIGKILL) })
		defer timer.Stop()
	}
	log, code = wait(t, c, &out)
	path, err := filepath.Abs("buildkite/.buildkite/hooks/pre-exit")
	if err != nil {
		t.Fatal(err)
	}
	status := "BUILDKITE_COMMAND_EXIT_STATUS=" + map[bool]string{true: "0", false: "10"}[code == 0]
	hook, hookCode := execute(t, dir, append(env, status), path)
	if hookCode != 0 {
		t.Errorf("the hook ends with exit code %d, which would fail the job:\n%s", hookCode, hook)
	}
	data, _ := os.ReadFile(filepath.Join(tools, "annotation"))
	return log, hook, string(data), code
}

func TestBuildkite(t *testing.T) {
	t.Parallel()
	env := append(environment(t), "ROLLOUTGATE_GRACE=ImageNotFound=5s")
	dir := repository(t, "buildkite/.buildkite/pipeline.yml", ".buildkite/pipeline.yml")
	log, hook, annotation, code := buildkite(t, dir, env, 0)
	const last = "rolloutgate: passed (exit 0): deployment/web is complete"
	if code != 0 || lastLine(plain(log)) != last || hook != "" || !strings.HasPrefix(annotation, "annotate --style success --context rolloutgate\n") ||
		!strings.Contains(string(read(t, "buildkite/README.md")), last) {
		t.Fatalf("a good version: exit code %d\n%s%s%s", code, log, hook, annotation)
	}
	deploy(t, dir, "quickstart/image-missing.yaml")
	log, hook, annotation, code = buildkite(t, dir, env, 0)
	if code != 10 || !strings.Contains(hook, "was undone already, so nothing was changed") || !strings.HasPrefix(annotation, "annotate --style error ") || !strings.Contains(annotation, "ImageNotFound") {
		t.Errorf("a bad version: exit code %d\n%s%s%s", code, log, hook, annotation)
	}
	deploy(t, dir, "quickstart/never-ready.yaml")
	haveReports(t, filepath.Join(dir, "rolloutgate-report"))
	for signal, words := range map[syscall.Signal]string{syscall.SIGTERM: "rolloutgate: cancelled (exit 143)", syscall.SIGKILL: ""} {
		log, hook, _, code := buildkite(t, dir, env, signal)
		if code == 0 || !strings.Contains(log, words) || !strings.Contains(hook, "(verified)") {
			t.Errorf("%s: exit code %d\n%s%s", signal, code, log, hook)
		}
		isNot(t, env, "no-such-page")
	}
}

// TestApprovalByFrontEnds runs the whole pipelines: the canary, and what goes on when somebody has said yes.
func TestApprovalByFrontEnds(t *testing.T) {
	t.Parallel()
	short := func(path string) string {
		return strings.NewReplacer("hold: 10m", "hold: 3s", "ROLLOUTGATE_HOLD: 10m", "ROLLOUTGATE_HOLD: 3s").Replace(string(read(t, path)))
	}
	begin := func(t *testing.T) (string, []string) {
		env := environment(t)
		if out, code := execute(t, "approval", env, rolloutgate(), "run", "-f", "web.yaml"); code != 0 {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		dir := repository(t, "approval/deploy.yml", "unused.yml")
		write(t, filepath.Join(dir, ".github/workflows/deploy.yml"), short("approval/deploy.yml"))
		write(t, filepath.Join(dir, ".gitlab-ci.yml"), short("approval/.gitlab-ci.yml"))
		deploy(t, dir, "approval/next.yaml")
		return dir, env
	}
	t.Run("GitHub", func(t *testing.T) {
		t.Parallel()
		dir, env := begin(t)
		args, acts := onGitHub(t, env)
		out, code := execute(t, dir, acts, "go", args...)
		for _, want := range []string{"rolloutgate: parked (exit 0)", "Success - Main Go on with the rest", "deployment/web is complete"} {
			if code != 0 || !strings.Contains(out, want) {
				t.Errorf("exit code %d, and there is no %q in\n%s", code, want, out)
			}
		}
		isNot(t, env, "podinfo:6.9.0")
	})
	t.Run("GitLab", func(t *testing.T) {
		t.Parallel()
		dir, env := begin(t)
		if out, code := gitlabLocal(t, dir, env, "canary"); code != 0 || !strings.Contains(out, "rolloutgate: parked (exit 0)") {
			t.Fatalf("exit code %d\n%s", code, out)
		}
		if out, code := gitlabLocal(t, dir, env, "release"); code != 0 || !strings.Contains(out, "deployment/web is complete") {
			t.Errorf("exit code %d\n%s", code, out)
		}
		isNot(t, env, "podinfo:6.9.0")
	})
}
