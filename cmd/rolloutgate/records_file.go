package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// fileStore keeps records in a folder, without the data of Secrets, for clusters in which nothing may be kept. The rest
// is in the cluster.
type fileStore struct {
	gate.Store
	dir string
}

const recordPrefix, recordSuffix = "rolloutgate-run-", ".json.gz"

func (s fileStore) path(run string) string {
	return filepath.Join(s.dir, recordPrefix+strings.ToLower(filepath.Base(run))+recordSuffix)
}

// SaveRecord replaces the file in one step: a process that is killed meanwhile leaves the old one.
func (s fileStore) SaveRecord(_ context.Context, r record.Record) error {
	parts, err := r.Without().Encode(record.PartSize)
	if err != nil {
		return err
	}
	if err := replace(s.path(r.ID), bytes.Join(parts, nil)); err != nil {
		return fmt.Errorf("putting run %s on record: %w", r.ID, err)
	}
	return nil
}

// replace writes a file beside the old one, and takes its place only when all of it is written.
func replace(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	err := os.WriteFile(path+".new", data, 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new") // it may be what fills the disk
	}
	return err
}

// LoadRecord reads one.
func (s fileStore) LoadRecord(_ context.Context, _, run string) (record.Record, error) {
	r, err := readRecord(s.path(run))
	if errors.Is(err, fs.ErrNotExist) {
		return r, &record.MissingError{Run: run}
	}
	return r, err
}

func readRecord(path string) (record.Record, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return record.Record{}, fmt.Errorf("reading the record of a run: %w", err)
	}
	return record.Decode([][]byte{data})
}

// Records lists them, the newest first. What is none, or is of another namespace, is left out.
func (s fileStore) Records(_ context.Context, namespace string) ([]record.Summary, error) {
	paths, err := filepath.Glob(filepath.Join(s.dir, recordPrefix+"*"+recordSuffix))
	if err != nil {
		return nil, err
	}
	var all []record.Summary
	for _, path := range paths {
		if r, err := readRecord(path); err == nil && r.Namespace == namespace {
			all = append(all, r.Summary())
		}
	}
	slices.SortFunc(all, record.Newest)
	return all, nil
}

// ForgetRecord deletes one.
func (s fileStore) ForgetRecord(_ context.Context, _ string, r record.Summary) error {
	if err := os.Remove(s.path(r.ID)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting the record of run %s: %w", r.ID, err)
	}
	return nil
}
