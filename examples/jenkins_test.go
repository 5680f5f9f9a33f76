//go:build cluster

package examples_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// jenkinsSteps is as much of Jenkins as a pipeline of the examples sees, in the language in which Jenkins reads it: stages and
// post, steps that say what they were asked for, and sh, which runs a shell as an agent does. A step that no plugin brings
// is the error that Jenkins makes of it.
const jenkinsSteps = `
abstract class Jenkins extends Script {
  static Map variables = [:]
  static List stack = []
  static boolean failed = false
  static File workspace
  static File vars
  static List plugins

  def getEnv() { new Environment() }
  def sh(String script) { sh(script: script) }
  def sh(Map given) {
    def file = File.createTempFile('step', '.sh')
    file.text = given.script
    def builder = new ProcessBuilder(['sh', '-xe', file.path]).directory(workspace).redirectErrorStream(true)
    (variables.collect { k, v -> "$k=$v".toString() } + stack.flatten()).each { entry ->
      def parts = entry.split('=', 2)
      builder.environment().put(parts[0], parts[1])
    }
    def process = builder.start()
    new File(workspace, 'sh.pid').text = process.pid() + ' ' + given.script
    process.inputStream.eachLine { println it }
    int code = process.waitFor()
    if (given.returnStatus) return code
    if (code != 0) { throw new Exception("script returned exit code $code") }
  }
  def withEnv(List entries, Closure body) { stack << entries.collect { it.toString() }; try { body() } finally { stack.pop() } }
  def withCredentials(List entries, Closure body) { withEnv(entries, body) }
  def file(Map given) { println "[credential] $given.credentialsId"; given.variable + '=' + System.getenv('KUBECONFIG') }
  def string(Map given) { println "[credential] $given.credentialsId"; given.variable + '=' + System.getenv('CREDENTIAL') }
  def echo(text) { println text }
  def error(text) { throw new Exception(text.toString()) }
  def fileExists(path) { new File(workspace, path.toString()).exists() }
  def readFile(path) { new File(workspace, path.toString()).text }
  def archiveArtifacts(Map given) { println "[archive] $given.artifacts" }
  def checkout(ignored) {}
  def script(Closure body) { body() }
  def node(Closure body) { body() }
  def input(Map given) {
    println "[input] $given.message"
    if (System.getenv('ANSWER') != 'yes') { throw new Exception('rejected') }
  }

  def pipeline(Closure body) { section(body) }
  def agent(ignored) {}
  def options(Closure ignored) {}
  def stages(Closure body) {
    try { section(body) } catch (Exception e) { failed = true; println "[failed] $e.message" }
  }
  def stage(String name, Closure body) { println "[stage] $name"; section(body) }
  def steps(Closure body) { section(body) }
  def post(Closure body) { section(body) }
  def unsuccessful(Closure body) { if (failed) { section(body) } }
  def always(Closure body) { section(body) }
  def section(Closure body) { body.resolveStrategy = Closure.DELEGATE_FIRST; body.delegate = this; body() }
  def propertyMissing(String name) { name }
  def methodMissing(String name, given) {
    if (name in plugins) { println "[$name] " + given[0]; return }
    def step = new File(vars, name + '.groovy')
    if (!step.exists()) { throw new NoSuchMethodError("No such DSL method '$name' found among steps") }
    Main.parse(step.text).invokeMethod('call', given)
  }
}

class Environment {
  def propertyMissing(String name) { Jenkins.variables[name] }
  def propertyMissing(String name, value) { Jenkins.variables[name] = value }
}

class Main {
  static parse(String text) {
    def configuration = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: 'Jenkins')
    new GroovyShell(Jenkins.classLoader, new Binding(), configuration).parse(text)
  }
}

Jenkins.vars = new File(args[0]); Jenkins.workspace = new File(args[1]); Jenkins.plugins = args[2].tokenize(',')
try {
  Main.parse(new File(args[3]).text.replace("@Library('rolloutgate') _", '')).run()
} catch (Exception e) { Jenkins.failed = true; println "[failed] $e.message" }
System.exit(Jenkins.failed ? 1 : 0)
`

