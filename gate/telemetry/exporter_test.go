package telemetry

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	collectorv1 "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	tracev1 "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/rolloutgate/rolloutgate/gate"
)

// receiver is a collector, as far as a client sees it. It reads requests by the types of OpenTelemetry's own service.
type receiver struct {
	*httptest.Server
	requests []*http.Request
	got      []*collectorv1.ExportTraceServiceRequest
	answer   func(w http.ResponseWriter, n int) // the n-th one, from 1; nil: all is well
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	c := &receiver{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			unpacked, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = unpacked
		}
		data, err := io.ReadAll(body)
		request := &collectorv1.ExportTraceServiceRequest{}
		if err != nil || proto.Unmarshal(data, request) != nil {
			t.Errorf("reading the request: %v", err)
		}
		c.requests, c.got = append(c.requests, r), append(c.got, request)
		if c.answer != nil {
			c.answer(w, len(c.got))
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// environment is made of pairs.
func environment(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func export(t *testing.T, ctx context.Context, pairs ...string) error {
	t.Helper()
	e, err := FromEnvironment(environment(pairs...))
	if err != nil || e == nil {
		t.Fatalf("FromEnvironment: %v, %v", e, err)
	}
	r, events := badRun()
	return e.Export(ctx, r, events)
}

func TestExport(t *testing.T) {
	c := newReceiver(t)
	err := export(t, t.Context(),
		"OTEL_EXPORTER_OTLP_ENDPOINT", c.URL+"/otlp/", "OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20b, x-team = shop",
		"OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "OTEL_SERVICE_NAME", "deploys", "OTEL_RESOURCE_ATTRIBUTES", "service.name=no,deployment.environment.name=pr%6fd",
		"TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "TRACESTATE", "vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	r := c.requests[0]
	if r.URL.Path != "/otlp/v1/traces" || r.Header.Get("Api-Key") != "a b" || r.Header.Get("X-Team") != "shop" || r.Header.Get("Content-Type") != "application/x-protobuf" {
		t.Errorf("%s %v", r.URL, r.Header)
	}
	resource := map[string]string{}
	for _, a := range c.got[0].ResourceSpans[0].Resource.Attributes {
		resource[a.Key] += a.Value.GetStringValue()
	}
	if resource["service.name"] != "deploys" || resource["service.version"] != "v1" || resource["deployment.environment.name"] != "prod" {
		t.Errorf("resource %v", resource)
	}
	spans := c.got[0].ResourceSpans[0].ScopeSpans[0].Spans
	report, events := badRun()
	want := Spans(report, events)
	if len(spans) != len(want) {
		t.Fatalf("%d spans, want %d", len(spans), len(want))
	}
	ids := map[string]bool{}
	for i, s := range spans {
		ids[hex.EncodeToString(s.SpanId)] = true
		parent := "b7ad6b7169203331"
		if want[i].Parent >= 0 {
			parent = hex.EncodeToString(spans[want[i].Parent].SpanId)
		}
		if hex.EncodeToString(s.TraceId) != "0af7651916cd43dd8448eb211c80319c" || hex.EncodeToString(s.ParentSpanId) != parent || s.TraceState != "vendor=1" {
			t.Errorf("span %d: %v", i, s)
		}
		if s.Name != want[i].Name || s.StartTimeUnixNano != uint64(want[i].Start.UnixNano()) || s.EndTimeUnixNano != uint64(want[i].End.UnixNano()) ||
			len(s.Attributes) != len(want[i].Attributes) || len(s.Events) != len(want[i].Events) {
			t.Errorf("span %d: %v, want %+v", i, s, want[i])
		}
		if failed := s.Status.GetCode() == tracev1.Status_STATUS_CODE_ERROR; failed != want[i].Failed || s.Status.GetMessage() != want[i].Error {
			t.Errorf("span %d: status %v", i, s.Status)
		}
	}
	if len(ids) != len(spans) {
		t.Errorf("%d ids for %d spans", len(ids), len(spans))
	}
}

// A run without a parent begins a trace, and the address for traces alone is taken as it is.
func TestExportAsRoot(t *testing.T) {
	c := newReceiver(t)
	err := export(t, t.Context(), "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", c.URL+"/here", "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1", "TRACEPARENT", "nonsense")
	if err != nil {
		t.Fatal(err)
	}
	root := c.got[0].ResourceSpans[0].ScopeSpans[0].Spans[0]
	if c.requests[0].URL.Path != "/here" || len(root.ParentSpanId) != 0 || bytes.Equal(root.TraceId, make([]byte, 16)) {
		t.Errorf("%s %v", c.requests[0].URL, root)
	}
}

func TestNotAsked(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, pairs := range map[string][]string{
		"nothing":   nil,
		"disabled":  {endpoint, "http://x", "OTEL_SDK_DISABLED", "true"},
		"none":      {endpoint, "http://x", "OTEL_TRACES_EXPORTER", "none"},
		"unsampled": {endpoint, "http://x", "TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
	} {
		if e, err := FromEnvironment(environment(pairs...)); e != nil || err != nil {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
}

func TestWrongVariables(t *testing.T) {
	const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	for want, pairs := range map[string][]string{
		"reading OTEL_EXPORTER_OTLP_ENDPOINT: it is not a URL":          {endpoint, "collector:4318"},
		"reading OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: it is not a URL":   {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://u:hunter2@x"},
		"reading OTEL_EXPORTER_OTLP_HEADERS: entry 2 is not KEY=VALUE":  {endpoint, "http://x", "OTEL_EXPORTER_OTLP_HEADERS", "a=b,hunter2"},
		"reading OTEL_RESOURCE_ATTRIBUTES: entry 1 is not KEY=VALUE":    {endpoint, "http://x", "OTEL_RESOURCE_ATTRIBUTES", "a=%zz"},
		`reading OTEL_EXPORTER_OTLP_TIMEOUT: "10s" is not a number`:     {endpoint, "http://x", "OTEL_EXPORTER_OTLP_TIMEOUT", "10s"},
		`reading OTEL_EXPORTER_OTLP_COMPRESSION: "zip" is neither`:      {endpoint, "http://x", "OTEL_EXPORTER_OTLP_COMPRESSION", "zip"},
		`OTEL_EXPORTER_OTLP_PROTOCOL is "grpc", and only http/protobuf`: {endpoint, "http://x", "OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
	} {
		_, err := FromEnvironment(environment(pairs...))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestExportFails(t *testing.T) {
	refused := func(w http.ResponseWriter, _ int) {
		http.Error(w, strings.Repeat("no", 10<<20), http.StatusUnauthorized)
	}
	partial := func(w http.ResponseWriter, _ int) {
		data, _ := proto.Marshal(&collectorv1.ExportTraceServiceResponse{PartialSuccess: &collectorv1.ExportTracePartialSuccess{RejectedSpans: 3, ErrorMessage: "too old"}})
		_, _ = w.Write(data)
	}
	for name, test := range map[string]struct {
		answer func(http.ResponseWriter, int)
		want   string
	}{
		"refused": {refused, "/v1/traces: 401 Unauthorized"},
		"partial": {partial, "has not taken 3 spans: too old"},
		"away": {func(w http.ResponseWriter, _ int) {
			http.Redirect(w, &http.Request{}, "http://127.0.0.1:1/", http.StatusFound)
		}, "302 Found"},
	} {
		c := newReceiver(t)
		c.answer = test.answer
		err := export(t, t.Context(), "OTEL_EXPORTER_OTLP_ENDPOINT", strings.Replace(c.URL, "//", "//ada:hunter2@", 1), "OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2")
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
		if user, password, _ := c.requests[0].BasicAuth(); user != "ada" || password != "hunter2" {
			t.Errorf("%s: sent as %s:%s", name, user, password)
		}
	}
}

func TestExportTriesAgain(t *testing.T) {
	c := newReceiver(t)
	c.answer = func(w http.ResponseWriter, n int) {
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
	if err := export(t, t.Context(), "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL); err != nil || len(c.got) != 3 {
		t.Errorf("%v after %d requests", err, len(c.got))
	}
	if !proto.Equal(c.got[0], c.got[2]) {
		t.Error("the third try has sent something else than the first")
	}
}

// A collector that hangs costs no more than the budget of whoever asks, and nobody who answers nothing is quoted.
func TestExportEnds(t *testing.T) {
	hold := make(chan struct{})
	c := newReceiver(t)
	c.answer = func(http.ResponseWriter, int) { <-hold }
	defer close(hold)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, context.DeadlineExceeded)
	defer cancel()
	err := export(t, ctx, "OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	if err == nil || !strings.Contains(err.Error(), "deadline exceeded") {
		t.Error(err)
	}
	err = export(t, t.Context(), "OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/?token=hunter2", "OTEL_EXPORTER_OTLP_TIMEOUT", "200")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "http://127.0.0.1:1/v1/traces") {
		t.Error(err)
	}
	var none gate.Report
	if spans := Spans(none, nil); len(spans) != 1 {
		t.Errorf("%d spans of no run", len(spans))
	}
}
