package node

import (
	"encoding/binary"
	"fmt"
	"net"
)

// listenNames takes the address that pods ask for names. Something must answer there: silence would turn each wrong host
// name into seconds of waiting and a message about a timeout, where a cluster says "no such host" at once.
func listenNames(address string) (net.PacketConn, error) {
	conn, err := net.ListenPacket("udp", net.JoinHostPort(address, "53"))
	if err != nil {
		return nil, fmt.Errorf("listening for lookups: %w", err)
	}
	return conn, nil
}

// answerNames tells everyone that the name does not exist, until conn is closed.
func answerNames(conn net.PacketConn) {
	query := make([]byte, 1500)
	for {
		n, from, err := conn.ReadFrom(query)
		if err != nil {
			return
		}
		if answer := noSuchName(query[:n]); answer != nil {
			conn.WriteTo(answer, from)
		}
	}
}

// noSuchName makes the answer to a query with one question, in the format of RFC 1035 section 4.1: the header, with bits
// for an answer and for the result changed, and the question again. It returns nil for what is not such a query.
func noSuchName(query []byte) []byte {
	const header = 12
	if len(query) < header || query[2]&0x80 != 0 || binary.BigEndian.Uint16(query[4:]) != 1 {
		return nil
	}
	end := header
	for end < len(query) && query[end] != 0 {
		end += 1 + int(query[end]) // a label is its length, then its letters
	}
	end += 1 + 2 + 2 // the empty label of the root, type and class
	if end > len(query) {
		return nil
	}
	answer := append([]byte(nil), query[:end]...)
	answer[2] |= 0x84                                // an answer, and an authoritative one
	answer[3] = 0x83                                 // recursion available; no such name
	copy(answer[6:header], []byte{0, 0, 0, 0, 0, 0}) // no records follow
	return answer
}
