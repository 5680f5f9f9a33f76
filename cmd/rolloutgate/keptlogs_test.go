package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// keptIn are the files of a folder, in order.
func keptIn(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(dir, path)
			files = append(files, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return files
}

func reportOf(command string, files ...string) gate.Report {
	r := gate.Report{Run: gate.Run{Command: command}}
	for _, f := range files {
		r.Logs = append(r.Logs, gate.KeptLog{Object: manifest.Ref{Kind: "Pod", Name: "web"}, File: f, Text: "a \x1b]0;title\x07word\x00\r\n##[error]no\n", Bytes: 1})
	}
	return r
}

// TestKeptLogs: logs of earlier runs make room for those of this one, and nothing else is removed.
func TestKeptLogs(t *testing.T) {
	dir := t.TempDir()
	out := output{dir: dir}
	keep := func(r gate.Report, want ...string) []gate.KeptLog {
		t.Helper()
		written, err := out.logs(r)
		if err != nil {
			t.Fatal(err)
		}
		if got := keptIn(t, dir); !slices.Equal(got, want) {
			t.Errorf("%s left %q, want %q", r.Run.Command, got, want)
		}
		return written
	}
	keep(reportOf("run"))
	written := keep(reportOf("run", "logs/a_app.log", "logs/a_app_previous.log"), "logs/.rolloutgate", "logs/a_app.log", "logs/a_app_previous.log")
	text, err := os.ReadFile(filepath.Join(dir, "logs", "a_app.log"))
	if err != nil || string(text) != "a word\n## [error]no\n" {
		t.Errorf("%q, %v", text, err)
	}
	if len(written) != 2 || written[0].Bytes != len(text) {
		t.Errorf("%+v of %d bytes", written, len(text))
	}
	write(t, filepath.Join(dir, "logs"), "mine.log", "mine")
	write(t, dir, "beside.log", "mine")
	for _, command := range []string{"undo", "plan", "history"} { // they explain nothing
		keep(reportOf(command), "beside.log", "logs/.rolloutgate", "logs/a_app.log", "logs/a_app_previous.log", "logs/mine.log")
	}
	keep(reportOf("resume", "logs/b_app.log"), "beside.log", "logs/.rolloutgate", "logs/b_app.log", "logs/mine.log")
	write(t, filepath.Join(dir, "logs"), logIndex, "../beside.log\nmine.txt\n\n..\n/etc/passwd\nb_app.log\ngone.log\n")
	keep(reportOf("run"), "beside.log", "logs/mine.log")
	if err := os.Remove(filepath.Join(dir, "logs", "mine.log")); err != nil {
		t.Fatal(err)
	}
	keep(reportOf("run", "logs/c_app.log"), "beside.log", "logs/.rolloutgate", "logs/c_app.log")
	keep(reportOf("run"), "beside.log")
	if _, err := os.Stat(filepath.Join(dir, "logs")); err == nil {
		t.Error("the folder of no logs is still there")
	}
}

// TestKeptLogsUnwritten: a folder that takes no logs costs their place in the report, and a warning.
func TestKeptLogsUnwritten(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "logs", "a file in the way")
	out := output{dir: dir}
	if written, err := out.logs(reportOf("run", "logs/a_app.log")); err == nil || len(written) > 0 {
		t.Errorf("%v, %v", written, err)
	}
	dir = t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "logs", "a_app.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	out = output{dir: dir}
	written, err := out.logs(reportOf("run", "logs/a_app.log", "logs/b_app.log"))
	if err == nil || len(written) != 1 || written[0].File != "logs/b_app.log" {
		t.Errorf("%v, %v", written, err)
	}
}
