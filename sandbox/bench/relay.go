package main

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// relay passes TCP connections on to one address and counts what goes through. TLS is not its business, so that the
// counts are what really crosses the wire, handshakes included.
type relay struct {
	listener net.Listener
	target   string
	open     sync.WaitGroup

	connections, received, sent atomic.Int64
}

// traffic is what a client exchanged with the API server.
type traffic struct {
	connections    int64
	received, sent int64 // bytes, as the client sees them
}

func newRelay(target string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for the measured commands: %w", err)
	}
	r := &relay{listener: listener, target: target}
	go r.serve()
	return r, nil
}

func (r *relay) address() string { return r.listener.Addr().String() }

func (r *relay) close() { r.listener.Close() }

func (r *relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.connections.Add(1)
		r.open.Go(func() { r.pass(client.(*net.TCPConn)) })
	}
}

func (r *relay) pass(client *net.TCPConn) {
	defer client.Close()
	conn, err := net.Dial("tcp", r.target)
	if err != nil {
		return
	}
	server := conn.(*net.TCPConn)
	defer server.Close()
	var up sync.WaitGroup
	up.Go(func() { r.sent.Add(pipe(server, client)) })
	r.received.Add(pipe(client, server))
	up.Wait()
}

// pipe copies until from has nothing more, tells to so, and returns the number of bytes.
func pipe(to, from *net.TCPConn) int64 {
	n, _ := io.Copy(to, from) // a broken connection is an ended one
	_ = to.CloseWrite()
	return n
}

// take returns what went through since the last call. Connections are counted in full when they end, which they do
// when the measured command has.
func (r *relay) take() (traffic, error) {
	ended := make(chan struct{})
	go func() { r.open.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		return traffic{}, fmt.Errorf("counting bytes: a connection is still open")
	}
	return traffic{r.connections.Swap(0), r.received.Swap(0), r.sent.Swap(0)}, nil
}
