package telemetry

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

// Exporter sends traces by OTLP over HTTP. It is made of the variables that OpenTelemetry gives a name to.
type Exporter struct {
	address  address
	headers  http.Header
	timeout  time.Duration
	files    Certificates
	gzip     bool
	resource []Attribute
	parent   Parent
	random   func([]byte)
}

// defaultTimeout is that of OpenTelemetry.
const defaultTimeout = 10 * time.Second

// FromEnvironment reads the variables. Nil: nobody asked for a trace, or the pipeline that has started the run does not
// record its own. They are meant for every program of a job, so what is wrong with them is an error for a warning.
func FromEnvironment(getenv func(string) string) (*Exporter, error) {
	of := func(name string) string { // those for traces alone come first
		return cmp.Or(getenv("OTEL_EXPORTER_OTLP_TRACES_"+name), getenv("OTEL_EXPORTER_OTLP_"+name))
	}
	if of("ENDPOINT") == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || !listed(getenv("OTEL_TRACES_EXPORTER"), "otlp") {
		return nil, nil
	}
	parent, ok := ParseParent(getenv("TRACEPARENT"), getenv("TRACESTATE"))
	if ok && parent.Unsampled {
		return nil, nil
	}
	if !ok {
		parent = Parent{}
	}
	e := &Exporter{
		parent: parent, timeout: defaultTimeout, random: random,
		files: Certificates{CA: of("CERTIFICATE"), Certificate: of("CLIENT_CERTIFICATE"), Key: of("CLIENT_KEY")},
	}
	if protocol := of("PROTOCOL"); protocol != "" && protocol != "http/protobuf" {
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q, and only http/protobuf is known here", protocol)
	}
	var errs [5]error
	e.address, errs[0] = endpoint(getenv)
	e.headers, errs[1] = headers(of("HEADERS"))
	e.timeout, errs[2] = milliseconds(of("TIMEOUT"))
	e.gzip, errs[3] = compressed(of("COMPRESSION"))
	e.resource, errs[4] = resource(getenv)
	if e.address.user != "" && e.headers.Get("Authorization") == "" {
		r := http.Request{Header: e.headers}
		r.SetBasicAuth(e.address.user, e.address.password)
	}
	return e, errors.Join(errs[:]...)
}

// listed tells whether a list with commas has a word; an empty one has all.
func listed(list, word string) bool {
	words := strings.Split(strings.ReplaceAll(list, " ", ""), ",")
	return list == "" || slices.Contains(words, word)
}

// endpoint is where traces go: the address for traces as it is, or below the one for all signals.
func endpoint(getenv func(string) string) (address, error) {
	name := "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	raw := getenv(name)
	if raw == "" {
		name = "OTEL_EXPORTER_OTLP_ENDPOINT"
		u, err := url.Parse(getenv(name))
		if err != nil {
			return address{}, fmt.Errorf("reading %s: it is not a URL", name) // it may have a password
		}
		raw = u.JoinPath("v1", "traces").String()
	}
	a, err := parseAddress(raw)
	if err != nil {
		return a, fmt.Errorf("reading %s: %w", name, err)
	}
	return a, nil
}

// headers reads a list as "api-key=abc,team=shop", with percent signs for what cannot stand in it.
func headers(list string) (http.Header, error) {
	all := http.Header{}
	err := pairs(list, func(key, value string) { all.Set(key, value) })
	if err != nil {
		return all, fmt.Errorf("reading OTEL_EXPORTER_OTLP_HEADERS: %w", err)
	}
	return all, nil
}

func resource(getenv func(string) string) ([]Attribute, error) {
	name := getenv("OTEL_SERVICE_NAME")
	var all []Attribute
	err := pairs(getenv("OTEL_RESOURCE_ATTRIBUTES"), func(key, value string) {
		if key != "service.name" {
			all = append(all, Attribute{key, value})
		} else {
			name = cmp.Or(name, value)
		}
	})
	if err != nil {
		err = fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	return append([]Attribute{{"service.name", cmp.Or(name, "rolloutgate")}}, all...), err
}

// pairs reads a list of KEY=VALUE. Its errors do not repeat it.
func pairs(list string, f func(key, value string)) error {
	for i, pair := range strings.Split(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		decoded, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || key == "" || err != nil || strings.ContainsAny(decoded, "\r\n") {
			return fmt.Errorf("entry %d is not KEY=VALUE", i+1)
		}
		f(key, decoded)
	}
	return nil
}

func milliseconds(text string) (time.Duration, error) {
	if text == "" {
		return defaultTimeout, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n <= 0 {
		return defaultTimeout, fmt.Errorf("reading OTEL_EXPORTER_OTLP_TIMEOUT: %q is not a number of milliseconds", text)
	}
	return time.Duration(n) * time.Millisecond, nil
}

func compressed(text string) (bool, error) {
	switch text {
	case "", "none":
		return false, nil
	case "gzip":
		return true, nil
	}
	return false, fmt.Errorf("reading OTEL_EXPORTER_OTLP_COMPRESSION: %q is neither gzip nor none", text)
}

// Export sends the trace of a run, and returns when the collector has it or ctx ends.
func (e *Exporter) Export(ctx context.Context, r gate.Report, events []gate.Event) error {
	about := slices.Clone(e.resource)
	if !slices.ContainsFunc(about, func(a Attribute) bool { return a.Key == "service.version" }) {
		about = append(about, Attribute{"service.version", r.Run.Version})
	}
	body, err := encode(Spans(r, events), about, r.Run.Version, e.parent, e.random)
	if err != nil {
		return err
	}
	client, err := newClient(e.files)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	return e.send(ctx, client, body)
}

func (e *Exporter) send(ctx context.Context, client *http.Client, body []byte) error {
	header := e.headers.Clone()
	header.Set("Content-Type", "application/x-protobuf")
	header.Set("User-Agent", "rolloutgate")
	if e.gzip {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(body) // into memory
		_ = w.Close()
		body = packed.Bytes()
		header.Set("Content-Encoding", "gzip")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, e.address.url, bytes.NewReader(body))
	if err != nil {
		return why(err)
	}
	request.Header = header
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("sending it to %s: %w", e.address.shown, cmp.Or(context.Cause(ctx), why(err)))
	}
	defer response.Body.Close()
	answer, _ := io.ReadAll(response.Body) // what there is of it
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("sending it to %s: %s", e.address.shown, response.Status)
	}
	if n, why := rejected(answer); n > 0 {
		return fmt.Errorf("%s has not taken %d spans: %s", e.address.shown, n, why)
	}
	return nil
}