// jenkins runs a Jenkinsfile. The plugins have commas between them.
func jenkins(t *testing.T, workspace string, env []string, plugins, file string) *exec.Cmd {
	t.Helper()
	groovy, err := exec.LookPath("groovy")
	if err != nil {
		if os.Getenv("CI_FRONTENDS") == "required" {
			t.Fatal(err)
		}
		t.Skip("groovy is not installed; .ci/run does it")
	}
	steps := filepath.Join(t.TempDir(), "jenkins.groovy")
	vars, err := filepath.Abs("jenkins/vars")
	if err = errors.Join(err, os.WriteFile(steps, []byte(jenkinsSteps), 0o644)); err != nil {
		t.Fatal(err)
	}
	file, err = filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	os.Remove(filepath.Join(workspace, "sh.pid"))
	c := exec.CommandContext(t.Context(), groovy, steps, vars, workspace, plugins, file)
	c.Dir, c.Env, c.WaitDelay = workspace, env, 10*time.Second
	return c
}

// played is what a build prints, and whether it is green.
func played(t *testing.T, c *exec.Cmd) (string, bool) {
	t.Helper()
	out, err := c.CombinedOutput()
	return string(out), err == nil
}

// aborted ends the shell step that runs these words with a signal, as Jenkins signals every process of a build. Not before the
// workspace has a file, so that there is something to end.
func aborted(t *testing.T, c *exec.Cmd, words string, ready func() bool, signal syscall.Signal) (string, bool) {
	t.Helper()
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		said, _ := os.ReadFile(filepath.Join(c.Dir, "sh.pid"))
		pid, script, _ := strings.Cut(string(said), " ")
		if strings.Contains(script, words) && ready() {
			if n, err := strconv.Atoi(pid); err != nil || syscall.Kill(n, signal) != nil {
				t.Fatalf("no process to signal: %q, %v", pid, err)
			}
			break
		}
		if time.Now().After(until) {
			c.Process.Kill()
			t.Fatalf("the step with %q does not begin:\n%s", words, out.String())
		}
	}
	err := c.Wait()
	return out.String(), err == nil
}

// program is a rolloutgate that notes what it is called with, and ends as it is told.
func program(t *testing.T, script string) (env []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rolloutgate"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "ROLLOUTGATE_") {
			env = append(env, entry)
		}
	}
	return append(env, "PATH="+dir+":"+os.Getenv("PATH"), "KUBECONFIG=/etc/kube/config")
}

const notes = `echo "called: $* with $(env | grep ^ROLLOUTGATE_ | sort | tr '\n' ' ')KUBECONFIG=$KUBECONFIG"
mkdir -p "$ROLLOUTGATE_REPORT_DIR" && echo 7QK2M5XWZA >"$ROLLOUTGATE_REPORT_DIR/run-id" && touch "$ROLLOUTGATE_REPORT_DIR/report.html"
`

func TestJenkinsStep(t *testing.T) {
	t.Parallel()
	const all = "junit,publishHTML"
	const run = "called: run with ROLLOUTGATE_FILENAME=deploy/ ROLLOUTGATE_REPORT_DIR=rolloutgate-report ROLLOUTGATE_TIMEOUT=10m KUBECONFIG=/etc/kube/config\n"
	const undo = "called: undo --unfinished rolloutgate-report with "
	const published = "[archive] rolloutgate-report/**\n[junit] [testResults:rolloutgate-report/report.junit.xml, allowEmptyResults:true, skipMarkingBuildUnstable:true]\n[publishHTML] "
	for name, c := range map[string]struct {
		program, plugins string
		green            bool
		says, lacks      []string
	}{
		"passed":             {notes, all, true, []string{"[credential] kubeconfig", run, published}, []string{undo}},
		"failed":             {notes + `test "$1" = undo || exit 10`, all, false, []string{run, undo, published, "[failed] script returned exit code 10"}, nil},
		"failed and stuck":   {notes + "exit 20", all, false, []string{run, undo, published, "[failed] script returned exit code 20"}, nil},
		"without plugins":    {notes, "", true, []string{run, "the plugin JUnit is not installed", "the plugin HTML Publisher is not installed"}, nil},
		"without any report": {"echo hello", all, true, []string{"hello", "[archive]"}, []string{"publishHTML"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, green := played(t, jenkins(t, t.TempDir(), program(t, c.program), c.plugins, "jenkins/Jenkinsfile"))
			at := 0
			for _, words := range c.says {
				next := strings.Index(out[at:], words)
				if next < 0 {
					t.Fatalf("green: %t; there is no %q, or not where it belongs, in\n%s", green, words, out)
				}
				at += next
			}
			for _, words := range c.lacks {
				if strings.Contains(out, words) {
					t.Errorf("there is %q in\n%s", words, out)
				}
			}
			if green != c.green {
				t.Errorf("the build is green: %t\n%s", green, out)
			}
		})
	}
}

