package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-githubactions"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// step is a fake step: its log and its files.
type step struct {
	*github
	log       bytes.Buffer
	workspace string
}

func newStep(t *testing.T) *step {
	dir := t.TempDir()
	s := &step{workspace: dir}
	s.github = newGitHub(&s.log, environment(map[string]string{
		"GITHUB_WORKSPACE":    dir,
		"GITHUB_OUTPUT":       filepath.Join(dir, "output"),
		"GITHUB_STEP_SUMMARY": filepath.Join(dir, "summary"),
	}))
	return s
}

func (s *step) read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.workspace, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// runner is what GitHub's runner makes of a log: the commands that it obeys, and the lines that it shows.
func runner(log string) (commands, shown []string) {
	command := regexp.MustCompile(`^\s*::([^ :]+)[^:]*(?::[^:]+)*?::(.*)$`)
	token := ""
	for line := range strings.Lines(log) {
		line = strings.TrimSuffix(line, "\n")
		m := command.FindStringSubmatch(line)
		switch {
		case token != "" && m != nil && m[1] == token:
			token = ""
		case token == "" && m != nil && m[1] == "stop-commands":
			token = m[2]
		case token == "" && m != nil:
			commands = append(commands, line)
		default:
			shown = append(shown, line)
		}
	}
	return commands, shown
}

func failedReport(findings ...diagnosis.Finding) gate.Report {
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	started := time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)
	return gate.Report{
		Run:       gate.Run{Command: "run", Started: started, Finished: started.Add(58 * time.Second)},
		Exit:      gate.Exit{Code: 10, Name: "failed", State: "deployment/web is back at its previous version (verified)"},
		Workloads: []rollout.Status{{Ref: web, Phase: rollout.Failed, Watched: true}},
		Findings:  findings,
		Undo:      &gate.Undo{Result: gate.UndoVerified},
	}
}

func imageFinding() diagnosis.Finding {
	return diagnosis.Finding{
		Code: "ImageNotFound", Cause: "The image web:2 does not exist.", Fix: []string{"Push it."},
		Object:   diagnosis.Subject{Ref: manifest.Ref{Kind: "Pod", Name: "web-1"}},
		Workload: manifest.Ref{Group: "apps", Kind: "Deployment", Name: "web"},
		File:     "deploy/web.yaml", Line: 32,
	}
}

func TestClusterTextIsNotObeyed(t *testing.T) {
	s := newStep(t)
	evil := "::error::owned\n  ::add-mask::a\n::stop-commands::x\n::x::\n::set-output name=a::b\nno line end ::error::"
	fmt.Fprint(s, evil)
	s.Open("title\n::error::owned")
	fmt.Fprint(s, evil)
	s.Close()
	fmt.Fprint(s, evil)
	if err := s.finish(failedReport(imageFinding()), ""); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(s, "rolloutgate: failed (exit 10): …")

	commands, shown := runner(s.log.String())
	if len(commands) != 3 || commands[0] != "::group::title ::error::owned" || commands[1] != "::endgroup::" ||
		!strings.HasPrefix(commands[2], "::error ") {
		t.Errorf("the runner obeys %q", commands)
	}
	if last := shown[len(shown)-1]; last != "rolloutgate: failed (exit 10): …" || !strings.HasSuffix(s.log.String(), last+"\n") {
		t.Errorf("the last line is %q", last)
	}
	if n := strings.Count(s.log.String(), "owned"); n != 3+1 {
		t.Errorf("%d lines of text arrived:\n%s", n, s.log.String())
	}
}

