// Package tunnel finds a way to a Service inside the cluster, for a Prometheus that nobody can reach from outside.
//
// Takes: a rest.Config and the name of a Service. Returns: a route with a URL and an http.RoundTripper. Never: opens a
// port on this machine, sends the credentials of the kubeconfig to anything but the API server, or follows a redirect.
package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Client finds ways into one cluster. It is safe for concurrent use.
type Client struct {
	config *rest.Config
	typed  kubernetes.Interface
}

// New returns a client for the cluster of config. It does not connect.
func New(config *rest.Config) (*Client, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = -1, -1 // the API server's own limits are enough
	typed, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("building the client for tunnels: %w", err)
	}
	return &Client{config: config, typed: typed}, nil
}

// isDenied tells whether the API server refused because of who asks.
func isDenied(err error) bool { return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) }

// Service names a Service that speaks HTTP, and one of its ports.
type Service struct {
	Scheme          string // what its pods speak: "http" or "https"
	Namespace, Name string
	Port            string // number or name, of the Service

	// NoProxy says why the API server's proxy must not carry the requests, for example because it would take their
	// credentials for its own. Empty: it may.
	NoProxy string
}

// String is the form that [ParseService] reads.
func (s Service) String() string {
	text := s.Namespace + "/" + s.Name + ":" + s.Port
	if s.Scheme == "https" {
		return "https:" + text
	}
	return text
}

// ParseService reads "namespace/name:port", with "https:" before it if the Service speaks TLS. The port is a number or
// a name. The error ends with a hint.
func ParseService(text string) (Service, error) {
	s := Service{Scheme: "http"}
	rest, secure := strings.CutPrefix(text, "https:")
	if secure {
		s.Scheme = "https"
	} else {
		rest = strings.TrimPrefix(rest, "http:")
	}
	namespace, rest, hasNamespace := strings.Cut(rest, "/")
	name, port, hasPort := strings.Cut(rest, ":")
	s.Namespace, s.Name, s.Port = namespace, name, port
	wrong := ""
	switch {
	case strings.HasPrefix(rest, "/"):
		wrong = "it is a URL"
	case !hasNamespace:
		wrong = "it has no namespace"
	case len(validation.IsDNS1123Label(namespace)) > 0:
		wrong = fmt.Sprintf("%q cannot be the name of a namespace", namespace)
	case len(validation.IsDNS1123Label(name)) > 0:
		wrong = fmt.Sprintf("%q cannot be the name of a Service", name)
	case !hasPort:
		wrong = "it has no port"
	case !isPort(port):
		wrong = fmt.Sprintf("%q cannot be a port", port)
	}
	if wrong != "" {
		return Service{}, fmt.Errorf("reading the Service %q: %s\n  hint: write it as namespace/name:port, such as monitoring/prometheus-operated:9090, with https: before it if it speaks TLS", text, wrong)
	}
	return s, nil
}

func isPort(text string) bool {
	if n, err := strconv.Atoi(text); err == nil {
		return len(validation.IsValidPortNum(n)) == 0
	}
	return len(validation.IsValidPortName(text)) == 0
}

// Route is a way to a Service from outside of the cluster.
type Route struct {
	// URL is where the API of the Service is, for requests by Transport.
	URL string

	// Transport sends requests that way, and only there. On the way through the API server it adds the credentials of
	// the kubeconfig, and refuses requests that have credentials of their own.
	Transport http.RoundTripper

	// Dial opens connections to the Service by port-forward, for a transport with TLS settings of its own. It is nil on
	// the way through the API server, which speaks TLS with the Service itself.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	How  string // "API server proxy" or "port-forward to pod NAME"
	Note string // why it is not the usual way; empty if it is

	// Close ends the tunnel and closes idle connections.
	Close func()
}

// Reach finds a way to a Service and proves that something answers there: the API server's proxy, which must answer
// below path as Prometheus does, or else a port-forward to one of the Service's ready pods. A port-forward that breaks
// is opened anew, to another pod if there is one, by the next request.
//
// The route outlives ctx, until its Close. The error says what was tried, and ends with a hint.
func (c *Client) Reach(ctx context.Context, s Service, path string) (Route, error) {
	if path = strings.Trim(path, "/"); path != "" {
		path = "/" + path
	}
	if s.NoProxy != "" {
		route, err := c.byPortForward(ctx, s, path)
		if err != nil {
			return Route{}, unreached(s, s.NoProxy, err)
		}
		route.Note = s.NoProxy
		return route, nil
	}
	proxied, err := c.byProxy(ctx, s, path)
	if err == nil {
		return proxied, nil
	}
	var refused *wayError
	if !errors.As(err, &refused) || refused.final {
		return Route{}, unreached(s, "", err)
	}
	tunnelled, second := c.byPortForward(ctx, s, path)
	switch {
	case second == nil:
		tunnelled.Note = "the API server's proxy did not do: " + refused.text
		return tunnelled, nil
	case refused.reached: // with the right credentials it may answer
		proxied.Note = refused.text
		return proxied, nil
	}
	return Route{}, unreached(s, "", err, second)
}

// wayError is a way that does not lead to the Service.
type wayError struct {
	way     string
	text    string
	hint    string
	denied  bool // this account may not go there
	final   bool // no other way would lead further
	reached bool // something behind the proxy answered
}

func (e *wayError) Error() string { return e.way + ": " + e.text }

// unreached joins why no way leads to the Service.
func unreached(s Service, why string, ways ...error) error {
	var tried []string
	hint := "check that the Service has ready pods, and that the port is the one of its API"
	var denied []string
	for _, err := range ways {
		tried = append(tried, err.Error())
		var w *wayError
		if errors.As(err, &w) {
			if w.denied {
				denied = append(denied, w.way)
			}
			if w.hint != "" {
				hint = w.hint
			}
		}
	}
	if len(denied) > 0 {
		hint = "give this account, in the namespace " + s.Namespace + ", "
		if slices.Contains(denied, proxyWay) {
			hint += "either get services/proxy, or "
		}
		hint += "create pods/portforward, get services and list endpointslices.discovery.k8s.io"
	}
	text := fmt.Sprintf("reaching the Service %s: %s", s, strings.Join(tried, "; "))
	if why != "" {
		text += " (" + why + ")"
	}
	err := errors.New(text + "\n  hint: " + hint)
	if len(denied) > 0 {
		return &deniedError{err, apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, s.Name, err)}
	}
	return err
}

// deniedError is a Service to which no way leads because this account may not take one of them.
type deniedError struct {
	error
	denial *apierrors.StatusError
}

// Unwrap lets whoever asks see what kind of error it is.
func (e *deniedError) Unwrap() error { return e.denial }
