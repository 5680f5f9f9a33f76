package main

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// ciSystem is a CI system, as far as its log differs from a terminal: one file of this package, ci_….go, and one row of
// ciSystems.
type ciSystem struct {
	// name is its value of --ci.
	name string
	// detect looks for the variable by which the system introduces itself.
	detect func(getenv func(string) string) bool
	// colors says whether its log viewer is known to show them.
	colors bool
	// pipeline says which job this is, for other runs and for people; nil: the system does not tell.
	pipeline func(getenv func(string) string) record.Pipeline
	// log makes the log of a step out of a writer; nil: it is a log like any other.
	log func(w io.Writer, getenv func(string) string) ciLog
}

// ciLog is the log of a step, and what the system keeps beside it. What a system does not know is nil.
type ciLog struct {
	text   io.Writer // takes what is printed
	folder report.Folder
	// mask hides values in the log. It is called before any text that could have them.
	mask func(values []string) error
	// finish tells the system the result, when only the last line is left to print. reportJSON is the path of the JSON
	// report, empty when none was written.
	finish func(r gate.Report, reportJSON string) error
}

// reportFiles are the files of a run's reports.
type reportFiles struct {
	dir   string            // empty: none were written
	paths map[string]string // by the names of the formats
}

// filesBeside are the report files in the folder of the JSON report, which is always there when any is.
func filesBeside(reportJSON string) reportFiles {
	if reportJSON == "" {
		return reportFiles{}
	}
	files := reportFiles{dir: filepath.Dir(reportJSON), paths: map[string]string{}}
	for _, f := range report.Formats() {
		path := filepath.Join(files.dir, f.File)
		if info, err := os.Stat(path); f.File != "" && err == nil && info.Mode().IsRegular() {
			files.paths[f.Name] = path
		}
	}
	return files
}

// ciSystems are those that are known, in the order in which they are looked for. The agents of Jenkins may run inside of
// another system, and most systems set the variable of the last row, too.
func ciSystems() []ciSystem {
	return []ciSystem{githubActions(), gitlabCI(), azurePipelines(), buildkite(), jenkins(), anyCI()}
}

// The values of --ci that are no system.
const (
	ciAuto = "auto"
	ciNone = "none"
)

func (p *program) ciSystems() []ciSystem { return append(p.moreCI, ciSystems()...) }

// anyCI is a system that says no more than CI=true.
func anyCI() ciSystem {
	return ciSystem{name: "generic", detect: func(getenv func(string) string) bool {
		return getenv("CI") != "" && getenv("CI") != "0" && !strings.EqualFold(getenv("CI"), "false")
	}}
}

// ciNames are the values of --ci.
func ciNames(systems []ciSystem) []string {
	names := []string{ciAuto, ciNone}
	for _, s := range systems {
		names = append(names, s.name)
	}
	return names
}

// detectCI finds the system that runs this process; its name is none where there is no such thing.
func detectCI(systems []ciSystem, getenv func(string) string) ciSystem {
	for _, s := range systems {
		if s.detect(getenv) {
			return s
		}
	}
	return ciSystem{name: ciNone}
}

// parseCI reads the value of --ci; auto and nothing mean detection.
func parseCI(value string, systems []ciSystem, getenv func(string) string) (ciSystem, error) {
	switch value {
	case "", ciAuto:
		return detectCI(systems, getenv), nil
	case ciNone:
		return ciSystem{name: ciNone}, nil
	}
	for _, s := range systems {
		if s.name == value {
			return s, nil
		}
	}
	return ciSystem{}, oneOf("ci", value, ciNames(systems)...)
}

// secretLines are the values for a system that hides them in its log. It hides line by line, because it compares with single
// lines; very short lines are left alone: without every "1" no log can be read.
func secretLines(values []string) []string {
	var lines []string
	for _, value := range values {
		for line := range strings.Lines(value) {
			if line = strings.TrimSpace(line); len(line) >= 4 {
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}
