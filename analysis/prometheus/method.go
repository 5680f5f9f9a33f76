package prometheus

import (
	"bytes"
	"io"
	"net/http"
	"sync/atomic"
)

// maxGET is up to which length of the URL, in bytes, a query is sent as GET.
// Many servers and proxies refuse lines above 8 KiB.
const maxGET = 7 << 10

// getFirst sends as GET what client_golang POSTs. An API server wants other
// rights for a POST through its proxy than for a GET, and proxies that only
// let reads pass know them by their method.
//
// A query that is too long for a URL stays a POST. Where GET is refused, the
// POST is tried once, and remembered if it works.
type getFirst struct {
	next     http.RoundTripper
	postOnly atomic.Bool
}

func (g *getFirst) RoundTrip(req *http.Request) (*http.Response, error) {
	tries, _ := req.Context().Value(trailKey{}).(*trail)
	if tries != nil && tries.refused != nil && req.Method == http.MethodGet {
		return tries.refused.answer(req), nil // client_golang tries GET after a refused POST: it was tried already
	}
	get := g.asGET(req)
	if get == nil {
		return g.next.RoundTrip(req)
	}
	resp, err := g.next.RoundTrip(get)
	if err != nil || !refusesMethod(resp.StatusCode) {
		req.Body.Close()
		return resp, err
	}
	refused := keep(resp)
	resp, err = g.next.RoundTrip(req)
	switch {
	case err != nil:
		return nil, err
	case !refusesMethod(resp.StatusCode):
		g.postOnly.Store(true)
	case tries != nil:
		tries.refused = refused
	}
	return resp, nil
}

// asGET returns the same query as GET, or nil if it is none that should be one.
func (g *getFirst) asGET(req *http.Request) *http.Request {
	if req.Method != http.MethodPost || req.GetBody == nil || g.postOnly.Load() {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	form, err := io.ReadAll(body)
	if err != nil {
		return nil
	}
	get := req.Clone(req.Context())
	get.Method, get.Body, get.GetBody, get.ContentLength = http.MethodGet, nil, nil, 0
	get.Header.Del("Content-Type")
	get.URL.RawQuery = string(form) // it repeats the parameters of the address
	if len(get.URL.String()) > maxGET {
		return nil
	}
	return get
}

// refusesMethod are the answers after which client_golang tries the other method.
func refusesMethod(status int) bool {
	return status == http.StatusForbidden || status == http.StatusMethodNotAllowed || status == http.StatusNotImplemented
}

// refusal is an answer that may be wanted once more.
type refusal struct {
	resp *http.Response
	body []byte
}

func keep(resp *http.Response) *refusal {
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10)) // of a cut text the beginning is good enough
	return &refusal{resp, body}
}

func (r *refusal) answer(req *http.Request) *http.Response {
	resp := *r.resp
	resp.Request = req
	resp.Body = io.NopCloser(bytes.NewReader(r.body))
	resp.ContentLength = int64(len(r.body))
	return &resp
}
