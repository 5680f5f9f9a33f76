package telemetry

import (
	"slices"
	"time"

	commonv1 "go.opentelemetry.io/proto/slim/otlp/common/v1"
	resourcev1 "go.opentelemetry.io/proto/slim/otlp/resource/v1"
	tracev1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// scope names what has made the spans.
const scope = "github.com/rolloutgate/rolloutgate"

// encode makes the body of an OTLP request. TracesData has the form of ExportTraceServiceRequest, whose package would bring
// gRPC along, and with that half of this program's size again.
func encode(spans []Span, resource []Attribute, version string, parent Parent, read func([]byte)) ([]byte, error) {
	trace, ids := newIDs(parent, len(spans), read)
	encoded := make([]*tracev1.Span, len(spans))
	for i, s := range spans {
		encoded[i] = &tracev1.Span{
			TraceId: trace[:], SpanId: ids[i][:], ParentSpanId: parentOf(s, ids, parent), TraceState: parent.State,
			Flags: uint32(tracev1.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK) | sampled, Name: s.Name, Kind: tracev1.Span_SPAN_KIND_INTERNAL,
			StartTimeUnixNano: nanoseconds(s.Start), EndTimeUnixNano: nanoseconds(later(s.Start, s.End)),
			Attributes: keyValues(s.Attributes), Events: eventsOf(s),
		}
		if s.Parent < 0 && parent.Span != [8]byte{} {
			encoded[i].Flags |= uint32(tracev1.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
		}
		if s.Failed {
			encoded[i].Status = &tracev1.Status{Code: tracev1.Status_STATUS_CODE_ERROR, Message: s.Error}
		}
	}
	return proto.Marshal(&tracev1.TracesData{ResourceSpans: []*tracev1.ResourceSpans{{
		Resource: &resourcev1.Resource{Attributes: keyValues(resource)},
		ScopeSpans: []*tracev1.ScopeSpans{{
			Scope: &commonv1.InstrumentationScope{Name: scope, Version: version}, Spans: encoded,
		}},
	}}})
}

// sampled is the flag of a trace that is recorded.
const sampled = 1

func parentOf(s Span, ids [][8]byte, parent Parent) []byte {
	switch {
	case s.Parent >= 0:
		return ids[s.Parent][:]
	case parent.Span != [8]byte{}:
		return slices.Clone(parent.Span[:])
	}
	return nil
}

func eventsOf(s Span) []*tracev1.Span_Event {
	var all []*tracev1.Span_Event
	for _, e := range s.Events {
		all = append(all, &tracev1.Span_Event{TimeUnixNano: nanoseconds(e.Time), Name: e.Name, Attributes: keyValues(e.Attributes)})
	}
	return all
}

func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

// later is the end of a span, which is not before its beginning: the clock of the machine may have been set.
func later(start, end time.Time) time.Time {
	if end.Before(start) {
		return start
	}
	return end
}

func keyValues(attributes []Attribute) []*commonv1.KeyValue {
	var all []*commonv1.KeyValue
	for _, a := range attributes {
		all = append(all, &commonv1.KeyValue{Key: a.Key, Value: valueOf(a.Value)})
	}
	return all
}

func valueOf(value any) *commonv1.AnyValue {
	switch v := value.(type) {
	case string:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_StringValue{StringValue: v}}
	case int:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_IntValue{IntValue: int64(v)}}
	case float64:
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_DoubleValue{DoubleValue: v}}
	case []string:
		list := &commonv1.ArrayValue{}
		for _, s := range v {
			list.Values = append(list.Values, valueOf(s))
		}
		return &commonv1.AnyValue{Value: &commonv1.AnyValue_ArrayValue{ArrayValue: list}}
	}
	return nil
}

// rejected reads how many spans a collector has not taken, and why, out of its answer. An answer of another form says
// nothing.
func rejected(answer []byte) (spans int64, why string) {
	fields(answer, func(number protowire.Number, value []byte, _ uint64) {
		if number != 1 { // partial_success
			return
		}
		fields(value, func(number protowire.Number, value []byte, n uint64) {
			switch number {
			case 1:
				spans = int64(n)
			case 2:
				why = text(string(value))
			}
		})
	})
	return spans, why
}

// fields calls f for the fields of a message that are bytes or numbers.
func fields(message []byte, f func(number protowire.Number, value []byte, n uint64)) {
	for len(message) > 0 {
		number, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		switch kind {
		case protowire.BytesType:
			value, size := protowire.ConsumeBytes(message)
			if size < 0 {
				return
			}
			f(number, value, 0)
			message = message[size:]
		case protowire.VarintType:
			n, size := protowire.ConsumeVarint(message)
			if size < 0 {
				return
			}
			f(number, nil, n)
			message = message[size:]
		default:
			if size = protowire.ConsumeFieldValue(number, kind, message); size < 0 {
				return
			}
			message = message[size:]
		}
	}
}
