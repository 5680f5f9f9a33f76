package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
)

// The files beside the reports that a job hands to GitLab as artifacts:reports:dotenv and artifacts:reports:annotations.
const (
	gitlabVariables = "gitlab.env"
	gitlabLinks     = "gl-annotations.json"
)

// What GitLab takes of them at most, unless its administrator allows more: it drops a file that has more, and with it the
// whole report.
const (
	maxGitlabVariables = 20
	maxGitlabBytes     = 5 << 10
	maxGitlabLabel     = 255
)

// gitlabPrefix begins the names of the variables. It is not that of the flags: a later job of the pipeline gets these
// variables, and would take ROLLOUTGATE_UNDO=verified for --undo.
const gitlabPrefix = "GATE_"

// docsURL is where the pages of this project are for those who have only its output.
const docsURL = "https://github.com/rolloutgate/rolloutgate/blob/main/docs/"

// gitlabFiles writes what GitLab reads when a job has ended.
type gitlabFiles struct{ getenv func(string) string }

// finish writes the files of a job that releases. What puts a killed run back says nothing new about the release.
func (g gitlabFiles) finish(r gate.Report, reportJSON string) error {
	files := filesBeside(reportJSON)
	if files.dir == "" || r.Run.Command == "undo" {
		return nil
	}
	links, err := json.MarshalIndent(g.links(r, files), "", "  ")
	if err != nil {
		return fmt.Errorf("writing the links for GitLab: %w", err)
	}
	return errors.Join(
		g.write(files.dir, gitlabVariables, []byte(gitlabDotenv(r))),
		g.write(files.dir, gitlabLinks, append(links, '\n')),
	)
}

func (gitlabFiles) write(dir, name string, data []byte) error {
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
		return fmt.Errorf("writing a report for GitLab: %w", err)
	}
	return nil
}

// gitlabDotenv are the results as variables for later jobs: words of closed vocabularies, numbers and names that Kubernetes
// has checked. GitLab refuses a file with an empty line, and a variable without a value says no more than one that is not
// there.
func gitlabDotenv(r gate.Report) string {
	var text strings.Builder
	all := append(outputs(r, reportFiles{}), stepOutput{"run", word(r.Run.ID, "-")})
	for _, o := range all[:min(len(all), maxGitlabVariables)] {
		line := gitlabVariable(o.name) + "=" + o.value + "\n"
		if o.value != "" && text.Len()+len(line) <= maxGitlabBytes {
			text.WriteString(line)
		}
	}
	return text.String()
}

// gitlabVariable is the name of an output as a variable.
func gitlabVariable(output string) string {
	return gitlabPrefix + strings.ToUpper(strings.ReplaceAll(output, "-", "_"))
}

// gitlabLink is an entry of a report of annotations.
type gitlabLink struct {
	ExternalLink struct {
		Label string `json:"label"`
		URL   string `json:"url"`
	} `json:"external_link"`
}

// links are what the page of the job points to: the report as a page, the results as tests, and what the cause means.
func (g gitlabFiles) links(r gate.Report, files reportFiles) map[string][]gitlabLink {
	list := []gitlabLink{}
	add := func(label, link string) {
		u, err := url.Parse(link)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return
		}
		u.User = nil
		var entry gitlabLink
		entry.ExternalLink.Label, entry.ExternalLink.URL = label[:min(len(label), maxGitlabLabel)], u.String()
		list = append(list, entry)
	}
	job := g.getenv("CI_JOB_URL")
	for _, name := range []string{"html", "markdown", "json"} { // the first one that a browser shows best
		if page := inWorkspace(files.paths[name], g.getenv("CI_PROJECT_DIR")); page != "" && job != "" {
			add("rolloutgate: the report", job+"/artifacts/file/"+(&url.URL{Path: page}).EscapedPath())
			break
		}
	}
	if pipeline := g.getenv("CI_PIPELINE_URL"); pipeline != "" && files.paths["junit"] != "" {
		add("rolloutgate: results as tests", pipeline+"/test_report")
	}
	if r.Exit.Code != 0 && len(r.Findings) > 0 {
		if code := word(r.Findings[0].Code, ""); code != "" {
			add("rolloutgate: what "+code+" means", docsURL+"causes.md#"+strings.ToLower(code))
		}
	}
	return map[string][]gitlabLink{"rolloutgate": list}
}
