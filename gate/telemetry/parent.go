package telemetry

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// Parent is the span that a run belongs to, in the trace of whoever has started it. The zero value begins a trace.
type Parent struct {
	Trace [16]byte
	Span  [8]byte
	// State is what other tracing systems have to say, and is handed on.
	State string
	// Unsampled says that the trace is not recorded, and neither is the run.
	Unsampled bool
}

// maxState is how long a TRACESTATE may be that is handed on, in bytes: that of the W3C's recommendation.
const maxState = 512

// ParseParent reads TRACEPARENT and TRACESTATE, which have the form of the W3C's headers of the same names. What is not
// of that form is no parent.
func ParseParent(traceparent, tracestate string) (Parent, bool) {
	fields := strings.Split(strings.TrimSpace(traceparent), "-")
	if len(fields) < 4 || len(fields[0]) != 2 || fields[0] == "ff" || fields[0] == "00" && len(fields) != 4 {
		return Parent{}, false
	}
	p := Parent{}
	strange := func(r rune) bool { return r < ' ' || r > '~' }
	if state := strings.TrimSpace(tracestate); len(state) <= maxState && !strings.ContainsFunc(state, strange) { // half of one is none
		p.State = state
	}
	var flags [1]byte
	for i, into := range [][]byte{nil, p.Trace[:], p.Span[:], flags[:]} {
		field := fields[i]
		if field != strings.ToLower(field) {
			return Parent{}, false
		}
		bytes, err := hex.DecodeString(field)
		if err != nil || i > 0 && copy(into, bytes) != len(bytes) || i > 0 && len(bytes) != len(into) {
			return Parent{}, false
		}
	}
	p.Unsampled = flags[0]&1 == 0
	return p, p.Trace != [16]byte{} && p.Span != [8]byte{}
}

// newTrace makes the ids of a trace and of its spans; read is where random bytes come from.
func newIDs(parent Parent, spans int, read func([]byte)) (trace [16]byte, ids [][8]byte) {
	trace = parent.Trace
	if trace == [16]byte{} {
		read(trace[:])
	}
	ids = make([][8]byte, spans)
	for i := range ids {
		read(ids[i][:])
	}
	return trace, ids
}

// random fills b. It does not fail: Go ends the program of a machine without random numbers.
func random(b []byte) { _, _ = rand.Read(b) }
