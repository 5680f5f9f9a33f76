package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// TestFullDisk: a record that cannot be written leaves the one of before, and nothing that fills the disk.
func TestFullDisk(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); errors.Is(err, fs.ErrNotExist) {
		t.Skip("there is no " + full)
	}
	s := fileStore{dir: filepath.Join(t.TempDir(), "made", "by", "the", "run")}
	ctx := context.Background()
	r := record.Record{ID: "RUN", Namespace: "shop", State: record.Running}
	if err := s.SaveRecord(ctx, r); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(full, s.path("RUN")+".new"); err != nil {
		t.Fatal(err)
	}
	r.State = record.Passed
	if err := s.SaveRecord(ctx, r); err == nil {
		t.Error("it says that the record is written")
	}
	if got, err := s.LoadRecord(ctx, "shop", "RUN"); err != nil || got.State != record.Running {
		t.Errorf("state %q, %v", got.State, err)
	}
	if left, err := os.ReadDir(s.dir); err != nil || len(left) != 1 {
		t.Errorf("the folder has %v, %v", left, err)
	}
	if err := s.SaveRecord(ctx, r); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if got, err := s.LoadRecord(ctx, "shop", "RUN"); err != nil || got.State != record.Passed {
		t.Errorf("state %q, %v", got.State, err)
	}
}
