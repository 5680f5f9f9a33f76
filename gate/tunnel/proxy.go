package tunnel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const (
	// proxyTime bounds the question whether the API server's proxy leads to the Service.
	proxyTime = 5 * time.Second
	// maxProbe is how much of the answer to that question is read, in bytes.
	maxProbe = 64 << 10
)

const proxyWay = "through the API server's proxy"

// byProxy finds the way through the API server. With an error that has reached set, the route is valid, too.
func (c *Client) byProxy(ctx context.Context, s Service, apiPath string) (Route, error) {
	route, err := c.Proxy(s)
	if err != nil {
		return Route{}, &wayError{way: proxyWay, text: err.Error()}
	}
	route.URL += apiPath
	return route, probe(ctx, route.Transport, route.URL)
}

// Proxy is the way to a Service through the API server, whatever the Service speaks. Nobody is asked whether it leads
// there.
func (c *Client) Proxy(s Service) (Route, error) {
	network, err := rest.TransportFor(c.config)
	if err != nil {
		return Route{}, err
	}
	name := s.Name + ":" + s.Port
	if s.Scheme == "https" {
		name = "https:" + name
	}
	base := c.typed.CoreV1().RESTClient().Get().AbsPath("/api/v1/namespaces", s.Namespace, "services", name, "proxy").URL()
	way := &proxyTransport{next: network, base: base}
	address := strings.TrimRight(base.String(), "/")
	return Route{URL: address, Transport: way, How: "API server proxy", Close: func() { /* its connections are those of the client */ }}, nil
}

// proxyTransport sends requests to one Service by way of the API server, with the credentials of the kubeconfig. It
// sends them nowhere else: a redirect could lead to another address of the API server.
type proxyTransport struct {
	next http.RoundTripper
	base *url.URL
}

func (t *proxyTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	inside := path.Clean(req.URL.Path) + "/"
	if req.URL.Scheme != t.base.Scheme || req.URL.Host != t.base.Host || !strings.HasPrefix(inside, strings.TrimRight(t.base.Path, "/")+"/") {
		return nil, fmt.Errorf("the API server's proxy was to be left for %s://%s%s", req.URL.Scheme, req.URL.Host, req.URL.Path)
	}
	for name := range req.Header {
		if name == "Authorization" || name == "Cookie" || strings.HasPrefix(name, "Impersonate-") {
			return nil, fmt.Errorf("the header %s cannot pass the API server, which would take it for its own", name)
		}
	}
	return t.next.RoundTrip(req)
}

// probe asks for the constant 1. It is a GET, since a POST would need other rights.
func probe(ctx context.Context, way http.RoundTripper, address string) error {
	ctx, cancel := context.WithTimeout(ctx, proxyTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/v1/query?query=1", nil)
	if err != nil {
		return &wayError{way: proxyWay, text: err.Error()}
	}
	resp, err := way.RoundTrip(req) // not by a client, which would follow redirects
	if err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %s", proxyTime)
		}
		return &wayError{way: proxyWay, text: oneLine(err.Error())}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxProbe))
	if err != nil {
		return &wayError{way: proxyWay, text: oneLine(err.Error())}
	}
	return checkAnswer(resp, body)
}

// checkAnswer says what the answer to the probe means; nil is an answer of Prometheus.
func checkAnswer(resp *http.Response, body []byte) error {
	var answer struct{ Kind, Status, ErrorType, Message, Reason string }
	_ = json.Unmarshal(body, &answer) // what is no JSON is neither
	e := &wayError{way: proxyWay, text: fmt.Sprintf("%d %s", resp.StatusCode, http.StatusText(resp.StatusCode))}
	fromAPIServer := answer.Kind == "Status"
	if fromAPIServer && answer.Message != "" {
		e.text = oneLine(answer.Message)
	}
	switch {
	case resp.StatusCode == http.StatusOK && answer.Status == "success", answer.Status == "error" && answer.ErrorType != "":
		return nil // what is wrong in an error, the first query says better
	case resp.StatusCode == http.StatusUnauthorized, resp.StatusCode == http.StatusForbidden:
		e.denied, e.reached = fromAPIServer, !fromAPIServer
		return e
	case fromAPIServer && answer.Reason == string(metav1.StatusReasonNotFound):
		e.final, e.hint = true, "check the namespace and the name of the Service, and that pods stand behind it"
		return e
	case strings.Contains(e.text, "server gave HTTP response to HTTPS client"), strings.Contains(e.text, "first record does not look like a TLS handshake"):
		e.final, e.hint = true, "the Service does not speak TLS: write it without https:"
		return e
	case strings.Contains(string(body), "HTTP request to an HTTPS server"):
		e.final, e.hint = true, "the Service speaks TLS: write https: before it"
		return e
	case fromAPIServer, resp.StatusCode >= 500:
		return e
	}
	e.text = "something answers, but not as Prometheus: " + e.text
	e.final, e.hint = true, "check the port of the Service, and give the path if its API has a prefix"
	return e
}

// oneLine makes text of others fit for a line.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > 300 {
		text = string(runes[:300]) + "..."
	}
	return strings.Join(strings.Fields(text), " ")
}
