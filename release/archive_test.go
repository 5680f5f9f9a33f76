package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"io/fs"
	"slices"
	"testing"
	"time"
)

var epoch = time.Unix(1700000000, 0).UTC()

// TestArchivesAreTheSame: neither the order in which files come nor the clock shows in an archive.
func TestArchivesAreTheSame(t *testing.T) {
	files := []file{
		{name: "b", mode: 0o755, data: []byte("b")}, {name: "a/c", mode: 0o644, data: []byte("c")},
		{name: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777, user: 7},
	}
	for name, pack := range map[string]func(io.Writer, time.Time, []file) error{"tar.gz": tarGz, "zip": zipped} {
		var first, second bytes.Buffer
		if err := pack(&first, epoch, files); err != nil {
			t.Fatal(err)
		}
		turned := slices.Clone(files)
		slices.Reverse(turned)
		if err := pack(&second, epoch, turned); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("%s: the same files in another order make another archive", name)
		}
	}
}

func TestTarEntries(t *testing.T) {
	var packed bytes.Buffer
	err := tarGz(&packed, epoch, []file{{name: "x", mode: 0o755, data: []byte("x")}, {name: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777, user: 7}})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(&packed)
	if err != nil {
		t.Fatal(err)
	}
	entries := tar.NewReader(plain)
	for _, want := range []tar.Header{{Name: "tmp/", Mode: 0o1777, Uid: 7, Typeflag: tar.TypeDir}, {Name: "x", Mode: 0o755, Size: 1, Typeflag: tar.TypeReg}} {
		got, err := entries.Next()
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != want.Name || got.Mode != want.Mode || got.Uid != want.Uid || got.Gid != want.Uid || got.Typeflag != want.Typeflag || got.Size != want.Size || !got.ModTime.Equal(epoch) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestZipEntries(t *testing.T) {
	var packed bytes.Buffer
	if err := zipped(&packed, epoch, []file{{name: "x.exe", mode: 0o755, data: []byte("x")}}); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if f := archive.File[0]; f.Name != "x.exe" || f.Mode() != 0o755 || !f.Modified.Equal(epoch) {
		t.Errorf("%+v", f.FileHeader)
	}
}
