package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"k8s.io/streaming/pkg/httpstream"
)

const (
	// tunnelTime bounds the search for a pod to which a tunnel can be opened.
	tunnelTime = 15 * time.Second
	// podTime bounds one tunnel, so that a pod on a node that hangs leaves time for another.
	podTime = 6 * time.Second
	// maxPods is how many pods are tried.
	maxPods = 3
)

const tunnelWay = "by port-forward"

// tunnel is a port-forward to one pod of a Service. It opens no port on this machine, where others could use it:
// connections are streams of the tunnel.
type tunnel struct {
	c       *Client
	service Service

	number atomic.Int64  // of connections
	turn   chan struct{} // holds one token: whoever has it may open a tunnel
	mu     sync.Mutex
	conn   httpstream.Connection
	to     podPort
	broken bool // the node cannot connect to the pod
	closed bool
}

// byTunnel opens a tunnel and proves that it leads somewhere.
func (c *Client) byTunnel(ctx context.Context, s Service, path string) (Route, error) {
	t := &tunnel{c: c, service: s, turn: make(chan struct{}, 1)}
	host := s.Name + "." + s.Namespace + ".svc"
	network := &http.Transport{
		DialContext: t.dial, TLSClientConfig: &tls.Config{ServerName: host}, IdleConnTimeout: 90 * time.Second,
	}
	route := Route{
		URL: s.Scheme + "://" + net.JoinHostPort(host, s.Port) + path, Transport: &tunnelTransport{network, host}, Dial: t.dial,
		Close: func() { network.CloseIdleConnections(); t.close() },
	}
	if !isNumber(s.Port) { // a URL has no names for ports
		route.URL = s.Scheme + "://" + host + path
	}
	if err := t.prove(ctx, network, route.URL); err != nil {
		route.Close()
		return Route{}, err
	}
	route.How = "port-forward to pod " + t.pod()
	return route, nil
}

func isNumber(port string) bool { return port != "" && strings.Trim(port, "0123456789") == "" }

// tunnelTransport sends requests to the Service and nowhere else: whatever the address, the tunnel leads there.
type tunnelTransport struct {
	next *http.Transport
	host string
}

func (t *tunnelTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Hostname() != t.host {
		return nil, fmt.Errorf("the port-forward was to be left for %s", req.URL.Host)
	}
	return t.next.RoundTrip(req)
}

func (t *tunnelTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// prove asks for the path, without credentials. Every answer will do: what it means, the first query says better, as it
// has the credentials and the certificates.
func (t *tunnel) prove(ctx context.Context, network http.RoundTripper, address string) error {
	ctx, cancel := context.WithTimeout(ctx, tunnelTime)
	defer cancel()
	var last error
	for range maxPods {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/-/ready", nil)
		if err != nil {
			return &wayError{way: tunnelWay, text: err.Error()}
		}
		resp, err := network.RoundTrip(req)
		var certificate *tls.CertificateVerificationError
		var noTLS tls.RecordHeaderError
		switch {
		case err == nil:
			return resp.Body.Close()
		case errors.As(err, &certificate), strings.Contains(err.Error(), "remote error: tls: "):
			return nil
		case errors.As(err, &noTLS):
			return &wayError{way: tunnelWay, text: err.Error(), hint: "the Service does not speak TLS: write it without https:"}
		case ctx.Err() != nil && last != nil:
			return last
		}
		var way *wayError
		if !errors.As(err, &way) {
			way = &wayError{way: tunnelWay, text: oneLine(err.Error())}
		}
		if last = way; way.denied || way.hint != "" || ctx.Err() != nil {
			break
		}
	}
	return last
}

// dial implements [Route.Dial]: the address does not matter.
func (t *tunnel) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, tunnelTime)
	defer cancel()
	var failed error
	for range 2 { // the first tunnel may be dead without anybody knowing
		conn, to, err := t.open(ctx)
		if err != nil {
			return nil, err
		}
		stream, err := newPodConn(ctx, conn, to, t.number.Add(1))
		if err == nil {
			stream.broken = func() { t.abandon(conn) }
			go stream.listen()
			return stream, nil
		}
		t.abandon(conn)
		failed = &wayError{way: tunnelWay, text: "pod " + to.pod + ": " + oneLine(err.Error())}
	}
	return nil, failed
}

// abandon has the next connection open another tunnel. What still comes through this one may come.
func (t *tunnel) abandon(conn httpstream.Connection) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.broken = t.broken || t.conn == conn
}

// open returns the tunnel, or opens one if there is none or if it broke.
func (t *tunnel) open(ctx context.Context) (httpstream.Connection, podPort, error) {
	select {
	case t.turn <- struct{}{}:
		defer func() { <-t.turn }()
	case <-ctx.Done():
		return nil, podPort{}, ctx.Err()
	}
	t.mu.Lock()
	conn, last, closed, broken := t.conn, t.to, t.closed, t.broken
	t.mu.Unlock()
	switch {
	case closed:
		return nil, podPort{}, net.ErrClosed
	case conn != nil && !broken && !isClosed(conn):
		return conn, last, nil
	}
	conn, to, err := t.openAnew(ctx, last)
	if err != nil {
		return nil, podPort{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		conn.Close()
		return nil, podPort{}, net.ErrClosed
	}
	if t.conn != nil {
		t.conn.Close()
	}
	t.conn, t.to, t.broken = conn, to, false
	return conn, to, nil
}

// openAnew tries the ready pods, the one of the last tunnel at the end.
func (t *tunnel) openAnew(ctx context.Context, last podPort) (httpstream.Connection, podPort, error) {
	pods, err := t.c.readyPods(ctx, t.service)
	if err != nil {
		return nil, podPort{}, err
	}
	if i := slices.Index(pods, last); i >= 0 {
		pods = append(slices.Delete(pods, i, i+1), last)
	}
	var failed *wayError
	for _, to := range pods[:min(len(pods), maxPods)] {
		limited, cancel := context.WithTimeout(ctx, podTime)
		conn, err := t.c.forward(limited, t.service.Namespace, to.pod)
		cancel()
		if err == nil {
			return conn, to, nil
		}
		failed = &wayError{way: tunnelWay, text: "pod " + to.pod + ": " + oneLine(err.Error()), denied: IsDenied(err)}
		if failed.denied || ctx.Err() != nil {
			break
		}
	}
	return nil, podPort{}, failed
}

func (t *tunnel) pod() string { t.mu.Lock(); defer t.mu.Unlock(); return t.to.pod }

func (t *tunnel) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.conn != nil {
		t.conn.Close()
	}
}

func isClosed(conn httpstream.Connection) bool {
	select {
	case <-conn.CloseChan():
		return true
	default:
		return false
	}
}
