//go:build cluster

package examples_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// These tests need a cluster and a Prometheus, for example those of 'bin/sandbox run -- go test -tags cluster ./...'.

const act = "github.com/nektos/act@v0.2.89"

// bin is a folder with rolloutgate in it, and built one with the programs that make has built, Helm among them.
var bin, built string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	for _, name := range []string{"KUBECONFIG", "ROLLOUTGATE_PROMETHEUS_URL"} {
		if os.Getenv(name) == "" {
			os.Stderr.WriteString(name + " is not set: run these tests with 'make test'\n")
			return 1
		}
	}
	var err error
	if built, err = filepath.Abs("../bin"); err != nil {
		panic(err)
	}
	if bin, err = os.MkdirTemp("", "examples"); err != nil {
		panic(err)
	}
	defer os.RemoveAll(bin)
	build := exec.Command("go", "build", "-o", bin, "../cmd/rolloutgate")
	build.Stderr = os.Stderr
	if build.Run() != nil {
		return 1
	}
	return m.Run()
}

// TestReadmes runs the commands of every README, and compares how their output ends.
func TestReadmes(t *testing.T) {
	t.Parallel()
	for _, path := range files(t, ".md") {
		commands := sessions(t, path)
		if len(commands) == 0 {
			continue
		}
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			t.Parallel()
			env := environment(t)
			if strings.HasPrefix(path, "clusters/") {
				env = inClusters(t, env, "canary", "eu")
			}
			for _, c := range commands {
				out, code := execute(t, filepath.Dir(path), env, "sh", "-c", c.line)
				last := lastLine(out)
				if c.last != "" && last != c.last || code != c.exit {
					t.Fatalf("%s: %s\nends with   %q and exit code %d\nREADME says %q and exit code %d\n%s",
						path, c.line, last, code, c.last, c.exit, out)
				}
			}
		})
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	env := append(environment(t), "PATH="+bin+":"+os.Getenv("PATH"))
	// A copy, because the script prefers the program that was built beside it.
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("quickstart")); err != nil {
		t.Fatal(err)
	}
	out, code := execute(t, dir, env, "./demo.sh")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	table := out[strings.LastIndex(out, "rollout  "):]
	if !strings.Contains(string(read(t, "quickstart/README.md")), table) {
		t.Errorf("quickstart/README.md does not show this end of the demo:\n%s", table)
	}
}

