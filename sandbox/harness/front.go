package harness

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
)

// Front is an address on this machine that stands before the API server of a sandbox: HTTP/2 and TLS as there, and
// every request passed on is the administrator's.
type Front struct {
	URL    string
	server *http.Server

	mu          sync.Mutex
	connections []net.Conn
}

// connectionKey is under what the context of a request has its connection.
type connectionKey struct{}

// NewFront begins to serve. adapt is given what passes requests on, and returns what serves them; it may change both.
// Whoever calls it closes the front.
func NewFront(s instance.State, adapt func(api *httputil.ReverseProxy) http.Handler) (*Front, error) {
	target, err := url.Parse(s.APIServer)
	if err != nil {
		return nil, fmt.Errorf("serving in front of the API server: %w", err)
	}
	certificates := filepath.Join(s.Dir, "pki")
	client, err := pki.Client(certificates, "admin")
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(certificates, "apiserver.crt"), filepath.Join(certificates, "apiserver.key"))
	if err != nil {
		return nil, fmt.Errorf("serving in front of the API server: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("serving in front of the API server: %w", err)
	}
	transport := client.Transport.(*http.Transport)
	transport.DisableCompression = true // the client's own wish is passed on
	transport.ForceAttemptHTTP2 = true
	quiet := log.New(io.Discard, "", 0) // that clients break off is no news
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     transport,
		FlushInterval: -1, // watches
		ErrorLog:      quiet,
	}
	f := &Front{URL: "https://" + listener.Addr().String()}
	f.server = &http.Server{
		Handler: adapt(proxy), ErrorLog: quiet, TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}},
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.connections = append(f.connections, c)
			return context.WithValue(ctx, connectionKey{}, c)
		},
	}
	f.server.RegisterOnShutdown(transport.CloseIdleConnections)
	go func() { _ = f.server.ServeTLS(listener, "", "") }()
	return f, nil
}

// Close ends everything that is under way.
func (f *Front) Close() {
	_ = f.server.Close()
	f.ResetAll()
}

// ResetAll resets every connection.
func (f *Front) ResetAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.connections {
		reset(c)
	}
	f.connections = nil
}

// Reset resets the connection that a request came on, with all else that is under way on it. The handler has to end then
// with http.ErrAbortHandler.
func Reset(r *http.Request) {
	if c, ok := r.Context().Value(connectionKey{}).(net.Conn); ok {
		reset(c)
	}
}

// reset closes a connection so that the other side is told at once, and not that it has ended well.
func reset(c net.Conn) {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}

// Kubeconfig writes that of a sandbox to a file, for another address and namespace. The certificate of the API server is
// for every port of 127.0.0.1.
func Kubeconfig(s instance.State, server, namespace, file string) error {
	text, err := os.ReadFile(s.Kubeconfig)
	if err != nil {
		return err
	}
	changed := strings.NewReplacer(s.APIServer, server, "namespace: default", "namespace: "+namespace)
	return os.WriteFile(file, []byte(changed.Replace(string(text))), 0o600)
}
