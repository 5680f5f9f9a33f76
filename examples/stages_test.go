//go:build cluster

package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

func rolloutgate() string { return filepath.Join(bin, "rolloutgate") }

// TestCanaryWorkflow runs the workflow with the times of the sandbox: a good version goes through all stages, and a bad one
// ends in the first.
func TestCanaryWorkflow(t *testing.T) {
	t.Parallel()
	env := environment(t)
	dir := repository(t, "canary/deploy.yml", ".github/workflows/deploy.yml")
	if err := os.WriteFile(filepath.Join(dir, "rolloutgate.yaml"), read(t, "canary/sandbox.yaml"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := execute(t, "canary", env, rolloutgate(), "run", "-f", "web.yaml", "--config", "sandbox.yaml"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	args, acts := onGitHub(t, env)
	args = append(args, "--var", "PROMETHEUS_URL="+value(env, "ROLLOUTGATE_PROMETHEUS_URL"))
	deploy(t, dir, "canary/next.yaml")
	out, code := execute(t, dir, acts, "go", args...)
	for _, want := range []string{"(stage canary 25%)", "(stage canary 50%)", "(stage promote)", "| verdict=passed reason=\n"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("a good version: exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
	deploy(t, dir, "canary/failing.yaml")
	out, code = execute(t, dir, acts, "go", args...)
	if code == 0 || !strings.Contains(out, "verdict=criteria reason=CriterionBreached") || strings.Contains(out, "(stage canary 50%)") {
		t.Errorf("a bad version does not end in the first canary: exit code %d\n%s", code, out)
	}
	isNot(t, env, "--random-error")
}

// TestFailedSmokeTest: a release that its smoke test refuses leaves no Service pinned.
func TestFailedSmokeTest(t *testing.T) {
	t.Parallel()
	env := append(environment(t), "VERSION=6.9.0")
	run := func(file string) (string, int) {
		return execute(t, "blue-green", env, rolloutgate(), "run", "-f", file, "--config", "sandbox.yaml")
	}
	if out, code := run("web.yaml"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	out, code := run("next.yaml")
	for _, want := range []string{"service/web-preview  pinned to the new pods", "StageTestFailed", "podinfo:6.9.1, and not 6.9.0"} {
		if code != 10 || !strings.Contains(out, want) {
			t.Errorf("exit code %d, and there is no %q in\n%s", code, want, out)
		}
	}
	isNot(t, env, "podinfo:6.9.1")
	services, code := execute(t, ".", env, "kubectl", "get", "services", "-n", value(env, "ROLLOUTGATE_NAMESPACE"), "-o", "jsonpath={.items[*].spec.selector}")
	if code != 0 || strings.Count(services, "web") != 2 || strings.Contains(services, "pod-template-hash") {
		t.Errorf("a Service is pinned: %s", services)
	}
}

// gitlabJob is what a runner does of a job.
type gitlabJob struct {
	Variables   map[string]string
	Script      []string
	AfterScript []string `yaml:"after_script"`
}

// play does what a runner does: the script, and after it the other one in a shell of its own.
func (j gitlabJob) play(t *testing.T, dir string, env []string, exit int, words string) {
	t.Helper()
	for name, value := range j.Variables {
		env = append(env, name+"="+value)
	}
	env = append(env, "ROLLOUTGATE_HOLD=3s")
	out, code := execute(t, dir, env, "sh", "-e", script(t, strings.Join(j.Script, "\n")))
	if code != exit || !strings.Contains(out, words) {
		t.Fatalf("exit code %d, and not %d with %q\n%s", code, exit, words, out)
	}
	j.after(t, dir, env, map[bool]string{true: "success", false: "failed"}[code == 0])
}

// after is what follows when the script has ended, however it did.
func (j gitlabJob) after(t *testing.T, dir string, env []string, status string) {
	t.Helper()
	if len(j.AfterScript) == 0 {
		return
	}
	out, code := execute(t, dir, append(env, "CI_JOB_STATUS="+status), "sh", "-e", script(t, strings.Join(j.AfterScript, "\n")))
	if code != 0 {
		t.Fatalf("after_script: exit code %d\n%s", code, out)
	}
}

// TestApprovalGitLab plays the jobs one after the other, as people click them.
func TestApprovalGitLab(t *testing.T) {
	t.Parallel()
	var file struct{ Canary, Release, Reject gitlabJob }
	if err := yaml.Unmarshal(read(t, "approval/.gitlab-ci.yml"), &file); err != nil {
		t.Fatal(err)
	}
	env := environment(t)
	const old, next = "podinfo:6.9.0", "podinfo:6.9.1"
	pipeline := func(manifest string) string {
		dir := repository(t, "approval/.gitlab-ci.yml", ".gitlab-ci.yml")
		deploy(t, dir, manifest)
		return dir
	}
	first := pipeline("approval/web.yaml")
	file.Canary.play(t, first, env, 0, "deployment/web is complete") // there is nothing yet that a few pods could be beside
	file.Release.play(t, first, env, 0, "has ended already (passed)")

	released := pipeline("approval/next.yaml")
	file.Canary.play(t, released, env, 0, "rolloutgate: parked (exit 0)")
	file.Canary.play(t, pipeline("approval/web.yaml"), env, 3, "is parked: its first stages are live")
	file.Release.play(t, released, env, 0, "deployment/web is complete")
	file.Reject.play(t, released, env, 0, "has come to its end (continued)") // the wrong click after a release
	isNot(t, env, old)

	rejected := pipeline("approval/web.yaml")
	file.Canary.play(t, rejected, env, 0, "rolloutgate: parked (exit 0)")
	file.Reject.play(t, rejected, env, 0, "deployment/web is back at the previous version (verified)")
	isNot(t, env, old)

	cancelled := append(env, "ROLLOUTGATE_HOLD=1m")
	for name, value := range file.Canary.Variables {
		if name != "ROLLOUTGATE_HOLD" {
			cancelled = append(cancelled, name+"="+value)
		}
	}
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		interrupted(t, rejected, cancelled, signal, "sh", "-e", script(t, strings.Join(file.Canary.Script, "\n")))
		file.Canary.after(t, rejected, env, "canceled")
		isNot(t, env, old)
	}
}

// githubStep is one of a job: a command, or the action.
type githubStep struct {
	Name, Uses, Run string
	With            map[string]string
}

// TestApprovalGitHub plays the steps of the jobs that have something to do with the cluster.
func TestApprovalGitHub(t *testing.T) {
	t.Parallel()
	var file struct {
		Jobs map[string]struct{ Steps []githubStep }
	}
	if err := yaml.Unmarshal(read(t, "approval/deploy.yml"), &file); err != nil {
		t.Fatal(err)
	}
	env := environment(t)
	dir := repository(t, "approval/deploy.yml", ".github/workflows/deploy.yml")
	outputs := filepath.Join(t.TempDir(), "outputs")
	play := func(job, step string, more ...string) string {
		t.Helper()
		env := append(slices.Clip(env), "GITHUB_OUTPUT="+outputs)
		for _, s := range file.Jobs[job].Steps {
			if s.Name != step {
				continue
			}
			if s.Uses != "" {
				s.Run, env = "exec rolloutgate run", append(env, "GITHUB_ACTIONS=true", "GITHUB_WORKSPACE="+dir)
				for name, value := range s.With {
					env = append(env, "ROLLOUTGATE_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"="+value)
				}
			}
			out, code := execute(t, dir, append(env, more...), "bash", "-e", script(t, s.Run))
			if code != 0 {
				t.Fatalf("%s: exit code %d\n%s", step, code, out)
			}
			return out
		}
		t.Fatalf("there is no step %q in the job %s", step, job)
		return ""
	}
	canary := func(manifest, verdict string) (run string) {
		t.Helper()
		deploy(t, dir, manifest)
		os.Remove(outputs)
		play("canary", "Release to a few", "ROLLOUTGATE_HOLD=3s")
		play("canary", "Tell the next jobs which run it is")
		said := string(read(t, outputs))
		found := regexp.MustCompile(`(?m)^run=(\w+)$`).FindStringSubmatch(said)
		if found == nil || !regexp.MustCompile(`(?m)^`+verdict+`$`).MatchString(said) {
			t.Fatalf("the outputs do not say that the run is %s, and which one:\n%s", verdict, said)
		}
		return "RUN=" + found[1]
	}
	canary("approval/web.yaml", "passed")
	run := canary("approval/next.yaml", "parked")
	if out := play("release", "Go on with the rest", run); !strings.Contains(out, "deployment/web is complete") {
		t.Errorf("the rest does not follow:\n%s", out)
	}
	if out := play("release", "Put back what a killed run left"); !strings.Contains(out, "has come to its end (passed)") {
		t.Errorf("a release is taken back:\n%s", out)
	}
	isNot(t, env, "podinfo:6.9.0")
	run = canary("approval/web.yaml", "parked")
	if out := play("take-back", "Take the canary back", run); !strings.Contains(out, "deployment/web is back at the previous version (verified)") {
		t.Errorf("the canary is not taken back:\n%s", out)
	}
	isNot(t, env, "podinfo:6.9.0")
}

// TestApprovalInOneJob gives the answers of the README from a second process.
func TestApprovalInOneJob(t *testing.T) {
	t.Parallel()
	lines := regexp.MustCompile("(?s)```sh\n(.*?)\n(.*?)\n(.*?)\n```").FindStringSubmatch(string(read(t, "approval/README.md")))
	if lines == nil {
		t.Fatal("the README has no three commands for one job")
	}
	env := environment(t)
	dir := repository(t, "approval/deploy.yml", ".github/workflows/deploy.yml")
	for _, c := range []struct {
		manifest, answer, last string
		code                   int
	}{
		{"approval/next.yaml", lines[2], "rolloutgate: passed (exit 0): deployment/web is complete", 0},
		{"approval/web.yaml", lines[3], "rolloutgate: rejected (exit 14): deployment/web is back at the previous version (verified)", 14},
	} {
		if c.code == 0 {
			if out, code := execute(t, "approval", env, rolloutgate(), "run", "-f", "web.yaml"); code != 0 {
				t.Fatalf("exit code %d\n%s", code, out)
			}
		}
		deploy(t, dir, c.manifest)
		running, said := start(t, dir, env, "sh", "-c", "exec "+lines[1])
		for until := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
			out, code := execute(t, dir, env, "sh", "-c", c.answer)
			if code == 0 {
				break
			}
			if time.Now().After(until) {
				t.Fatalf("%s: exit code %d\n%s", c.answer, code, out)
			}
		}
		if out, code := wait(t, running, said); code != c.code || lastLine(out) != c.last {
			t.Errorf("%s: exit code %d\n%s", c.answer, code, out)
		}
	}
	isNot(t, env, "podinfo:6.9.0")
}