// TestGitHubActions runs the workflow with act, which behaves like a runner of GitHub: first a good version, then one
// whose image does not exist.
func TestGitHubActions(t *testing.T) {
	t.Parallel()
	env := environment(t)
	dir := repository(t, "github-actions/deploy.yml", ".github/workflows/deploy.yml")
	args, env := onGitHub(t, env)
	out, code := execute(t, dir, env, "go", args...)
	const passed = "verdict=passed reason="
	if code != 0 || !strings.Contains(out, "| "+passed+"\n") {
		t.Fatalf("a good version: exit code %d\n%s", code, out)
	}
	if !strings.Contains(string(read(t, "github-actions/README.md")), "\n"+passed+"\n") {
		t.Errorf("github-actions/README.md does not show %q", passed)
	}

	deploy(t, dir, "quickstart/image-missing.yaml")
	out, code = execute(t, dir, env, "go", args...)
	for _, want := range []string{
		"verdict=failed reason=ImageNotFound",
		"::error file=deploy/web.yaml,line=29,title=ImageNotFound in deployment/web::",
		"exit status 10",
	} {
		if code == 0 || !strings.Contains(out, want) {
			t.Errorf("a bad version: exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
}

// onGitHub are the arguments of go by which act runs a workflow, and its environment.
func onGitHub(t *testing.T, env []string) (args, acts []string) {
	t.Helper()
	action, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	args = []string{
		"run", act, "push", "-P", "ubuntu-latest=-self-hosted", "--no-cache-server", "--action-offline-mode",
		"--local-repository", "rolloutgate/rolloutgate@v0.1.0=" + action,
	}
	for _, name := range []string{"KUBECONFIG", "ROLLOUTGATE_NAMESPACE", "GOCACHE", "GOMODCACHE", "GOPATH"} {
		args = append(args, "--env", name+"="+value(env, name))
	}
	args = append(args, "--env", "ROLLOUTGATE_GRACE=ImageNotFound=5s")
	return args, append(slices.Clip(env), "HOME="+t.TempDir(), "XDG_CACHE_HOME=", "GOFLAGS=")
}

// TestGitLab runs the job with gitlab-ci-local.
func TestGitLab(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("gitlab-ci-local"); err != nil {
		if os.Getenv("CI_FRONTENDS") == "required" {
			t.Fatal(err)
		}
		t.Skip("gitlab-ci-local is not installed; .ci/run does it")
	}
	env := environment(t)
	dir := repository(t, "gitlab-ci/.gitlab-ci.yml", ".gitlab-ci.yml")
	args := []string{"--force-shell-executor", "--home", t.TempDir()}
	for _, name := range []string{"KUBECONFIG", "ROLLOUTGATE_NAMESPACE", "PATH"} {
		args = append(args, "--variable", name+"="+value(env, name))
	}
	out, code := execute(t, dir, env, "gitlab-ci-local", append(args, "deploy")...)
	const last = "rolloutgate: passed (exit 0): deployment/web is complete"
	if code != 0 || !strings.Contains(out, last) {
		t.Errorf("exit code %d\n%s", code, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "rolloutgate-report/report.json")); err != nil {
		t.Errorf("the artifact is missing: %v", err)
	}
	if !strings.Contains(string(read(t, "gitlab-ci/README.md")), "\n"+last+"\n") {
		t.Errorf("gitlab-ci/README.md does not show %q", last)
	}
	if !strings.Contains(out, "Running after script") || strings.Contains(out, "has come to its end") {
		t.Errorf("after_script does more than see that the job has succeeded:\n%s", out)
	}
}

// TestCancelledGitLab ends the script of the job as a runner does that cancels it: with a signal, and with another one when
// that was in vain. after_script follows in a shell of its own.
func TestCancelledGitLab(t *testing.T) {
	t.Parallel()
	var file struct {
		Deploy struct {
			Variables   map[string]string
			Script      []string
			AfterScript []string `yaml:"after_script"`
		}
	}
	if err := yaml.Unmarshal(read(t, "gitlab-ci/.gitlab-ci.yml"), &file); err != nil {
		t.Fatal(err)
	}
	env := environment(t)
	for name, value := range file.Deploy.Variables {
		env = append(env, name+"="+value)
	}
	dir := repository(t, "gitlab-ci/.gitlab-ci.yml", ".gitlab-ci.yml")
	deploys, after := script(t, strings.Join(file.Deploy.Script, "\n")), script(t, strings.Join(file.Deploy.AfterScript, "\n"))
	if out, code := execute(t, dir, env, "sh", "-e", deploys); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	deploy(t, dir, "quickstart/never-ready.yaml")
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		interrupted(t, dir, env, signal, "sh", "-e", deploys)
		putsBack(t, dir, env, "(verified)", "sh", "-e", after)
		isNot(t, env, "no-such-page")
	}
}

// TestCancelledAction sends what a GitHub runner sends when a job is cancelled, to the process that it started and to
// no other. Ten seconds later it kills it, and then comes the step that puts back what is left.
func TestCancelledAction(t *testing.T) {
	t.Parallel()
	var action struct {
		Runs struct{ Steps []struct{ ID, Run string } }
	}
	if err := yaml.Unmarshal(read(t, "../action.yml"), &action); err != nil {
		t.Fatal(err)
	}
	scripts := map[string][]string{}
	for _, s := range action.Runs.Steps {
		scripts[s.ID] = []string{"--noprofile", "--norc", "-e", "-o", "pipefail", script(t, s.Run)}
	}
	reports := filepath.Join(t.TempDir(), "reports")
	env := slices.Clip(append(environment(t), "BINARY="+filepath.Join(bin, "rolloutgate"),
		"ROLLOUTGATE_REPORT_DIR="+reports, "ROLLOUTGATE_UNFINISHED="+reports))
	good, bad := append(env, "ROLLOUTGATE_FILENAME=good.yaml"), append(env, "ROLLOUTGATE_FILENAME=never-ready.yaml")
	putsBack(t, "quickstart", env, "no run has begun", "bash", scripts["undo"]...)
	if out, code := execute(t, "quickstart", good, "bash", scripts["run"]...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	putsBack(t, "quickstart", env, "has come to its end (passed)", "bash", scripts["undo"]...)

	out, code := interrupted(t, "quickstart", bad, syscall.SIGINT, "bash", scripts["run"]...)
	if code != 130 || !strings.HasPrefix(lastLine(out), "rolloutgate: cancelled (exit 130)") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	isNot(t, env, "no-such-page")
	putsBack(t, "quickstart", env, "(verified)", "bash", scripts["undo"]...)

	interrupted(t, "quickstart", bad, syscall.SIGKILL, "bash", scripts["run"]...)
	putsBack(t, "quickstart", env, "deployment/web is back at the previous version (verified)", "bash", scripts["undo"]...)
	isNot(t, env, "no-such-page")
	putsBack(t, "quickstart", env, "no run has begun", "bash", scripts["undo"]...)
}

// script is a file with a shell script.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "script.sh")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// putsBack runs the step after a killed run, which succeeds and ends with these words.
func putsBack(t *testing.T, dir string, env []string, words string, name string, args ...string) {
	t.Helper()
	if out, code := execute(t, dir, env, name, args...); code != 0 || !strings.Contains(lastLine(out), words) {
		t.Errorf("the step that puts back what is left does not end with %q: exit code %d\n%s", words, code, out)
	}
}

// isNot makes sure that a text is not in the Deployment any more.
func isNot(t *testing.T, env []string, text string) {
	t.Helper()
	live, code := execute(t, ".", env, "kubectl", "get", "deployment", "web", "-n", value(env, "ROLLOUTGATE_NAMESPACE"), "-o", "yaml")
	if code != 0 || strings.Contains(live, text) {
		t.Errorf("the new version was left in place:\n%s", live)
	}
}

// command is one command of a README, and how it ends there.
type command struct {
	line, last string
	exit       int
}

var exitCode = regexp.MustCompile(`\(exit (\d+)\)`)

// sessions reads the blocks that begin with ```console. A line with "$ " is a command, and the last line before the
// next one is the last line of its output; what stands before it is not compared, nor is a command without any.
func sessions(t *testing.T, path string) []command {
	t.Helper()
	var commands []command
	inside := false
	for line := range strings.Lines(string(read(t, path))) {
		line = strings.TrimRight(line, "\n")
		switch text, isCommand := strings.CutPrefix(line, "$ "); {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case inside && isCommand:
			commands = append(commands, command{line: text})
		case inside && line != "":
			c := &commands[len(commands)-1]
			c.last, c.exit = line, 0
			if code := exitCode.FindStringSubmatch(line); code != nil {
				c.exit, _ = strconv.Atoi(code[1])
			}
		}
	}
	return commands
}

// environment is one in which rolloutgate works in a namespace of its own.
func environment(t *testing.T) []string {
	t.Helper()
	name := "example-" + regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(t.Name()), "-") +
		"-" + strconv.FormatInt(time.Now().UnixMilli()%1e8, 36)
	if out, err := exec.Command("kubectl", "create", "namespace", name).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("kubectl", "delete", "namespace", name, "--wait=false").Run() })
	env := os.Environ()
	for _, ci := range []string{"CI", "GITHUB_ACTIONS", "GITLAB_CI", "JENKINS_URL", "TF_BUILD", "BUILDKITE"} {
		env = append(env, ci+"=") // these tests say themselves which one it is
	}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPATH"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		env = append(env, name+"="+strings.TrimSpace(string(out)))
	}
	return append(env, "ROLLOUTGATE_NAMESPACE="+name, "DEMO_NAMESPACE="+name, "HELM_NAMESPACE="+name, "PATH="+bin+":"+os.Getenv("PATH")+":"+built)
}

