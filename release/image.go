package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const (
	repository = "ghcr.io/rolloutgate/rolloutgate"
	nonroot    = 65532
)

// image is an OCI layout in one tar archive, with an image for each platform: the binary with its licences, and CA
// certificates, nothing else. The Dockerfile makes the same with Docker.
func (r release) image(archives map[platform][]file) ([]byte, error) {
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, p := range r.platforms {
		if p.os != "linux" {
			continue
		}
		single, err := r.imageFor(p, archives[p])
		if err != nil {
			return nil, fmt.Errorf("making the image for %s: %w", p, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: single,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: p.os, Architecture: p.arch}}})
	}
	index = mutate.Annotations(index, r.labels()).(v1.ImageIndex)
	dir, err := os.MkdirTemp("", "image-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return nil, err
	}
	names := map[string]string{ // for containerd, and for everybody else
		"io.containerd.image.name":          repository + ":" + r.version,
		"org.opencontainers.image.ref.name": r.version,
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(names)); err != nil {
		return nil, err
	}
	files, err := filesOf(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = writeTar(&out, r.date, files)
	return out.Bytes(), err
}

func (r release) imageFor(p platform, archive []file) (v1.Image, error) {
	var own []file
	for _, f := range archive {
		switch f.name {
		case program:
			own = append(own, file{name: "usr/local/bin/" + program, mode: f.mode, data: f.data})
		case "LICENSE", thirdPartyFile:
			own = append(own, file{name: documents[1:] + "/" + f.name, mode: f.mode, data: f.data})
		}
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	for _, files := range [][]file{system(), own} {
		layer, err := r.layer(files)
		if err != nil {
			return nil, err
		}
		if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, MediaType: types.OCILayer,
			History: v1.History{Created: v1.Time{Time: r.date}, CreatedBy: "make dist"}}); err != nil {
			return nil, err
		}
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.os, p.arch, v1.Time{Time: r.date}
	config.Config = v1.Config{
		User: fmt.Sprintf("%[1]d:%[1]d", nonroot), WorkingDir: "/workspace", Entrypoint: []string{"/usr/local/bin/" + program},
		Env:    []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/nonroot", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"},
		Labels: r.labels(),
	}
	return mutate.ConfigFile(img, config)
}

func (r release) labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       program,
		"org.opencontainers.image.description": about,
		"org.opencontainers.image.version":     r.version,
		"org.opencontainers.image.source":      project,
		"org.opencontainers.image.licenses":    licence,
	}
}

func (r release) layer(files []file) (v1.Layer, error) {
	var packed bytes.Buffer
	if err := writeTar(&packed, r.date, files); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(packed.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer))
}

// system is what a static program expects of its machine: who it is, whom to trust, and where to write.
func system() []file {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint != nil { // it is trusted for a part of what it signs, which a PEM file cannot say
			continue
		}
		_ = pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes everything
	}
	return []file{
		{name: "etc/passwd", mode: 0o644, data: []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n")},
		{name: "etc/group", mode: 0o644, data: []byte("root:x:0:\nnonroot:x:65532:\n")},
		{name: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, data: roots.Bytes()},
		{name: "tmp", mode: fs.ModeDir | fs.ModeSticky | 0o777},
		{name: "home/nonroot", mode: fs.ModeDir | 0o755, user: nonroot},
		{name: "workspace", mode: fs.ModeDir | 0o755, user: nonroot},
	}
}

func filesOf(dir string) ([]file, error) {
	var files []file
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		files = append(files, file{name: filepath.ToSlash(name), mode: 0o644, data: data})
		return err
	})
	return files, err
}
