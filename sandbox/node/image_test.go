package node

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

func TestLayer(t *testing.T) {
	file := File{"/bin/app", []byte("program")}
	l, err := NewLayer(gzip.BestSpeed, file)
	if err != nil {
		t.Fatal(err)
	}
	again, _ := NewLayer(gzip.BestSpeed, file)
	if l.digest != again.digest {
		t.Error("the same file makes two different layers")
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(l.packed))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(unzipped)
	if err != nil || sum(plain) != l.diffID {
		t.Errorf("the digest of the plain archive is %s, %v; the layer says %s", sum(plain), err, l.diffID)
	}
	header, err := tar.NewReader(bytes.NewReader(plain)).Next()
	if err != nil || header.Name != "bin/app" || header.Mode != 0o755 {
		t.Errorf("the archive begins with %+v, %v", header, err)
	}
}

// fakeRegistry keeps what it gets by path, and refuses blobs whose digest is wrong and manifests that name missing ones.
type fakeRegistry struct {
	mu     sync.Mutex
	stored map[string][]byte
	puts   int
}

func (f *fakeRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Method == "HEAD":
		if f.stored[r.URL.Path] == nil {
			w.WriteHeader(http.StatusNotFound)
		}
	case r.Method == "POST":
		w.Header().Set("Location", r.URL.Path+"1?state=x")
		w.WriteHeader(http.StatusAccepted)
	case strings.HasSuffix(r.URL.Path, "/uploads/1"):
		digest := r.URL.Query().Get("digest")
		if digest != sum(body) || r.URL.Query().Get("state") != "x" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		f.puts++
		f.stored[strings.TrimSuffix(r.URL.Path, "uploads/1")+digest] = body
		w.WriteHeader(http.StatusCreated)
	default:
		f.stored[r.URL.Path] = body
		w.WriteHeader(http.StatusCreated)
	}
}

func TestPush(t *testing.T) {
	registry := &fakeRegistry{stored: map[string][]byte{}}
	server := httptest.NewServer(registry)
	defer server.Close()
	n := &Node{images: &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", server.Listener.Addr().String())
	}}}}
	layer, err := NewLayer(gzip.BestSpeed, File{"/app", []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	img := Image{Layers: []Layer{layer}, Entrypoint: []string{"/app"}}
	for _, tag := range []string{"v1", "v2"} {
		if err := n.Push(t.Context(), "web", tag, img); err != nil {
			t.Fatal(err)
		}
	}
	if registry.puts != 2 {
		t.Errorf("%d uploads, want 2: one configuration and one layer, though pushed twice", registry.puts)
	}
	var manifest struct {
		MediaType string
		Config    blob
		Layers    []blob
	}
	if err := json.Unmarshal(registry.stored["/v2/web/manifests/v2"], &manifest); err != nil {
		t.Fatal(err)
	}
	for _, b := range append(manifest.Layers, manifest.Config) {
		if content := registry.stored["/v2/web/blobs/"+b.Digest]; len(content) != b.Size || b.Size == 0 {
			t.Errorf("the manifest names %s of %d bytes; the registry has %d", b.Digest, b.Size, len(content))
		}
	}
	img.Arch = "s390x"
	if err := n.Push(t.Context(), "web", "foreign", img); err != nil {
		t.Fatal(err)
	}
	if text := string(registry.stored["/v2/web/manifests/foreign"]); !strings.Contains(text, `"platform":{"architecture":"s390x","os":"linux"}`) {
		t.Errorf("the index of a foreign image does not say for what it is: %s", text)
	}
}

func TestTrouble(t *testing.T) {
	handler := trouble(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }))
	for target, want := range map[string]int{
		"/v2/web/manifests/v1?ns=private.sandbox":  http.StatusUnauthorized,
		"/v2/web/manifests/v1?ns=limited.sandbox":  http.StatusTooManyRequests,
		"/v2/web/manifests/v1?ns=registry.sandbox": http.StatusOK,
		"/v2/slow/blobs/sha256:0":                  http.StatusOK,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", target, nil))
		if w.Code != want {
			t.Errorf("GET %s answers %d, want %d", target, w.Code, want)
		}
	}
}