func TestTokensAreLongAndUsedOnce(t *testing.T) {
	s := newStep(t)
	for range 50 {
		fmt.Fprintln(s, "text")
		if err := s.command(func(*githubactions.Action) {}); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	for _, m := range regexp.MustCompile(`::stop-commands::(\S+)`).FindAllStringSubmatch(s.log.String(), -1) {
		if len(m[1]) < 26 || seen[m[1]] { // 26 characters of base 32 are 130 bits
			t.Errorf("the token %q is short or was used before", m[1])
		}
		seen[m[1]] = true
	}
	if len(seen) != 50 {
		t.Errorf("%d tokens for 50 silences", len(seen))
	}
}

func TestAnnotations(t *testing.T) {
	s := newStep(t)
	first := imageFinding()
	first.File = filepath.Join(s.workspace, "deploy", "web.yaml")
	first.Cause = "100% of the pods,\nfail: ::error::"
	stdin := imageFinding()
	stdin.File = "-"
	outside := imageFinding()
	outside.File = "/elsewhere/web.yaml"
	context := imageFinding()
	context.Terminal = diagnosis.TerminalContext
	findings := []diagnosis.Finding{first, stdin, outside, imageFinding(), context}
	s.Open("a group")
	if err := s.annotate(failedReport(findings...)); err != nil {
		t.Fatal(err)
	}
	commands, _ := runner(s.log.String())
	const title = "title=ImageNotFound in deployment/web::"
	const rest = "%0AFix: Push it.%0Adeployment/web is back at its previous version (verified)"
	want := []string{
		"::group::a group",
		"::endgroup::",
		"::error file=deploy/web.yaml,line=32," + title + "100%25 of the pods,%0Afail: ::error::%0AFix: Push it.%0A" +
			"1 more cause: ImageNotFound on pod/web-1; 1 more remark: ImageNotFound on pod/web-1%0A" +
			"deployment/web is back at its previous version (verified)",
		"::error " + title + "The image web:2 does not exist." + rest,
		"::error " + title + "The image web:2 does not exist." + rest,
	}
	if diff := cmp.Diff(want, commands); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
}

// TestAnnotationsAreCounted: GitHub shows ten of a step at most, and criteria are many.
func TestAnnotationsAreCounted(t *testing.T) {
	s := newStep(t)
	r := failedReport()
	for range maxAnnotations + 2 {
		r.Criteria = append(r.Criteria, analysis.Result{Name: "errors", Verdict: analysis.Fail})
	}
	if err := s.annotate(r); err != nil {
		t.Fatal(err)
	}
	commands, _ := runner(s.log.String())
	if n := len(commands); n != maxAnnotations+1 || commands[n-1] != "::notice::rolloutgate: 2 more in the summary of this step" {
		t.Errorf("annotations: %q", commands)
	}
}

func TestNoAnnotationsWhenPassed(t *testing.T) {
	s := newStep(t)
	r := failedReport(imageFinding())
	r.Exit = gate.Exit{Name: "passed", State: "fine"}
	if err := s.finish(r, ""); err != nil {
		t.Fatal(err)
	}
	if s.log.Len() > 0 {
		t.Errorf("a run that passed prints %q", s.log.String())
	}
}

func TestInWorkspace(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"app/web.yaml", "web.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(filepath.Join(dir, "app"))
	for _, test := range []struct{ file, workspace, want string }{
		{"web.yaml", dir, "app/web.yaml"},
		{"../web.yaml", dir, "web.yaml"},
		{"web.yaml", link, "app/web.yaml"},
		{filepath.Join(link, "web.yaml"), dir, "web.yaml"},
		{"../../x.yaml", dir, ""},
		{"-", dir, ""},
		{"", dir, ""},
		{"web.yaml", "", ""},
	} {
		if got := inWorkspace(test.file, test.workspace); got != test.want {
			t.Errorf("inWorkspace(%q, %q) = %q, want %q", test.file, test.workspace, got, test.want)
		}
	}
}

// TestPathsInRepository: without a workspace, an annotation points to a file by its path in the repository.
func TestPathsInRepository(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(dir, "app")
	if err := os.MkdirAll(filepath.Join(app, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(app)
	g := newGitHub(&bytes.Buffer{}, environment(nil))
	for _, root := range []string{app, dir} {
		if root == dir {
			if err := os.Mkdir(filepath.Join(dir, ".git"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		want, err := filepath.Rel(root, filepath.Join(app, "deploy", "web.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"deploy/web.yaml", filepath.Join(app, "deploy", "web.yaml")} {
			if got := g.fields(report.Annotation{File: file})["file"]; got != want {
				t.Errorf("%s: got %q, want %q", file, got, want)
			}
		}
	}
}

func TestOutputs(t *testing.T) {
	s := newStep(t)
	if err := s.output(failedReport(imageFinding()), reportFiles{"report", map[string]string{"json": "report/report.json", "html": "report/report.html"}}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	entry := regexp.MustCompile(`(?s)^([a-z-]+)<<(rolloutgate_[A-Z2-7]{26,})\n(.*?)\n(rolloutgate_[A-Z2-7]+)\n`)
	text := s.read(t, "output")
	for text != "" {
		m := entry.FindStringSubmatch(text)
		if m == nil || m[2] != m[4] {
			t.Fatalf("not an output: %q", text)
		}
		got[m[1]], text = m[3], text[len(m[0]):]
	}
	want := map[string]string{
		"verdict": "failed", "exit-code": "10", "reason": "ImageNotFound", "undo": "verified", "failed-kind": "Deployment",
		"failed-name": "web", "duration-seconds": "58", "report-dir": "report",
		"report-json": "report/report.json", "report-html": "report/report.html", "report-junit": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestOutputsHoldWords(t *testing.T) {
	r := failedReport(imageFinding())
	r.Exit.Name = "failed\nverdict=passed"
	r.Undo.Result = "$(rm -rf /)"
	r.Findings[0].Code = "`id`"
	r.Findings[0].Workload = manifest.Ref{Kind: "A B", Name: "x;y"}
	for _, o := range outputs(r, reportFiles{"a\nb", map[string]string{"json": "a\nb", "html": "a\rb"}}) {
		if o.name != "exit-code" && o.name != "duration-seconds" && o.value != "" {
			t.Errorf("the output %s is %q", o.name, o.value)
		}
	}
}

func TestSummary(t *testing.T) {
	s := newStep(t)
	path := filepath.Join(s.workspace, "summary")
	for _, test := range []struct {
		name        string
		before      int
		want, lacks string
	}{
		{"first", 0, "### Why: `ImageNotFound`", "is full"},
		{"nearly full", maxSummary - 300, "**rolloutgate: failed (exit 10)** The summary", "### Why"},
		{"full", maxSummary, "", "rolloutgate"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("x"), test.before), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := s.summarize(failedReport(imageFinding())); err != nil {
				t.Fatal(err)
			}
			text := s.read(t, "summary")
			if !strings.Contains(text, test.want) || strings.Contains(text, test.lacks) || len(text) > 1<<20 {
				t.Errorf("the summary has %d bytes and ends with %q", len(text), text[max(0, len(text)-300):])
			}
		})
	}
}

func TestMask(t *testing.T) {
	s := newStep(t)
	fmt.Fprint(s, "text")
	if err := s.mask([]string{"hunter22", "-----BEGIN KEY-----\r\nabc%def\nab\n\n", "hunter22", "1", ""}); err != nil {
		t.Fatal(err)
	}
	commands, _ := runner(s.log.String())
	want := []string{"::add-mask::-----BEGIN KEY-----", "::add-mask::abc%25def", "::add-mask::hunter22"}
	if diff := cmp.Diff(want, commands); diff != "" {
		t.Errorf("masks (-want +got):\n%s", diff)
	}
}

// brokenPipe fails every write.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestClosedLogIsAnError(t *testing.T) {
	g := newGitHub(brokenPipe{}, environment(map[string]string{"GITHUB_STEP_SUMMARY": "/no/such/dir/summary", "GITHUB_OUTPUT": "/no/such/dir/output"}))
	if _, err := g.Write([]byte("text")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Write: %v", err)
	}
	g.Open("group")
	g.Close()
	if err := g.mask([]string{"hunter22"}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("mask: %v", err)
	}
	err := g.finish(failedReport(imageFinding()), "")
	if !errors.Is(err, os.ErrClosed) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("finish: %v", err)
	}
}

func TestOldRunnersHaveNoFiles(t *testing.T) {
	var log bytes.Buffer
	g := newGitHub(&log, environment(nil))
	if err := g.finish(failedReport(imageFinding()), ""); err != nil {
		t.Error(err)
	}
}

// The whole ending of a run: a plan folded, the diagnosis not, the annotations before the last line.
func TestTextOnGitHub(t *testing.T) {
	s := newStep(t)
	r := failedReport(imageFinding())
	r.Run.Command = "plan"
	r.Changes = []gate.Change{{Object: r.Workloads[0].Ref, Action: "configured", Diff: "-a\n+b\n::error::owned\n"}}
	err := report.Text(s, r, report.Options{
		Fold:       s.github,
		BeforeLast: func() { s.finish(r, "") },
	})
	if err != nil {
		t.Fatal(err)
	}
	commands, shown := runner(s.log.String())
	if len(commands) != 3 || commands[0] != "::group::deployment/web configured" || commands[1] != "::endgroup::" {
		t.Errorf("the runner obeys %q", commands)
	}
	if last := shown[len(shown)-1]; last != report.LastLine(r) {
		t.Errorf("the last line is %q", last)
	}
	log := s.log.String()
	if strings.Index(log, "::endgroup::") > strings.Index(log, "━━ ImageNotFound") {
		t.Error("the diagnosis is folded")
	}
}

// TestGitHubToken asks a server that does what GitHub's does.
func TestGitHubToken(t *testing.T) {
	var asked []string
	trouble := []int{http.StatusBadGateway}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Query().Get("audience")+" "+r.URL.Query().Get("job")+" "+r.Header.Get("Authorization"))
		if len(trouble) > 0 {
			w.WriteHeader(trouble[0])
			fmt.Fprint(w, "::error::owned request-secret")
			trouble = trouble[1:]
			return
		}
		fmt.Fprint(w, `{"value": "a.b.c"}`)
	}))
	defer server.Close()
	getenv := environment(map[string]string{"ACTIONS_ID_TOKEN_REQUEST_URL": server.URL + "/token?job=7", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret"})
	ask, err := gitHubToken(getenv, "https://k8s.example/?a&b")
	if err != nil {
		t.Fatal(err)
	}
	token, err := ask(t.Context())
	if err != nil || token != "a.b.c" || len(asked) != 2 || asked[1] != "https://k8s.example/?a&b 7 Bearer request-secret" {
		t.Errorf("got %q, %v after asking for %q", token, err, asked)
	}
	trouble = []int{403, 403, 403}
	if _, err := ask(t.Context()); err == nil || err.Error() != "asking GitHub for a token of the job: HTTP status 403" {
		t.Errorf("refused: %v", err)
	}
}

// TestGitHubTokenNeedsPermission: a job that may not ask is told what it lacks.
func TestGitHubTokenNeedsPermission(t *testing.T) {
	var out bytes.Buffer
	p := &program{getenv: environment(map[string]string{"GITHUB_ACTIONS": "true"}), stdout: &out, stderr: &out}
	kubeconfig := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(kubeconfig, []byte("{apiVersion: v1, kind: Config, current-context: x, contexts: [{name: x, context: {cluster: x}}], clusters: [{name: x, cluster: {server: 'https://127.0.0.1:1'}}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	code := p.execute(t.Context(), []string{"run", "-f", root + "examples/quickstart/good.yaml", "--kubeconfig", kubeconfig, "--github-oidc-audience", "x"})
	if code != 2 || !strings.Contains(out.String(), "hint: give the job 'permissions: {id-token: write}'") {
		t.Errorf("exit code %d: %s", code, out.String())
	}
}
