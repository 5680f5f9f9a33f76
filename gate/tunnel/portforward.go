package tunnel

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
	// forwardTime bounds the search for a pod to which a tunnel can be opened.
	forwardTime = 15 * time.Second
	// podTime bounds one tunnel, so that a pod on a node that hangs leaves time for another.
	podTime = 6 * time.Second
	// maxPods is how many pods are tried.
	maxPods = 3
)

const forwardWay = "by port-forward"

// portForward is a tunnel to one pod of a Service. It opens no port on this machine, where others could use it:
// connections are streams of the tunnel.
type portForward struct {
	client  *Client
	service Service

	number  atomic.Int64  // of connections
	opening chan struct{} // a lock that a context can give up on: only its holder opens a tunnel
	mu      sync.Mutex
	conn    httpstream.Connection
	to      podPort
	broken  bool // the node cannot connect to the pod
	closed  bool
}

// byPortForward opens a tunnel and proves that it leads somewhere.
func (c *Client) byPortForward(ctx context.Context, s Service, path string) (Route, error) {
	f := &portForward{client: c, service: s, opening: make(chan struct{}, 1)}
	host := s.Name + "." + s.Namespace + ".svc"
	network := &http.Transport{
		DialContext: f.dial, TLSClientConfig: &tls.Config{ServerName: host}, IdleConnTimeout: 90 * time.Second,
	}
	route := Route{
		URL: s.Scheme + "://" + net.JoinHostPort(host, s.Port) + path, Transport: &forwardTransport{network, host}, Dial: f.dial,
		Close: func() { network.CloseIdleConnections(); f.close() },
	}
	if !isNumber(s.Port) { // a URL has no names for ports
		route.URL = s.Scheme + "://" + host + path
	}
	if err := f.prove(ctx, network, route.URL); err != nil {
		route.Close()
		return Route{}, err
	}
	route.How = "port-forward to pod " + f.pod()
	return route, nil
}

func isNumber(port string) bool { return port != "" && strings.Trim(port, "0123456789") == "" }

// forwardTransport sends requests to the Service and nowhere else: whatever the address, the tunnel leads there.
type forwardTransport struct {
	next *http.Transport
	host string
}

func (t *forwardTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Hostname() != t.host {
		return nil, fmt.Errorf("the port-forward was to be left for %s", req.URL.Host)
	}
	return t.next.RoundTrip(req)
}

func (t *forwardTransport) CloseIdleConnections() { t.next.CloseIdleConnections() }

// prove asks for the path, without credentials. Every answer will do: what it means, the first query says better, as it
// has the credentials and the certificates.
func (f *portForward) prove(ctx context.Context, network http.RoundTripper, address string) error {
	ctx, cancel := context.WithTimeout(ctx, forwardTime)
	defer cancel()
	var last error
	for range maxPods {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/-/ready", nil)
		if err != nil {
			return &wayError{way: forwardWay, text: err.Error()}
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
			return &wayError{way: forwardWay, text: err.Error(), hint: "the Service does not speak TLS: write it without https:"}
		case ctx.Err() != nil && last != nil:
			return last
		}
		var way *wayError
		if !errors.As(err, &way) {
			way = &wayError{way: forwardWay, text: oneLine(err.Error())}
		}
		if last = way; way.denied || way.hint != "" || ctx.Err() != nil {
			break
		}
	}
	return last
}

// dial implements [Route.Dial]: the address does not matter.
func (f *portForward) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTime)
	defer cancel()
	var failed error
	for range 2 { // the first tunnel may be dead without anybody knowing
		conn, to, err := f.open(ctx)
		if err != nil {
			return nil, err
		}
		stream, err := newPodConn(ctx, conn, to, f.number.Add(1))
		if err == nil {
			stream.broken = func() { f.abandon(conn) }
			go stream.readErrors()
			return stream, nil
		}
		f.abandon(conn)
		failed = &wayError{way: forwardWay, text: "pod " + to.pod + ": " + oneLine(err.Error())}
	}
	return nil, failed
}

// abandon has the next connection open another tunnel. What still comes through this one may come.
func (f *portForward) abandon(conn httpstream.Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = f.broken || f.conn == conn
}

// open returns the tunnel, or opens one if there is none or if it broke.
func (f *portForward) open(ctx context.Context) (httpstream.Connection, podPort, error) {
	select {
	case f.opening <- struct{}{}:
		defer func() { <-f.opening }()
	case <-ctx.Done():
		return nil, podPort{}, ctx.Err()
	}
	f.mu.Lock()
	conn, last, closed, broken := f.conn, f.to, f.closed, f.broken
	f.mu.Unlock()
	switch {
	case closed:
		return nil, podPort{}, net.ErrClosed
	case conn != nil && !broken && !isClosed(conn):
		return conn, last, nil
	}
	conn, to, err := f.openAnew(ctx, last)
	if err != nil {
		return nil, podPort{}, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		conn.Close()
		return nil, podPort{}, net.ErrClosed
	}
	if f.conn != nil {
		f.conn.Close()
	}
	f.conn, f.to, f.broken = conn, to, false
	return conn, to, nil
}

// openAnew tries the ready pods, the one of the last tunnel at the end.
func (f *portForward) openAnew(ctx context.Context, last podPort) (httpstream.Connection, podPort, error) {
	pods, err := f.client.readyPods(ctx, f.service)
	if err != nil {
		return nil, podPort{}, err
	}
	if i := slices.Index(pods, last); i >= 0 {
		pods = append(slices.Delete(pods, i, i+1), last)
	}
	var failed *wayError
	for _, to := range pods[:min(len(pods), maxPods)] {
		limited, cancel := context.WithTimeout(ctx, podTime)
		conn, err := f.client.connect(limited, f.service.Namespace, to.pod)
		cancel()
		if err == nil {
			return conn, to, nil
		}
		failed = &wayError{way: forwardWay, text: "pod " + to.pod + ": " + oneLine(err.Error()), denied: isDenied(err)}
		if failed.denied || ctx.Err() != nil {
			break
		}
	}
	return nil, podPort{}, failed
}

func (f *portForward) pod() string { f.mu.Lock(); defer f.mu.Unlock(); return f.to.pod }

func (f *portForward) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.conn != nil {
		f.conn.Close()
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
