package node

import (
	"bytes"
	"context"
	"errors"
	"net"
	"testing"
)

func TestNoSuchName(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go answerNames(conn)
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	_, err = resolver.LookupHost(t.Context(), "db.prod.svc.cluster.local.")
	var wrong *net.DNSError
	if !errors.As(err, &wrong) || !wrong.IsNotFound || wrong.IsTimeout {
		t.Errorf("the lookup ends with %v, want no such host", err)
	}
}

func FuzzNoSuchName(f *testing.F) {
	f.Add([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01\x02db\x00\x00\x01\x00\x01 more"))
	f.Add([]byte("\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff"))
	f.Fuzz(func(t *testing.T, query []byte) {
		answer := noSuchName(query)
		if answer == nil {
			return
		}
		if !bytes.Equal(answer[:2], query[:2]) || answer[3]&0x0f != 3 || !bytes.HasPrefix(query[12:], answer[12:]) {
			t.Errorf("%x is no answer to %x", answer, query)
		}
	})
}