// TestJenkinsParameters: what a build brings along is never a part of a script.
func TestJenkinsParameters(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "Jenkinsfile")
	text := `rolloutgate filename: ['a b.yaml', 'c.yaml'], undoTimeout: '2m', check: "x <= 1; \$(touch owned) '", credentialsId: '', reportDir: 'r 1'`
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	workspace := t.TempDir()
	out, green := played(t, jenkins(t, workspace, program(t, `printf '<%s>\n' "$@" "$ROLLOUTGATE_FILENAME" "$ROLLOUTGATE_UNDO_TIMEOUT" "$ROLLOUTGATE_CHECK" "$ROLLOUTGATE_REPORT_DIR"`), "junit", file))
	const want = "<run>\n<a b.yaml\nc.yaml>\n<2m>\n<x <= 1; $(touch owned) '>\n<r 1>\n"
	if !green || !strings.Contains(out, want) || strings.Contains(out, "[credential]") {
		t.Errorf("green: %t\n%s", green, out)
	}
	if _, err := os.Stat(filepath.Join(workspace, "owned")); err == nil {
		t.Error("a parameter was run")
	}
	if err := os.WriteFile(file, []byte("rolloutgate command: 'run; rm -rf'"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, green := played(t, jenkins(t, workspace, program(t, notes), "junit", file)); green || strings.Contains(out, "called") {
		t.Errorf("green: %t\n%s", green, out)
	}
}

// TestJenkinsScriptsHaveNoText: in single quotes Groovy puts nothing into a script, neither a secret nor what a stranger wrote.
func TestJenkinsScriptsHaveNoText(t *testing.T) {
	for _, path := range []string{"jenkins/vars/rolloutgate.groovy", "jenkins/Jenkinsfile", "approval/Jenkinsfile"} {
		for _, call := range regexp.MustCompile(`(?m)^\s*sh\b.*$`).FindAllString(string(read(t, path)), -1) {
			if !regexp.MustCompile(`^\s*sh (script: )?'exec rolloutgate [^']*'(, returnStatus: true)?$`).MatchString(call) {
				t.Errorf("%s: %s", path, call)
			}
		}
	}
}

func TestJenkinsApproval(t *testing.T) {
	t.Parallel()
	const canary, resume, undo = "called: run with ROLLOUTGATE_CANARY=25% ", "called: resume 7QK2M5XWZA with ", "called: undo 7QK2M5XWZA with "
	for answer, c := range map[string]struct{ says, lacks string }{"yes": {resume, undo}, "no": {undo, resume}} {
		out, green := played(t, jenkins(t, t.TempDir(), append(program(t, notes), "ANSWER="+answer), "junit,publishHTML", "approval/Jenkinsfile"))
		if green != (answer == "yes") || !strings.Contains(out, canary) || !strings.Contains(out, c.says) || strings.Contains(out, c.lacks) {
			t.Errorf("the answer is %s; green: %t\n%s", answer, green, out)
		}
	}
}

// TestJenkinsAbort: the shell of the step becomes the program, so the signal reaches it and nothing else has to end first.
func TestJenkinsAbort(t *testing.T) {
	t.Parallel()
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		dir := t.TempDir()
		script := notes + `test "$1" = undo && exit; trap 'echo heard; exit 143' TERM; touch begun; while :; do sleep 0.1; done`
		begun := func() bool { _, err := os.Stat(filepath.Join(dir, "begun")); return err == nil }
		out, green := aborted(t, jenkins(t, dir, program(t, script), "junit", "jenkins/Jenkinsfile"), "GATE_COMMAND", begun, signal)
		if green || strings.Contains(out, "heard") != (signal == syscall.SIGTERM) || !strings.Contains(out, "called: undo --unfinished") || !strings.Contains(out, "[junit]") {
			t.Errorf("%s: green: %t\n%s", signal, green, out)
		}
	}
}
