package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// CI is the system that runs this process, as far as its log differs from a terminal.
type CI string

// The values of --ci, besides auto. Generic is a system that says no more than CI=true.
const (
	ciNone      CI = "none"
	ciGitHub    CI = "github"
	ciGitLab    CI = "gitlab"
	ciAzure     CI = "azure"
	ciBuildkite CI = "buildkite"
	ciJenkins   CI = "jenkins"
	ciGeneric   CI = "generic"
)

// detectCI asks for the variable by which each system introduces itself. Jenkins comes after the others because its
// agents may run inside of them, and the general CI comes last because most of them set it too.
func detectCI(getenv func(string) string) CI {
	switch {
	case getenv("GITHUB_ACTIONS") == "true":
		return ciGitHub
	case getenv("GITLAB_CI") != "":
		return ciGitLab
	case strings.EqualFold(getenv("TF_BUILD"), "true"):
		return ciAzure
	case getenv("BUILDKITE") == "true":
		return ciBuildkite
	case getenv("JENKINS_URL") != "":
		return ciJenkins
	case getenv("CI") != "" && getenv("CI") != "0" && !strings.EqualFold(getenv("CI"), "false"):
		return ciGeneric
	}
	return ciNone
}

// parseCI reads the value of --ci; auto and nothing mean detection.
func parseCI(value string, getenv func(string) string) (CI, error) {
	switch ci := CI(value); ci {
	case "", "auto":
		return detectCI(getenv), nil
	case ciNone, ciGitHub, ciGitLab, ciAzure, ciBuildkite, ciJenkins, ciGeneric:
		return ci, nil
	}
	return "", fmt.Errorf("reading --ci: %q is none of auto, none, github, gitlab, azure, buildkite, jenkins, generic", value)
}

// rendersColor says whether the log viewer of a system is known to understand colours. Jenkins needs a plugin for it.
func (c CI) rendersColor() bool {
	switch c {
	case ciGitHub, ciGitLab, ciAzure, ciBuildkite:
		return true
	}
	return false
}

// parseColor reads the value of --color. With auto the environment decides (NO_COLOR, then CLICOLOR_FORCE and
// FORCE_COLOR), then whether w is a terminal or the log of a CI system that shows colours.
func parseColor(value string, getenv func(string) string, ci CI, w io.Writer) (bool, error) {
	switch value {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "", "auto":
	default:
		return false, fmt.Errorf("reading --color: %q is none of auto, always, never", value)
	}
	forced := func(name string) bool { v := getenv(name); return v != "" && v != "0" && v != "false" }
	switch {
	case getenv("NO_COLOR") != "":
		return false, nil
	case forced("CLICOLOR_FORCE"), forced("FORCE_COLOR"):
		return true, nil
	case ci != ciNone:
		return ci.rendersColor(), nil
	}
	return isTerminal(w) && getenv("TERM") != "dumb", nil
}

// isLive says whether progress may be redrawn in place: on a real terminal that a person looks at.
func isLive(getenv func(string) string, ci CI, w io.Writer) bool {
	return ci == ciNone && detectCI(getenv) == ciNone && getenv("TERM") != "dumb" && isTerminal(w)
}

func isTerminal(w io.Writer) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// terminalWidth is 100 where there is no terminal to ask: Jenkins and small windows wrap longer lines.
func terminalWidth(w io.Writer) int {
	if f := fileOf(w); f != nil {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return 100
}

// fileOf is the file that w writes to, nil when it is none.
func fileOf(w io.Writer) *os.File {
	if o, ok := w.(*outlet); ok {
		w = o.w
	}
	f, _ := w.(*os.File)
	return f
}

// folder returns what marks collapsible parts in the log that w leads to, nil where nothing does.
func folder(ci CI, w io.Writer) report.Folder {
	switch ci {
	case ciGitHub:
		if g, ok := w.(*github); ok {
			return g
		}
	case ciGitLab:
		return &sections{w: w}
	}
	return nil
}

// sections are the collapsible parts of a GitLab log.
type sections struct {
	w io.Writer
	n int
}

// Open begins a section that is folded until somebody clicks on it.
func (s *sections) Open(title string) {
	s.n++
	s.mark("start", "[collapsed=true]", flat(title))
}

// Close ends the section.
func (s *sections) Close() { s.mark("end", "", "") }

// mark writes a marker. A failure to write is not lost: whatever is written next to the same log reports it.
func (s *sections) mark(word, option, title string) {
	fmt.Fprintf(s.w, "\x1b[0Ksection_%s:%d:rolloutgate_%d%s\r\x1b[0K%s\n", word, time.Now().Unix(), s.n, option, title)
}
