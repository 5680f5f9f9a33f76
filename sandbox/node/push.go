package node

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Push puts an image into the node's registry, so that pods can use it as registry.sandbox/REPOSITORY:TAG. A tag that
// exists is moved.
func (n *Node) Push(ctx context.Context, repository, tag string, img Image) error {
	if err := n.push(ctx, repository, tag, img); err != nil {
		return fmt.Errorf("pushing %s:%s: %w", repository, tag, err)
	}
	return nil
}

func (n *Node) push(ctx context.Context, repository, tag string, img Image) error {
	parts, manifest, err := img.blobs()
	if err != nil {
		return err
	}
	for _, b := range parts {
		if err := n.putBlob(ctx, repository, b); err != nil {
			return err
		}
	}
	if img.Arch == "" {
		return n.putManifest(ctx, repository, tag, manifest)
	}
	// A foreign architecture shows only in an index; a bare manifest would be pulled and then fail to run.
	if err := n.putManifest(ctx, repository, manifest.Digest, manifest); err != nil {
		return err
	}
	index, err := img.index(manifest)
	if err != nil {
		return err
	}
	return n.putManifest(ctx, repository, tag, index)
}

// putBlob uploads in one piece, unless the registry has the content already.
func (n *Node) putBlob(ctx context.Context, repository string, b blob) error {
	has, err := n.call(ctx, "HEAD", "/v2/"+repository+"/blobs/"+b.Digest, "", nil)
	if err != nil {
		return err
	}
	if has.StatusCode == http.StatusOK {
		return nil
	}
	begun, err := n.call(ctx, "POST", "/v2/"+repository+"/blobs/uploads/", "", nil)
	if err != nil {
		return err
	}
	where := begun.Header.Get("Location")
	if begun.StatusCode != http.StatusAccepted || where == "" {
		return fmt.Errorf("beginning an upload: the registry answers %s", begun.Status)
	}
	joint := "?"
	if strings.Contains(where, "?") {
		joint = "&"
	}
	done, err := n.call(ctx, "PUT", where+joint+"digest="+b.Digest, "application/octet-stream", b.content)
	if err != nil {
		return err
	}
	if done.StatusCode != http.StatusCreated {
		return fmt.Errorf("uploading %s: the registry answers %s", b.Digest, done.Status)
	}
	return nil
}

func (n *Node) putManifest(ctx context.Context, repository, reference string, manifest blob) error {
	done, err := n.call(ctx, "PUT", "/v2/"+repository+"/manifests/"+reference, manifest.MediaType, manifest.content)
	if err != nil {
		return err
	}
	if done.StatusCode != http.StatusCreated {
		return fmt.Errorf("writing the manifest: the registry answers %s", done.Status)
	}
	return nil
}

// call makes one request to the registry, which answers with relative addresses. Bodies of answers are never of
// interest here, and are gone when it returns.
func (n *Node) call(ctx context.Context, method, path, contentType string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://registry"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := n.images.Do(req)
	if err != nil {
		return nil, err
	}
	io.Copy(io.Discard, resp.Body)
	return resp, resp.Body.Close()
}