func value(env []string, name string) string {
	var last string
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			last = v
		}
	}
	return last
}

// repository is a project with one file of a CI system, and good manifests in deploy/.
func repository(t *testing.T, from, to string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, to)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Mkdir(filepath.Join(dir, "deploy"), 0o755)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, read(t, from), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "init", "--quiet", "--initial-branch=main")
	git(t, dir, "remote", "add", "origin", "https://example.com/shop/web.git")
	deploy(t, dir, "quickstart/good.yaml")
	return dir
}

// deploy commits a manifest as deploy/web.yaml.
func deploy(t *testing.T, dir, from string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, "deploy/web.yaml"), read(t, from), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, dir, "add", ".")
	git(t, dir, "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--quiet", "--message="+from)
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if out, code := execute(t, dir, os.Environ(), "git", args...); code != 0 {
		t.Fatalf("git %s: %s", strings.Join(args, " "), out)
	}
}

// execute returns what a program printed, and its exit code.
func execute(t *testing.T, dir string, env []string, name string, args ...string) (string, int) {
	t.Helper()
	c, out := start(t, dir, env, name, args...)
	return wait(t, c, out)
}

// interrupted sends a signal once the rollout has begun. The program must end by itself before a runner's patience does.
func interrupted(t *testing.T, dir string, env []string, signal os.Signal, name string, args ...string) (string, int) {
	t.Helper()
	c, out := start(t, dir, env, name, args...)
	time.Sleep(5 * time.Second)
	if err := c.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(7500*time.Millisecond, func() { c.Process.Kill() })
	defer timer.Stop()
	return wait(t, c, out)
}

func start(t *testing.T, dir string, env []string, name string, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	out := new(bytes.Buffer)
	c.Dir, c.Env, c.Stdout, c.Stderr, c.WaitDelay = dir, env, out, out, 10*time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, out
}

func wait(t *testing.T, c *exec.Cmd, out *bytes.Buffer) (string, int) {
	t.Helper()
	var exit *exec.ExitError
	if err := c.Wait(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", c, err, out)
	}
	return out.String(), c.ProcessState.ExitCode()
}

func lastLine(out string) string {
	out = strings.TrimRight(out, "\n")
	return out[strings.LastIndex(out, "\n")+1:]
}
