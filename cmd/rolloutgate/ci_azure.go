package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// azurePipelines is Azure DevOps. It has commands in its log: groups, secrets, issues, variables and a summary.
func azurePipelines() ciSystem {
	return ciSystem{
		name: "azure", colors: true,
		detect: func(getenv func(string) string) bool { return strings.EqualFold(getenv("TF_BUILD"), "true") },
		pipeline: func(getenv func(string) string) record.Pipeline {
			p := record.Pipeline{Commit: getenv("BUILD_SOURCEVERSION"), Actor: getenv("BUILD_REQUESTEDFOR")}
			if host, project := getenv("SYSTEM_COLLECTIONURI"), getenv("SYSTEM_TEAMPROJECT"); host != "" && project != "" {
				p.URL = strings.TrimSuffix(host, "/") + "/" + url.PathEscape(project) + "/_build/results?buildId=" + getenv("BUILD_BUILDID")
			}
			return p
		},
		log: func(w io.Writer, getenv func(string) string) ciLog {
			a := &azure{w: w, getenv: getenv}
			return ciLog{text: a, folder: a, mask: a.mask, finish: a.finish}
		},
	}
}

// azure is the log of a step of Azure Pipelines.
//
// An agent obeys ##vso[…] wherever it stands in a line, also when a container of the cluster wrote it, and nothing switches that
// off. Therefore all text goes through Write, which takes such words apart.
//
// Write and mask may be called from any goroutine.
type azure struct {
	w      io.Writer
	getenv func(string) string

	mu      sync.Mutex
	tail    []byte // the end of what was written, as long as the longest prefix
	open    bool   // a group is open
	midLine bool   // the last text did not end its line
}

// azurePrefixes are what commands begin with, without their bracket, in lower case.
var azurePrefixes = [][]byte{[]byte("##vso"), []byte("##")}

// Write prints text in which the agent must not find commands. What it has to take apart may come in pieces.
func (a *azure) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var safe bytes.Buffer
	for _, c := range p {
		if c == '[' {
			for _, prefix := range azurePrefixes {
				if bytes.HasSuffix(bytes.ToLower(a.tail), prefix) {
					safe.WriteByte(' ')
					break
				}
			}
		}
		safe.WriteByte(c)
		a.tail = append(a.tail, c)
		a.tail = a.tail[max(0, len(a.tail)-len(azurePrefixes[0])):]
	}
	if len(p) > 0 {
		a.midLine = p[len(p)-1] != '\n'
	}
	if _, err := a.w.Write(safe.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// command prints a line that the agent obeys, or that its page knows.
func (a *azure) command(line string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.midLine {
		line = "\n" + line
	}
	a.midLine, a.tail = false, nil
	if _, err := io.WriteString(a.w, line+"\n"); err != nil {
		return fmt.Errorf("writing to Azure Pipelines: %w", err)
	}
	return nil
}

// azureData and azureValue escape what stands behind a command, and in its properties.
var (
	azureData  = strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A")
	azureValue = strings.NewReplacer("%", "%AZP25", "\r", "%0D", "\n", "%0A", ";", "%3B", "]", "%5D")
)

// vso is a command. The properties are names and values in turn; one without a value is left out.
func vso(command, data string, properties ...string) string {
	var list []string
	for i := 0; i+1 < len(properties); i += 2 {
		if properties[i+1] != "" {
			list = append(list, properties[i]+"="+azureValue.Replace(properties[i+1]))
		}
	}
	if len(list) > 0 {
		command += " " + strings.Join(list, ";")
	}
	return "##vso[" + command + "]" + azureData.Replace(data)
}

// Open begins a group that the reader of the log may unfold. Groups do not nest, so it ends the one before.
func (a *azure) Open(title string) {
	a.Close()
	a.open = a.command("##[group]"+flat(title)) == nil
}

// Close ends the group.
func (a *azure) Close() {
	if a.open {
		// A log that cannot be written says so again at the next line.
		_ = a.command("##[endgroup]")
		a.open = false
	}
}

// mask asks the agent to hide values, as a second net below our own redaction.
func (a *azure) mask(values []string) error {
	var errs []error
	for _, line := range secretLines(values) {
		errs = append(errs, a.command(vso("task.setsecret", line)))
	}
	return errors.Join(errs...)
}

// finish tells Azure the result: issues on the page of the run, the summary, and variables for later steps.
func (a *azure) finish(r gate.Report, reportJSON string) error {
	files := filesBeside(reportJSON)
	a.Close()
	var errs []error
	all := report.Annotations(r)
	for _, note := range all[:min(len(all), maxAnnotations)] {
		path, line := inWorkspace(note.File, orDefault(a.getenv("BUILD_SOURCESDIRECTORY"), repositoryRoot())), ""
		if path != "" && note.Line > 0 {
			line = strconv.Itoa(note.Line)
		}
		errs = append(errs, a.command(vso("task.logissue", note.Title+": "+note.Message, "type", "error", "sourcepath", path, "linenumber", line)))
	}
	if page := files.paths["markdown"]; page != "" {
		page, err := filepath.Abs(page)
		if err == nil {
			err = a.command(vso("task.uploadsummary", page))
		}
		errs = append(errs, err)
	}
	for _, o := range outputs(r, files) {
		errs = append(errs, a.command(vso("task.setvariable", o.value, "variable", fileKey(o.name), "isOutput", "true")))
	}
	return errors.Join(errs...)
}
