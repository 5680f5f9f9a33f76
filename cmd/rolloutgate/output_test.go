package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// linesOf are the types of the events of NDJSON. Each line has to be an object.
func linesOf(t *testing.T, text string) (types []string) {
	t.Helper()
	for line := range strings.Lines(text) {
		var e struct {
			Time, Type, Name, Text string
			Data                   map[string]any
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Time == "" || e.Name == "" || e.Text == "" || e.Data == nil {
			t.Errorf("%q: %v", line, err)
		}
		types = append(types, e.Type)
	}
	return types
}

// TestEventsAreStreamed: whoever reads NDJSON has each event at once, people have the same on stderr, and the folder of the
// reports has it while the run goes on.
func TestEventsAreStreamed(t *testing.T) {
	var stdout, stderr bytes.Buffer
	p := &program{getenv: environment(nil), stdout: &stdout, stderr: &stderr}
	o := p.newOptions()
	o.output, o.reportDir = "ndjson", filepath.Join(t.TempDir(), "report")
	out, err := p.newOutput(o)
	if err != nil {
		t.Fatal(err)
	}
	r := failedReport(imageFinding())
	events := append([]gate.Event{r.Started()}, aRun()...)
	for i, e := range events {
		out.event(e)
		if n := strings.Count(stdout.String(), "\n"); n != i+1 {
			t.Fatalf("%d lines after %d events", n, i+1)
		}
	}
	if err := out.live[0].queue.drain(t.Context(), idlePatience); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(o.reportDir, "events.ndjson")
	if data, err := os.ReadFile(path); err != nil || string(data) != stdout.String() {
		t.Errorf("before the end the file has %q, %v", data, err)
	}
	out.console.close()
	out.print(r)
	types := linesOf(t, stdout.String())
	if len(types) != len(events)+1 || types[0] != "run-started" || types[len(types)-1] != "run-finished" || slices.Index(types, "run-started") != slices.Index(types, types[0]) {
		t.Errorf("the events are %v", types)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != stdout.String() {
		t.Errorf("the file has %q, %v", data, err)
	}
	for _, want := range []string{"deployment/web  configured", "rolloutgate: failed (exit 10)"} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("people do not read %q:\n%s", want, stderr.String())
		}
	}
	if strings.Contains(stderr.String(), "has begun") {
		t.Errorf("the beginning is a line for people, who see it:\n%s", stderr.String())
	}
}

// TestFolderThatCannotBeWritten: it costs one warning, and no event.
func TestFolderThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, filepath.Dir(file), "file", "")
	var stdout, stderr bytes.Buffer
	p := &program{getenv: environment(nil), stdout: &stdout, stderr: &stderr}
	o := p.newOptions()
	o.output, o.reportDir = "ndjson", filepath.Join(file, "report")
	out, err := p.newOutput(o)
	if err != nil {
		t.Fatal(err)
	}
	r := failedReport(imageFinding())
	for _, e := range append([]gate.Event{r.Started()}, aRun()...) {
		out.event(e)
	}
	out.console.close()
	out.print(r)
	if n := strings.Count(stderr.String(), "warning: writing the report: "); n != 1 {
		t.Errorf("%d warnings:\n%s", n, stderr.String())
	}
	if types := linesOf(t, stdout.String()); len(types) != len(aRun())+2 {
		t.Errorf("the events are %v", types)
	}
}

// TestUndoKeepsTheEvents: an undo that has nothing to do leaves the files of the run that it is about, and one that has
// replaces them.
func TestUndoKeepsTheEvents(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "events.ndjson", "of the run\n")
	for _, c := range []struct {
		undo *gate.Undo
		want string
	}{{nil, "of the run\n"}, {&gate.Undo{Result: gate.UndoVerified}, `"type":"run-finished"`}} {
		var stdout, stderr bytes.Buffer
		p := &program{getenv: environment(nil), stdout: &stdout, stderr: &stderr}
		o := p.newOptions()
		o.output, o.reportDir = "text", dir
		out, err := p.newOutput(o)
		if err != nil {
			t.Fatal(err)
		}
		r := gate.Report{SchemaVersion: gate.SchemaVersion, Run: gate.Run{Command: "undo"}, Undo: c.undo}
		for _, e := range []gate.Event{r.Started(), gate.NewEvent(r.Run.Started, manifest.Ref{}, gate.Trouble{Text: "slow"})} {
			out.event(e)
		}
		out.console.close()
		out.print(r)
		if data, err := os.ReadFile(filepath.Join(dir, "events.ndjson")); err != nil || !strings.Contains(string(data), c.want) {
			t.Errorf("the file has %q, %v; stderr %s", data, err, stderr.String())
		}
	}
}

// TestUnbegunIsTold: all who are told of a run hear of one that did not come to begin.
func TestUnbegunIsTold(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, ".", "broken.yaml", "a: [")
	var told []gate.Report
	listener := func(*options, func(string) string) (*sink, error) {
		return &sink{finish: func(_ context.Context, r gate.Report) error { told = append(told, r); return nil }}, nil
	}
	var stdout, stderr bytes.Buffer
	p := &program{getenv: environment(nil), stdout: &stdout, stderr: &stderr, moreSinks: []sinkKind{{name: "a listener", open: listener}}}
	if code := p.execute(t.Context(), []string{"run", "-f", "broken.yaml", "--kubeconfig", "none"}); code != 2 || stdout.Len() > 0 {
		t.Errorf("exit code %d, stdout %q", code, stdout.String())
	}
	if len(told) != 1 || told[0].Exit.Name != "invalid" || told[0].Exit.File != "broken.yaml" || told[0].Run.Command != "run" {
		t.Errorf("told %+v", told)
	}
	if want := "error: broken.yaml:"; strings.Count(stderr.String(), "\n") != 1 || !strings.HasPrefix(stderr.String(), want) {
		t.Errorf("stderr has %q, want one line that begins with %q", stderr.String(), want)
	}
}

// TestStreamsOfFormats: what is streamed of a run is the same as what is written of it, in every form that can be streamed.
func TestStreamsOfFormats(t *testing.T) {
	r := failedReport(imageFinding())
	for _, f := range report.Formats() {
		if f.Stream == nil {
			continue
		}
		var streamed, written bytes.Buffer
		s := f.Stream(&streamed)
		for _, e := range append([]gate.Event{r.Started()}, r.Timeline...) {
			if err := s.Event(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Finish(r); err != nil {
			t.Fatal(err)
		}
		if err := f.Write(&written, r, report.Options{}); err != nil {
			t.Fatal(err)
		}
		if streamed.String() != written.String() {
			t.Errorf("%s: streamed\n%s\nwritten\n%s", f.Name, streamed.String(), written.String())
		}
	}
}
