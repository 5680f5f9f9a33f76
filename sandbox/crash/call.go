package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Resources that are no part of what is rolled out.
const (
	leases  = "leases"
	secrets = "secrets" // records are among them
)

// call is what one request asks of the API server.
type call struct {
	Verb     string `json:"verb"`   // the HTTP method
	Object   string `json:"object"` // RESOURCE/NAME, or RESOURCE alone where the name is in the body
	resource string
	write    bool // it changes something
	watch    bool
}

// callOf reads a request. Dry-runs change nothing, and neither do reviews, which are posted to be answered.
func callOf(method string, u *url.URL) call {
	parts := strings.Split(strings.Trim(u.Path, "/"), "/")
	var group string
	switch {
	case len(parts) >= 3 && parts[0] == "apis":
		group, parts = parts[1], parts[3:]
	case len(parts) >= 2 && parts[0] == "api":
		parts = parts[2:]
	}
	if len(parts) >= 3 && parts[0] == "namespaces" {
		parts = parts[2:]
	}
	c := call{Verb: method, Object: strings.Join(parts, "/")}
	if len(parts) > 0 {
		c.resource = parts[0]
	}
	query := u.Query()
	c.watch = method == http.MethodGet && (query.Get("watch") == "true" || query.Get("watch") == "1")
	c.write = slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, method) &&
		query.Get("dryRun") == "" && group != "authorization.k8s.io" && group != "authentication.k8s.io"
	return c
}

// triesDelete tells that a request to delete something is a dry-run: a client says that in the body.
func triesDelete(request *http.Request) bool {
	if request.Method != http.MethodDelete || request.Body == nil {
		return false
	}
	body, err := io.ReadAll(request.Body)
	request.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
	var options struct {
		DryRun []string `json:"dryRun"`
	}
	return json.Unmarshal(body, &options) == nil && len(options.DryRun) > 0
}

// failing ends a body as it ended when it was read first.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, cmp.Or(f.err, io.EOF) }

// anyTime tells that a write comes when its time has come, whatever the run is doing: the renewal of a lease.
func (c call) anyTime() bool { return c.resource == leases && c.Verb == http.MethodPatch }

// kept tells that a write is about what a run keeps of itself, its lease or its record, and not about what it rolls out.
// What it rolls out is applied, so the name stands in the address.
func (c call) kept() bool {
	_, name, named := strings.Cut(c.Object, "/")
	return c.resource == leases || c.resource == secrets && (!named || strings.HasPrefix(name, "rolloutgate-"))
}

func (c call) String() string { return c.Verb + " " + c.Object }
