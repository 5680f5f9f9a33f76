package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/sethvargo/go-githubactions"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// githubActions has commands in its log: groups, masks and annotations. It keeps outputs and a summary beside it.
func githubActions() ciSystem {
	return ciSystem{
		name: "github", colors: true,
		detect: func(getenv func(string) string) bool { return getenv("GITHUB_ACTIONS") == "true" },
		pipeline: func(getenv func(string) string) record.Pipeline {
			p := record.Pipeline{Commit: getenv("GITHUB_SHA"), Actor: getenv("GITHUB_ACTOR")}
			if repository, id := getenv("GITHUB_REPOSITORY"), getenv("GITHUB_RUN_ID"); repository != "" && id != "" {
				p.URL = orDefault(getenv("GITHUB_SERVER_URL"), "https://github.com") + "/" + repository + "/actions/runs/" + id
			}
			return p
		},
		log: func(w io.Writer, getenv func(string) string) ciLog {
			g := newGitHub(w, getenv)
			return ciLog{text: g, folder: g, mask: g.mask, finish: g.finish}
		},
	}
}

// github is the log of a GitHub Actions step, and the files beside it.
//
// A runner obeys commands (::error::…) wherever they appear in the output, also when a container of the cluster wrote
// them. Therefore all text goes through Write, which makes the runner deaf until the next command of our own. Every
// silence has a token of its own: the last one has been seen in the log by now.
//
// Write and mask may be called from any goroutine.
type github struct {
	w      io.Writer
	getenv func(string) string
	action *githubactions.Action

	mu      sync.Mutex
	token   string // ends the present silence; empty while the runner obeys
	open    bool   // a group is open
	midLine bool   // the last text did not end its line
	ended   bool   // text is no longer protected
}

// What GitHub keeps of one step: ten annotations of each level, shared by all parts of a composite action, and a summary
// of 1 MiB, of which it drops all when it is larger.
const (
	maxAnnotations = 5
	maxSummary     = 1<<20 - 1<<10
)

func newGitHub(w io.Writer, getenv func(string) string) *github {
	return &github{
		w: w, getenv: getenv,
		action: githubactions.New(githubactions.WithWriter(w), githubactions.WithGetenv(getenv)),
	}
}

// Write prints text in which the runner must not find commands.
func (g *github) Write(p []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.token == "" && !g.ended {
		token := rand.Text() // 130 bits
		if err := recovered(func() {
			g.action.IssueCommand(&githubactions.Command{Name: "stop-commands", Message: token})
		}); err != nil {
			return 0, err
		}
		g.token = token
	}
	n, err := g.w.Write(p)
	if n > 0 {
		g.midLine = p[n-1] != '\n'
	}
	return n, err
}

// command ends the silence and issues commands, which are recognised only at the beginning of a line.
func (g *github) command(issue func(*githubactions.Action)) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return recovered(func() {
		if g.midLine {
			g.action.Infof("")
			g.midLine = false
		}
		if g.token != "" {
			g.action.IssueCommand(&githubactions.Command{Name: g.token})
			g.token = ""
		}
		issue(g.action)
	})
}

// recovered turns the panics of the library, which stand for failed writes, into errors: a closed pipe must not end a
// run that has something to undo.
func recovered(f func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case runtime.Error:
			panic(p)
		case error:
			err = fmt.Errorf("writing to GitHub Actions: %w", p)
		default:
			panic(p)
		}
	}()
	f()
	return nil
}

// Open begins a group that the reader of the log may unfold. Groups do not nest, so it ends the one before.
func (g *github) Open(title string) {
	g.Close()
	g.open = g.command(func(a *githubactions.Action) { a.Group(flat(title)) }) == nil
}

// Close ends the group.
func (g *github) Close() {
	if g.open {
		// A log that cannot be written says so again at the next line.
		_ = g.command(func(a *githubactions.Action) { a.EndGroup() })
		g.open = false
	}
}

// mask asks the runner to hide values, as a second net below our own redaction.
func (g *github) mask(values []string) error {
	return g.command(func(a *githubactions.Action) {
		for _, line := range secretLines(values) {
			a.AddMask(line)
		}
	})
}

