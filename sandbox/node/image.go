package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"
)

// File is one file of an image: an absolute name and its content. Every file may be read and run by everyone.
type File struct {
	Name string
	Data []byte
}

// Layer is one layer, packed; the zero value is not one. The same files always make the same bytes.
type Layer struct {
	packed         []byte
	digest, diffID string // of the packed and of the plain archive
}

// Image is what a Dockerfile describes.
type Image struct {
	Layers     []Layer
	Entrypoint []string
	Env        []string // NAME=value
	User       string   // empty: root
	Arch       string   // empty: this machine's
}

// Media types of the OCI image specification.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// NewLayer packs files. level is one of package gzip's: random bytes need gzip.NoCompression to be quick.
func NewLayer(level int, files ...File) (Layer, error) {
	var packed bytes.Buffer
	plainSum := sha256.New()
	zip, err := gzip.NewWriterLevel(&packed, level)
	if err != nil {
		return Layer{}, err
	}
	archive := tar.NewWriter(io.MultiWriter(zip, plainSum))
	for _, f := range files {
		header := tar.Header{Name: f.Name[1:], Mode: 0o755, Size: int64(len(f.Data)), ModTime: time.Unix(0, 0), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(&header); err != nil {
			return Layer{}, fmt.Errorf("packing %s: %w", f.Name, err)
		}
		if _, err := archive.Write(f.Data); err != nil {
			return Layer{}, fmt.Errorf("packing %s: %w", f.Name, err)
		}
	}
	if err := archive.Close(); err != nil {
		return Layer{}, err
	}
	if err := zip.Close(); err != nil {
		return Layer{}, err
	}
	return Layer{packed.Bytes(), sum(packed.Bytes()), fmt.Sprintf("sha256:%x", plainSum.Sum(nil))}, nil
}

// blob is a piece of content in a registry, named by its digest.
type blob struct {
	MediaType string    `json:"mediaType"`
	Digest    string    `json:"digest"`
	Size      int       `json:"size"`
	Platform  *platform `json:"platform,omitempty"`
	content   []byte
}

type platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
}

func newBlob(mediaType string, content []byte) blob {
	return blob{MediaType: mediaType, Digest: sum(content), Size: len(content), content: content}
}

func sum(content []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(content)) }

// blobs are the image's configuration followed by its layers, and the manifest that names them.
func (img Image) blobs() (parts []blob, manifest blob, err error) {
	type object = map[string]any
	diffIDs := []string{}
	layers := []blob{}
	for _, l := range img.Layers {
		diffIDs = append(diffIDs, l.diffID)
		layers = append(layers, blob{MediaType: layerType, Digest: l.digest, Size: len(l.packed), content: l.packed})
	}
	settings := object{"Entrypoint": img.Entrypoint, "Env": img.Env, "User": img.User}
	text, err := json.Marshal(object{
		"architecture": img.arch(), "os": "linux", "created": "1970-01-01T00:00:00Z",
		"config": settings, "rootfs": object{"type": "layers", "diff_ids": diffIDs},
	})
	if err != nil {
		return nil, blob{}, err
	}
	config := newBlob(configType, text)
	text, err = json.Marshal(object{"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": layers})
	if err != nil {
		return nil, blob{}, err
	}
	return append([]blob{config}, layers...), newBlob(manifestType, text), nil
}

func (img Image) arch() string {
	if img.Arch != "" {
		return img.Arch
	}
	return runtime.GOARCH
}

// index wraps a manifest with the platform it is for, which is where a container runtime looks before it pulls.
func (img Image) index(manifest blob) (blob, error) {
	manifest.Platform = &platform{img.arch(), "linux"}
	text, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []blob{manifest}})
	return newBlob(indexType, text), err
}
