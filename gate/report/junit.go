package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// JUnit writes the report as test results, in the dialect that Jenkins, GitLab, Azure Pipelines, Buildkite and CircleCI all
// read: one flat suite whose cases have a class and a name that stay the same from run to run. Text is escaped character
// data. What nobody could judge is an error, what the run did not come to is skipped.
func JUnit(w io.Writer, r gate.Report) error {
	suite := suiteOf(r)
	all := junitSuites{
		Name: "rolloutgate", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors, Time: suite.Time,
		Suites: []junitSuite{suite},
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err == nil {
		_, err = io.WriteString(w, xml.Header+string(text)+"\n")
	}
	if err != nil {
		return fmt.Errorf("writing the report as JUnit: %w", err)
	}
	return nil
}

// suiteOf are the results of one report.
func suiteOf(r gate.Report) junitSuite {
	suite := junitSuite{
		Name:       oneLine("rolloutgate " + r.Run.Command + " " + r.Run.Namespace),
		Timestamp:  r.Run.Started.UTC().Format("2006-01-02T15:04:05"),
		Time:       junitSeconds(r.Run.Finished.Sub(r.Run.Started)),
		Properties: junitProperties(r),
		Cases:      junitCases(r),
	}
	for _, c := range suite.Cases {
		suite.Tests++
		switch {
		case c.Failure != nil:
			suite.Failures++
		case c.Error != nil:
			suite.Errors++
		case c.Skipped != nil:
			suite.Skipped++
		}
	}
	return suite
}

// junitSuites is the root of the file.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Timestamp  string          `xml:"timestamp,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Time    string       `xml:"time,attr"`
	File    string       `xml:"file,attr,omitempty"`
	Line    int          `xml:"line,attr,omitempty"`
	Skipped *junitResult `xml:"skipped"`
	Error   *junitResult `xml:"error"`
	Failure *junitResult `xml:"failure"`
	Output  *junitOutput `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",innerxml"` // escaped
}

// junitResult is why a case has not passed: in one line, which Jenkins shows, and in full, which GitLab shows.
type junitResult struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",innerxml"` // escaped
}

// junitText is escaped character data whose lines stay lines: the encoder would write a line end as a character reference.
func junitText(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // writing to memory does not fail
	return strings.ReplaceAll(b.String(), "&#xA;", "\n")
}

func junitProperties(r gate.Report) []junitProperty {
	all := []junitProperty{
		{"verdict", r.Exit.Name}, {"exit-code", strconv.Itoa(r.Exit.Code)}, {"state", r.Exit.State},
		{"run", r.Run.ID}, {"command", r.Run.Command}, {"namespace", r.Run.Namespace}, {"context", r.Run.Context},
		{"version", r.Run.Version}, {"commit", r.Run.Pipeline.Commit}, {"actor", r.Run.Pipeline.Actor}, {"pipeline", r.Run.Pipeline.URL},
	}
	if explains(r) {
		all = append(all, junitProperty{"cause", r.Findings[0].Code})
	}
	if r.Undo != nil {
		all = append(all, junitProperty{"undo", string(r.Undo.Result)})
	}
	var known []junitProperty
	for _, p := range all {
		if p.Value = oneLine(p.Value); p.Value != "" {
			known = append(known, p)
		}
	}
	return known
}

func junitSeconds(d time.Duration) string {
	return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 3, 64)
}