// finish tells GitHub the result: annotations, summary and outputs. After it text is printed unprotected; only the last
// line of a run, which begins with our name, is left to print.
func (g *github) finish(r gate.Report, reportJSON string) error {
	err := errors.Join(g.annotate(r), g.summarize(r), g.output(r, filesBeside(reportJSON)))
	g.ended = true
	return errors.Join(err, g.command(func(*githubactions.Action) {}))
}

// annotate puts the causes on the lines of the manifests. Groups are closed first, or the errors would be hidden in one.
func (g *github) annotate(r gate.Report) error {
	all := report.Annotations(r)
	g.Close()
	return g.command(func(a *githubactions.Action) {
		for _, note := range all[:min(len(all), maxAnnotations)] {
			a.WithFieldsMap(g.fields(note)).Errorf("%s", note.Message)
		}
		if rest := len(all) - maxAnnotations; rest > 0 {
			a.Noticef("rolloutgate: %d more in the summary of this step", rest)
		}
	})
}

// fields are the properties of an annotation. GitHub finds files by their path in the repository; of one elsewhere
// (standard input, the output of a render step) it is told nothing.
func (g *github) fields(note report.Annotation) map[string]string {
	fields := map[string]string{"title": note.Title}
	if path := inWorkspace(note.File, orDefault(g.getenv("GITHUB_WORKSPACE"), repositoryRoot())); path != "" {
		fields["file"] = path
		if note.Line > 0 {
			fields["line"] = strconv.Itoa(note.Line)
		}
	}
	return fields
}

// repositoryRoot is the folder at or above the working directory that has a .git, or else the working directory.
func repositoryRoot() string {
	here, err := os.Getwd()
	if err != nil {
		return ""
	}
	for dir := here; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return here
		}
	}
}

// inWorkspace is the path of a file relative to the workspace, empty when it is not below it.
func inWorkspace(file, workspace string) string {
	if file == "" || file == "-" || workspace == "" {
		return ""
	}
	absolute, err := filepath.Abs(file)
	if err != nil {
		return ""
	}
	// The workspace may be a link, and the working directory its target.
	if real, err := filepath.EvalSymlinks(absolute); err == nil {
		absolute = real
	}
	if real, err := filepath.EvalSymlinks(workspace); err == nil {
		workspace = real
	}
	path, err := filepath.Rel(workspace, absolute)
	if err != nil || !filepath.IsLocal(path) || strings.ContainsFunc(path, unicode.IsControl) {
		return ""
	}
	return filepath.ToSlash(path)
}

// gitHubToken asks GitHub for tokens of the job, which say to an API server what repository, branch and environment it runs
// for. Errors have nothing of a token, nor of the answer.
func gitHubToken(getenv func(string) string, audience string) (ask func(context.Context) (string, error), err error) {
	if getenv("ACTIONS_ID_TOKEN_REQUEST_URL") == "" || getenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN") == "" {
		return nil, &usageError{"--github-oidc-audience without a job of GitHub Actions that may ask for tokens", "give the job 'permissions: {id-token: write}'"}
	}
	action := githubactions.New(githubactions.WithWriter(io.Discard), githubactions.WithGetenv(getenv))
	return func(ctx context.Context) (string, error) {
		var refused *githubactions.RequestFailedError
		for attempt := 1; ; attempt++ {
			token, err := action.GetIDToken(ctx, audience)
			switch {
			case err == nil && token != "":
				return token, nil
			case err == nil:
				err = errors.New("the answer has no token")
			case errors.As(err, &refused):
				err = fmt.Errorf("HTTP status %d", refused.StatusCode)
			}
			if attempt == tokenAttempts {
				return "", fmt.Errorf("asking GitHub for a token of the job: %w", err)
			}
			select {
			case <-time.After(time.Duration(attempt) * time.Second):
			case <-ctx.Done():
				return "", fmt.Errorf("asking GitHub for a token of the job: %w", err)
			}
		}
	}, nil
}

// tokenAttempts is how often GitHub is asked for one token.
const tokenAttempts = 3
