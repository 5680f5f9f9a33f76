package main

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// answer serves one kind of conversation: it reads everything, then writes n bytes.
func answer(t *testing.T, n int) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = io.Copy(io.Discard, conn)
				_, _ = conn.Write(make([]byte, n))
			}()
		}
	}()
	return listener.Addr().String()
}

func converse(t *testing.T, address string, question []byte) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(question); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return len(got)
}

func TestRelayCountsBothDirections(t *testing.T) {
	r, err := newRelay(answer(t, 70_000))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	for range 2 {
		if n := converse(t, r.address(), bytes.Repeat([]byte("x"), 300)); n != 70_000 {
			t.Errorf("%d bytes came through, want 70000", n)
		}
	}
	for _, want := range []traffic{{connections: 2, received: 140_000, sent: 600}, {}} {
		got, err := r.take()
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("take: got %+v, want %+v", got, want)
		}
	}
}

func TestRelayClosesWhenTheServerIsGone(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := listener.Addr().String()
	listener.Close()
	r, err := newRelay(nobody)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	conn, err := net.Dial("tcp", r.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, _ := conn.Read(make([]byte, 1)); n != 0 {
		t.Error("got an answer from nobody")
	}
}
