package analysis

import (
	"net/url"
	"slices"
	"strings"

	"github.com/theory/jsonpath"
	"go.yaml.in/yaml/v3"
)

// HTTPSpec asks an endpoint that is no Prometheus for a value.
type HTTPSpec struct {
	Endpoint
	method string // as it is written
}

// settingsKeys are the keys that say how an endpoint is reached, and by whom. Who owns the connection reads them.
var settingsKeys = []string{"headers", "basicAuth", "bearer", "oauth2", "tls", "proxyUrl"}

func readHTTP(d *decoder, value *yaml.Node) Question {
	h := &HTTPSpec{}
	h.Settings = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: value.Line, Column: value.Column}
	keys := []key{
		{"url", textKey("url", &h.URL)}, {"service", textKey("service", &h.Service)}, {"path", textKey("path", &h.Path)},
		{"jsonpath", textKey("jsonpath", &h.JSONPath)},
		{"value", choiceKey("value", &h.Value, EndpointBody, EndpointStatus)},
		{"method", textKey("method", &h.method)}, {"body", textKey("body", &h.Body)},
	}
	for _, name := range settingsKeys {
		keys = append(keys, key{name, func(_ *decoder, value *yaml.Node) {
			h.Settings.Content = append(h.Settings.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: value.Line, Column: value.Column}, value)
		}})
	}
	d.mapping(value, "http", keys)
	return h
}

// compile checks what can be checked without asking.
func (h *HTTPSpec) compile(s CriterionSpec, c *Criterion, vars Vars) error {
	e := h.Endpoint
	e.Criterion, e.File, e.Reduce = s.Name, s.File, s.Reduce
	e.Method = strings.ToUpper(h.method)
	if e.Method == "" {
		e.Method = "GET"
		if e.Body != "" {
			e.Method = "POST"
		}
	}
	for _, check := range []func(CriterionSpec, Vars) error{e.checkAddress, e.checkRequest, e.checkAnswer, e.checkKeys} {
		if err := check(s, vars); err != nil {
			return err
		}
	}
	s.bound(c)
	if s.limits() == 0 && c.Baseline == nil {
		return &hinted{"it has no limit", "add max, min or equal, such as max: 1000 or equal: true"}
	}
	c.Endpoint, c.Scope = &e, ScopeAll
	c.Query = e.text()
	return nil
}

// checkAddress looks where the question goes.
func (e *Endpoint) checkAddress(_ CriterionSpec, vars Vars) error {
	switch {
	case e.URL == "" && e.Service == "":
		return &hinted{"http has no url", "add url, such as https://shop.example.com/health, or service: NAMESPACE/NAME:PORT and path"}
	case e.URL != "" && e.Service != "":
		return &hinted{"http has both url and service", "keep one of them"}
	case e.URL != "" && e.Path != "":
		return &hinted{"path belongs to service", "write the path into the url"}
	case e.Path != "" && !strings.HasPrefix(e.Path, "/"):
		return &hinted{"path does not begin with /", "write it as /health"}
	}
	address, _, err := e.address(vars)
	if err != nil || e.Service != "" || strings.HasPrefix(e.URL, "${env.") {
		return err // what comes from the environment may be known only where the run is
	}
	return checkURL(address)
}

// checkURL refuses what is no URL of a web server, and credentials in the file.
func checkURL(text string) error {
	address, err := url.Parse(text)
	switch {
	case err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Hostname() == "":
		return &hinted{"url is not an http or https URL", "write it with its scheme, such as https://shop.example.com/health"}
	case address.User != nil:
		return &hinted{"url holds credentials", "a secret does not belong in a file: use basicAuth, or ${env.NAME} for the whole URL"}
	}
	return nil
}

// checkRequest looks at what is sent.
func (e *Endpoint) checkRequest(_ CriterionSpec, vars Vars) error {
	methods := []string{"GET", "POST", "PUT", "HEAD"}
	switch {
	case !slices.Contains(methods, e.Method):
		return &hinted{"method " + e.Method + " does not ask for a value", "write one of " + strings.Join(methods, ", ")}
	case e.Body != "" && (e.Method == "GET" || e.Method == "HEAD"):
		return &hinted{"a " + e.Method + " has no body", "write method: POST, or remove body"}
	case e.Method == "HEAD" && e.Value != EndpointStatus:
		return &hinted{"the answer to a HEAD has no body", "write value: status, or method: GET"}
	}
	if e.Service != "" && e.Method != "GET" && e.Method != "HEAD" {
		return &hinted{"a Service is asked through the API server, by GET or HEAD", "give the endpoint a url, or ask it by GET"}
	}
	_, _, err := e.body(vars)
	return err
}

// checkAnswer looks at what is read.
func (e *Endpoint) checkAnswer(CriterionSpec, Vars) error {
	if e.JSONPath == "" {
		return nil
	}
	if e.Value == EndpointStatus {
		return &hinted{"http has both jsonpath and value: status", "keep one of them: the status needs no path"}
	}
	if _, err := jsonpath.Parse(standardPath(e.JSONPath)); err != nil {
		return &hinted{"jsonpath is not a JSONPath: " + strings.TrimPrefix(err.Error(), "jsonpath: "),
			"write it as {.queue.depth} or $.queue.depth; a key with dots or dashes stands in brackets, as in {.labels['a.b']}"}
	}
	return nil
}

// checkKeys refuses the keys that are about series.
func (e *Endpoint) checkKeys(s CriterionSpec, _ Vars) error {
	switch {
	case s.Scope != "" && s.Scope != ScopeAll:
		return &hinted{"scope: " + string(s.Scope) + " has no meaning for http: an endpoint does not tell pods apart", "remove scope"}
	case len(s.Each) > 0:
		return &hinted{"each has no meaning for http: its values have no labels", "write one criterion for each value, or reduce"}
	case s.Baseline != "" && s.Baseline != BaselineBefore:
		return &hinted{"baseline: " + string(s.Baseline) + " has no meaning for http: an endpoint says nothing about the past", "use baseline: before, or max and min"}
	case s.Reduce != "" && e.Value == EndpointStatus:
		return &hinted{"reduce has no meaning for a status", "remove reduce"}
	}
	return nil
}
