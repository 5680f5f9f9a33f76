package node

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// Registry names that are in trouble: any image with one of them in front fails to be pulled, each in its own way.
const (
	PrivateRegistry     = "private.sandbox"     // the pull is not authorized
	LimitedRegistry     = "limited.sandbox"     // 429: too many requests
	UnreachableRegistry = "unreachable.sandbox" // connection refused
)

// slowBytesPerSecond is how fast images in the repository slow are served.
const slowBytesPerSecond = 1 << 20

// front is what containerd talks to: it passes requests on to the registry, and plays the troubles that a registry on
// the same machine does not have.
type front struct {
	listener net.Listener
	address  string // 127.0.0.1:port
}

// listenFront only takes a port: configuration files need it before there is anything to serve.
func listenFront() (*front, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &front{listener, listener.Addr().String()}, nil
}

// serve returns when the listener is closed; dial connects to the registry.
func (f *front) serve(dial func(ctx context.Context, network, address string) (net.Conn, error)) error {
	registry := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: "registry"})
	registry.Transport = &http.Transport{DialContext: dial}
	return http.Serve(f.listener, trouble(registry))
}

// trouble decides by the registry that containerd believes to talk to, which it names in the parameter ns, and by the
// repository in the path.
func trouble(registry http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch ns := r.URL.Query().Get("ns"); {
		case r.URL.Path == tokenPath:
			io.WriteString(w, `{"token":"anonymous"}`)
		case ns == PrivateRegistry:
			demandToken(w, r)
		case ns == LimitedRegistry:
			refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS", "You have reached your pull rate limit.")
		case strings.HasPrefix(r.URL.Path, "/v2/slow/blobs/"):
			registry.ServeHTTP(slowWriter{w, r.Context()}, r)
		default:
			registry.ServeHTTP(w, r)
		}
	})
}

const tokenPath = "/token"

// demandToken is how public registries guard a private repository: whoever asks without a token is sent to get one,
// which everybody may, and is then told that it does not reach far enough.
func demandToken(w http.ResponseWriter, r *http.Request) {
	challenge := `Bearer realm="http://` + r.Host + tokenPath + `",service="` + PrivateRegistry + `",scope="repository:web:pull"`
	if r.Header.Get("Authorization") != "" {
		challenge += `,error="insufficient_scope"`
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
}

// refuse answers with an error in the form of the distribution specification.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, `{"errors":[{"code":"`+code+`","message":"`+message+`"}]}`)
}

// slowWriter sleeps after each piece for as long as the piece should have taken.
type slowWriter struct {
	http.ResponseWriter
	ctx context.Context
}

func (s slowWriter) Write(p []byte) (int, error) {
	n, err := s.ResponseWriter.Write(p)
	select {
	case <-s.ctx.Done():
		return n, s.ctx.Err()
	case <-time.After(time.Duration(n) * time.Second / slowBytesPerSecond):
		return n, err
	}
}
