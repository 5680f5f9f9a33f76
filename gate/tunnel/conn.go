package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/portforward"
	clientforward "k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
	"k8s.io/client-go/transport/websocket"
	"k8s.io/klog/v2"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"
)

// connect opens a tunnel to a pod: by WebSocket, or by SPDY where the API server or a proxy on the way does not let
// that through. That includes what is forbidden: there are versions that want another right for the one than for the
// other.
func (c *Client) connect(ctx context.Context, namespace, pod string) (httpstream.Connection, error) {
	address := c.typed.CoreV1().RESTClient().Post().Resource("pods").Namespace(namespace).Name(pod).SubResource("portforward").URL().String()
	conn, err := c.byWebSocket(ctx, address)
	if !httpstream.IsUpgradeFailure(err) && !httpstream.IsHTTPSProxyError(err) {
		return conn, err
	}
	conn, second := within(ctx, func() (httpstream.Connection, error) { return c.bySPDY(ctx, address) })
	var failure *httpstream.UpgradeFailureError
	var status apierrors.APIStatus
	if second != nil && errors.As(err, &failure) && errors.As(failure.Cause, &status) {
		return nil, failure.Cause // the other one tells the status in words only
	}
	return conn, second
}

func (c *Client) byWebSocket(ctx context.Context, address string) (httpstream.Connection, error) {
	transport, holder, err := websocket.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	conn, err := websocket.Negotiate(transport, holder, req, portforward.WebsocketsSPDYTunnelingPrefix+clientforward.PortForwardProtocolV1Name)
	if err != nil {
		return nil, err
	}
	stream := clientforward.NewTunnelingConnectionWithLogger(klog.FromContext(ctx), conn)
	return streamspdy.NewClientConnectionWithPings(stream, clientforward.PingPeriod)
}

func (c *Client) bySPDY(ctx context.Context, address string) (httpstream.Connection, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return nil, err
	}
	conn, protocol, err := spdy.NegotiateStreaming(upgrader, &http.Client{Transport: transport}, req, clientforward.PortForwardProtocolV1Name)
	if err == nil && protocol != clientforward.PortForwardProtocolV1Name {
		conn.Close()
		return nil, fmt.Errorf("the API server speaks %q in port-forwards", protocol)
	}
	return conn, err
}

// within waits for something that knows no context, and closes what comes too late.
func within[T io.Closer](ctx context.Context, do func() (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	done := make(chan outcome, 1)
	go func() {
		value, err := do()
		done <- outcome{value, err}
	}()
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		go func() {
			if o := <-done; o.err == nil {
				o.value.Close()
			}
		}()
		var none T
		return none, ctx.Err()
	}
}

// podConn is one connection through a tunnel: a stream of bytes, and one on which a node says why it cannot connect to
// the pod.
type podConn struct {
	httpstream.Stream
	errors httpstream.Stream
	tunnel httpstream.Connection
	to     podPort

	broken func() // called when the node cannot connect

	once       sync.Once
	nodeError  atomic.Value  // string: what the node said
	errorsRead chan struct{} // closed when it will say no more
}

// newPodConn opens the streams of one connection. Both have its number.
func newPodConn(ctx context.Context, tunnel httpstream.Connection, to podPort, number int64) (*podConn, error) {
	return within(ctx, func() (*podConn, error) {
		header := http.Header{}
		header.Set(corev1.PortHeader, strconv.Itoa(int(to.port)))
		header.Set(corev1.PortForwardRequestIDHeader, strconv.FormatInt(number, 10))
		header.Set(corev1.StreamType, corev1.StreamTypeError)
		failures, err := tunnel.CreateStream(header)
		if err != nil {
			return nil, err
		}
		_ = failures.Close() // nothing is written to it
		header.Set(corev1.StreamType, corev1.StreamTypeData)
		data, err := tunnel.CreateStream(header)
		if err != nil {
			_ = failures.Reset()
			return nil, err
		}
		return &podConn{Stream: data, errors: failures, tunnel: tunnel, to: to, errorsRead: make(chan struct{})}, nil
	})
}

// readErrors waits for what the node says, and calls broken when it says anything.
func (c *podConn) readErrors() {
	defer close(c.errorsRead)
	said, err := io.ReadAll(io.LimitReader(c.errors, 4<<10))
	if err == nil && len(said) > 0 {
		c.nodeError.Store(oneLine(string(said)))
		c.broken()
	}
}

func (c *podConn) Read(p []byte) (int, error) {
	n, err := c.Stream.Read(p)
	if err == nil || n > 0 {
		return n, err
	}
	select {
	case <-c.errorsRead: // the node explains before it hangs up
	case <-time.After(time.Second):
	}
	return 0, c.explained(err)
}

func (c *podConn) Write(p []byte) (int, error) {
	n, err := c.Stream.Write(p)
	if err != nil {
		err = c.explained(err)
	}
	return n, err
}

// explained is what the node said, if it said anything, or else the error itself.
func (c *podConn) explained(err error) error {
	if said, ok := c.nodeError.Load().(string); ok {
		return &wayError{way: forwardWay, text: "pod " + c.to.pod + ": " + said}
	}
	return err
}

// Close resets the streams, because what nobody reads any more would block all others.
func (c *podConn) Close() error {
	c.once.Do(func() {
		_ = c.Stream.Close()
		_ = c.Stream.Reset()
		_ = c.errors.Reset()
		c.tunnel.RemoveStreams(c.Stream, c.errors)
	})
	return nil
}

// podAddress is the other end of a podConn.
type podAddress string

func (podAddress) Network() string  { return "port-forward" }
func (a podAddress) String() string { return string(a) }

func (c *podConn) LocalAddr() net.Addr { return podAddress("tunnel") }
func (c *podConn) RemoteAddr() net.Addr {
	return podAddress(net.JoinHostPort(c.to.pod, strconv.Itoa(int(c.to.port))))
}

// A deadline of one stream would be one of the whole tunnel. HTTP does without: it closes the connection.
func (c *podConn) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (c *podConn) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (c *podConn) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }
