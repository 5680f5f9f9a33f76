package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// sink is where one run's words go.
type sink struct {
	p       *program
	o       *options
	console *console
	github  *github // nil elsewhere
	text    io.Writer
	color   bool
	fold    report.Folder
}

func (p *program) sink(o *options) (*sink, error) {
	ci, err := parseCI(o.ci, p.getenv)
	if err != nil {
		return nil, usage(err)
	}
	out := &sink{p: p, o: o, text: p.stdout}
	if o.output == "json" {
		out.text = p.stderr // stdout is for the machine
	}
	terminal := out.text
	if out.color, err = parseColor(o.color, p.getenv, ci, terminal); err != nil {
		return nil, usage(err)
	}
	if ci == ciGitHub {
		out.github = newGitHub(out.text, p.getenv)
		out.text = out.github
	}
	out.fold = folder(ci, out.text)
	var unread func() int
	if o, ok := terminal.(*outlet); ok {
		unread = o.waiting
	}
	out.console = newConsole(out.text, consoleOptions{
		Unread: unread, Live: isLive(p.getenv, ci, terminal), Color: out.color, Timeout: o.timeout,
		Width: func() int { return terminalWidth(terminal) },
	})
	return out, nil
}

// print renders the report. A rendering that fails must not hide the verdict, so its error is only told.
func (out *sink) print(r gate.Report) {
	path, err := out.files(r)
	out.warn(err)
	if out.o.output == "json" {
		out.warn(report.JSON(out.p.stdout, r))
	}
	options := report.Options{Color: out.color, Width: terminalWidth(out.text), Fold: out.fold}
	if out.github != nil {
		options.BeforeLast = func() { out.warn(out.github.finish(r, path)) }
	}
	out.warn(report.Text(out.text, r, options))
	if o, ok := out.p.stdout.(*outlet); ok && o.failure() != nil && out.text != out.p.stderr {
		fmt.Fprintln(out.p.stderr, report.LastLine(r)) // whoever left may still look there
	}
}

func (out *sink) warn(err error) {
	if err != nil {
		fmt.Fprintf(out.p.stderr, "warning: %s\n", told(err))
	}
}

// files writes the report to --report-dir and returns the path of the JSON file.
func (out *sink) files(r gate.Report) (string, error) {
	dir := out.o.reportDir
	if dir == "" {
		return "", nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("writing the report: %w", err)
	}
	path := filepath.Join(dir, "report.json")
	return path, errors.Join(
		writeFile(path, r, report.JSON),
		writeFile(filepath.Join(dir, "report.md"), r, report.Markdown),
	)
}

// writeFile replaces the file in one step: whoever reads it while it is written sees the old one.
func writeFile(path string, r gate.Report, render func(io.Writer, gate.Report) error) error {
	var b bytes.Buffer
	if err := render(&b, r); err != nil {
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
