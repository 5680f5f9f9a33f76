package analysis

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Fetcher asks endpoints. It is declared here because this package is the one that calls it.
type Fetcher interface {
	// Fetch sends one question, and the same again where that can help, until ctx is done. A failure that the server or
	// the network caused is a *QueryError; so is, unless AnyStatus is set, each status but 2xx.
	Fetch(ctx context.Context, r Request) (Response, error)
}

// Request is a question to an endpoint, with all variables filled in.
type Request struct {
	Criterion string // whose question it is
	Method    string
	Address   string // a URL, or the path behind a Service
	Body      string
	AnyStatus bool     // the status is the answer
	Secrets   []string // parts of it that must not be repeated
}

// Response is what an endpoint answered.
type Response struct {
	Status int
	Body   []byte
}

// EndpointValue says what of an answer is the value.
type EndpointValue string

// The parts of an answer; "" is EndpointBody.
const (
	EndpointBody   EndpointValue = "body"   // the body, or what a path finds in it
	EndpointStatus EndpointValue = "status" // the status code
)

// SourceEndpoint is the source of a result that no Prometheus has answered.
const SourceEndpoint = "endpoint"

// Endpoint is where a value is found that Prometheus does not know. URL, Path and Body may hold variables.
type Endpoint struct {
	Criterion string // whose it is
	URL       string
	// Service is a Service in the cluster, as "namespace/name:port", with "https:" before it if it speaks TLS, and Path
	// the path behind it, instead of URL.
	Service, Path string
	JSONPath      string // what in the answer is the value; empty: the whole body
	Value         EndpointValue
	Method, Body  string
	Reduce        string // makes one value of several
	// Settings are the keys about credentials and certificates, as they stand in the file named File.
	Settings *yaml.Node
	File     string
}

// text is the question with its variables, for reports.
func (e *Endpoint) text() string {
	where := e.URL
	if e.Service != "" {
		where = e.Service + e.Path
	}
	text := e.Method + " " + where
	switch {
	case e.JSONPath != "":
		text += " " + e.JSONPath
	case e.Value == EndpointStatus:
		text += " (status)"
	}
	return oneLine(text)
}

// display is text with its variables filled in, but for those of the environment, which may be secret.
func (e *Endpoint) display(vars Vars) string {
	shown := *e
	keep := func(name, value, _ string) (string, error) {
		if strings.HasPrefix(name, "env.") {
			return "${" + name + "}", nil
		}
		return value, nil
	}
	for _, part := range []*string{&shown.URL, &shown.Path} {
		if filled, err := vars.fill(*part, keep); err == nil {
			*part = filled
		}
	}
	return shown.text()
}

// nothing says that there was no value in an answer.
func (e *Endpoint) nothing() string {
	if e.JSONPath == "" {
		return "the answer is null"
	}
	return "the path " + e.JSONPath + " finds nothing in the answer"
}

// request fills the variables in.
func (e *Endpoint) request(vars Vars) (Request, error) {
	address, secrets, err := e.address(vars)
	if err != nil {
		return Request{}, err
	}
	body, more, err := e.body(vars)
	if err != nil {
		return Request{}, err
	}
	return Request{
		Criterion: e.Criterion, Method: e.Method, Address: address, Body: body,
		AnyStatus: e.Value == EndpointStatus, Secrets: append(secrets, more...),
	}, nil
}

// inHost is what a variable may hold that stands in the name of a host: it must not lead anywhere else.
var inHost = regexp.MustCompile(`^[A-Za-z0-9.-]+(:[0-9]+)?$`)

// address is the URL, or the path behind the Service, and the values of the environment in it.
func (e *Endpoint) address(vars Vars) (address string, secrets []string, err error) {
	text := e.URL
	if e.Service != "" {
		text = "service" + e.Path // so that the path is not taken for a host
	}
	address, err = vars.fill(text, func(name, value, before string) (string, error) {
		own := strings.HasPrefix(name, "env.") || strings.HasPrefix(name, "vars.")
		if strings.HasPrefix(name, "env.") {
			secrets = append(secrets, value)
		}
		_, rest, absolute := strings.Cut(before, "://")
		switch {
		case before == "" && own:
			return value, nil // the whole URL, or its beginning
		case strings.Contains(before, "?"):
			return url.QueryEscape(value), nil
		case e.Service != "" || absolute && strings.Contains(rest, "/") || !absolute && strings.Contains(before, "/"):
			return url.PathEscape(value), nil
		case !inHost.MatchString(value):
			return "", &hinted{fmt.Sprintf("the value of ${%s} cannot be part of the name of a host", name), "write the host, and the variable behind it"}
		}
		return value, nil
	})
	if e.Service != "" {
		address = strings.TrimPrefix(address, "service")
	}
	return address, secrets, err
}

// body is what is sent. Values are quoted as for a text in JSON.
func (e *Endpoint) body(vars Vars) (body string, secrets []string, err error) {
	body, err = vars.fill(e.Body, func(name, value, _ string) (string, error) {
		if strings.HasPrefix(name, "env.") {
			secrets = append(secrets, value)
		}
		quoted, err := json.Marshal(value)
		if err != nil {
			return "", err
		}
		return string(quoted[1 : len(quoted)-1]), nil
	})
	return body, secrets, err
}

// fill replaces each ${name} in a text that is no query by what put makes of its value; before is the text before it.
// "$${" stands for a literal "${".
func (v Vars) fill(text string, put func(name, value, before string) (string, error)) (string, error) {
	var out strings.Builder
	for {
		at := strings.Index(text, "${")
		if at < 0 {
			out.WriteString(text)
			return out.String(), nil
		}
		if at > 0 && text[at-1] == '$' {
			out.WriteString(text[:at-1] + "${")
			text = text[at+2:]
			continue
		}
		out.WriteString(text[:at])
		name, rest, closed := strings.Cut(text[at+2:], "}")
		if !closed {
			return "", &hinted{"a variable is not closed: " + strconv.Quote(text[at:]), "write ${name}, or $${ for a literal ${"}
		}
		value, class, err := v.lookup(name)
		switch {
		case err != nil:
			return "", err
		case class == pattern:
			return "", &hinted{fmt.Sprintf("the variable ${%s} is a regular expression", name), "it is for queries; an endpoint does not tell pods apart"}
		}
		if value, err = put(name, value, out.String()); err != nil {
			return "", err
		}
		out.WriteString(value)
		text = rest
	}
}
