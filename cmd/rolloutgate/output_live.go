package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// liveFile is a file of --report-dir that is written while the run goes on, so that a process that is killed leaves what it
// has seen. A slow disk does not hold the run up once the
// file is there, which is before anything is changed. What cannot be written live is written at the end, as the other files are.
type liveFile struct {
	path   string
	begin  func(io.Writer) report.Stream
	file   *os.File
	queue  *outlet
	stream report.Stream // nil: nothing has happened yet
	atEnd  bool          // it is written at the end
}

// liveFiles are those of the formats that can be written before the end.
func (out *output) liveFiles() (all []*liveFile) {
	for _, f := range out.p.formats() {
		if out.dir != "" && f.File != "" && f.Stream != nil {
			all = append(all, &liveFile{path: filepath.Join(out.dir, f.File), begin: f.Stream})
		}
	}
	return all
}

// event writes what has happened.
func (l *liveFile) event(e gate.Event) {
	if started, ok := e.Payload.(gate.Started); ok && started.Command == "undo" && e.Cluster == "" {
		l.atEnd = true // it may have nothing to do, and then the file that is there tells more
	}
	if l.stream == nil && !l.atEnd {
		l.atEnd = l.open() != nil
	}
	if !l.atEnd {
		l.atEnd = l.stream.Event(e) != nil
	}
}

func (l *liveFile) open() error {
	if err := os.MkdirAll(filepath.Dir(l.path), 0o755); err != nil {
		return err
	}
	file, err := os.Create(l.path)
	if err != nil {
		return err
	}
	l.file, l.queue = file, newOutlet(file, nil)
	l.stream = l.begin(l.queue)
	return nil
}

// finish writes the end of the run, and tells whether all of it is in the file.
func (l *liveFile) finish(r gate.Report) (whole bool, err error) {
	if l.stream == nil {
		return false, nil
	}
	defer l.file.Close()
	if l.atEnd {
		return false, nil
	}
	if err := l.stream.Finish(r); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), cancelledPatience)
	defer cancel()
	if err := l.queue.drain(ctx, cancelledPatience); err != nil {
		return false, fmt.Errorf("writing %s: %w", l.path, err)
	}
	return true, nil
}
