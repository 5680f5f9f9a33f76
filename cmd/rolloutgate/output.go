package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// output is where one run's words go.
type output struct {
	p       *program
	format  report.Format // of what is printed on stdout
	dir     string        // for reports in all formats; empty: none are written
	log     ciLog         // of what is printed for people
	people  io.Writer     // what that log leads to
	options report.Options
	console *console
	stream  report.Stream // of what is printed on stdout while the run goes on; nil: nothing is before its end
	live    []*liveFile   // of the files that are written meanwhile
}

func (p *program) newOutput(o *options) (*output, error) {
	systems := p.ciSystems()
	ci, err := parseCI(o.ci, systems, p.getenv)
	if err != nil {
		return nil, err
	}
	out := &output{p: p, dir: o.reportDir, people: p.stdout}
	formats := p.formats()
	n := slices.IndexFunc(formats, func(f report.Format) bool { return f.Name == o.output })
	if n < 0 {
		return nil, oneOf("output", o.output, formatNames(formats)...)
	}
	out.format = formats[n]
	if out.forMachine() {
		out.people = p.stderr
	}
	if out.format.Stream != nil {
		out.stream = out.format.Stream(p.stdout)
	}
	out.live = out.liveFiles()
	color, err := parseColor(o.color, p.getenv, ci, out.people)
	if err != nil {
		return nil, usage(err)
	}
	out.log = ciLog{text: out.people}
	if ci.log != nil {
		out.log = ci.log(out.people, p.getenv)
	}
	out.options = report.Options{Color: color, Width: terminalWidth(out.people), Fold: out.log.folder}
	var unread func() int
	if queue, ok := out.people.(*outlet); ok {
		unread = queue.waiting
	}
	shown := consoleOptions{Unread: unread, Color: color, Timeout: o.timeout}
	if isLive(p.getenv, ci, detectCI(systems, p.getenv), out.people) {
		shown.Live = liveOn(out.people, p.getenv, color, p.hidden)
	}
	out.console = newConsole(out.log.text, shown)
	return out, nil
}

// forMachine tells whether stdout is for a machine, and people read stderr.
func (out *output) forMachine() bool { return out.format.Name != out.p.formats()[0].Name }

// event shows what happened to people, and to the machine that reads stdout.
func (out *output) event(e gate.Event) {
	out.console.event(e)
	if out.stream != nil {
		out.warn(out.stream.Event(e))
	}
	for _, l := range out.live {
		l.event(e)
	}
}

// print renders the report. A rendering that fails must not hide the verdict, so its error is only told.
func (out *output) print(r gate.Report) {
	path := out.forMachines(r)
	options := out.options
	options.Dir = out.dir
	if out.log.finish != nil {
		options.BeforeLast = func() { out.warn(out.log.finish(r, path)) }
	}
	out.warn(report.Text(out.log.text, r, options))
	if queue, ok := out.people.(*outlet); ok && queue.failure() != nil && !out.forMachine() {
		fmt.Fprintln(out.p.stderr, report.LastLine(r)) // whoever has left stdout may still look there
	}
}

// printUnbegun renders the report of a run that did not come to begin, for machines only: a person has read the error.
func (out *output) printUnbegun(r gate.Report) {
	path := out.forMachines(r)
	if out.log.finish != nil {
		out.warn(out.log.finish(r, path))
	}
}

// forMachines writes the files and what a machine reads on stdout, and returns the path of the JSON file.
func (out *output) forMachines(r gate.Report) (reportJSON string) {
	path, err := out.files(r)
	out.warn(err)
	switch {
	case out.stream != nil:
		out.warn(out.stream.Finish(r))
	case out.forMachine():
		out.warn(out.format.Write(out.p.stdout, r, report.Options{}))
	}
	return path
}

func (out *output) warn(err error) {
	if several, joined := err.(interface{ Unwrap() []error }); joined {
		for _, one := range several.Unwrap() {
			out.warn(one)
		}
	} else if err != nil {
		fmt.Fprintf(out.p.stderr, "warning: %s\n", printable(err))
	}
}

// files writes the report to --report-dir in every format that is a file, and returns the path of the JSON file.
func (out *output) files(r gate.Report) (reportJSON string, err error) {
	if idle := r.Run.Command == "undo" && r.Undo == nil; out.dir == "" || idle {
		return "", nil // the reports that are there tell more than an undo with nothing to do
	}
	if err := os.MkdirAll(out.dir, 0o755); err != nil {
		return "", fmt.Errorf("writing the report: %w", err)
	}
	var errs []error
	written := map[string]bool{}
	for _, l := range out.live {
		whole, err := l.finish(r)
		written[l.path], errs = whole, append(errs, err)
	}
	for _, f := range out.p.formats() {
		path := filepath.Join(out.dir, f.File)
		if f.File == "" || written[path] {
			continue
		}
		if f.Has != nil && !f.Has(r) {
			errs = append(errs, removed(path)) // it would be that of another run
			continue
		}
		errs = append(errs, writeFile(path, r, f))
		if f.Name == "json" {
			reportJSON = path
		}
	}
	return reportJSON, errors.Join(errs...)
}

// removed makes sure that a file is not there.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// writeFile replaces the file in one step: whoever reads it while it is written sees the old one.
func writeFile(path string, r gate.Report, f report.Format) error {
	var b bytes.Buffer
	if err := f.Write(&b, r, report.Options{}); err != nil {
		return err
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
