package prometheus

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// redactor removes credentials from text of others: a server may repeat what
// it was sent. It learns: a token that is renewed while the client runs is
// added when it is first used. The zero value knows no secret yet.
type redactor struct {
	mu       sync.Mutex
	known    []string // the longest first, so that no part of one is left over
	replacer *strings.Replacer
}

// add remembers secrets. Those below four characters are left out, because
// replacing them would only garble the text.
func (r *redactor) add(secrets ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := len(r.known)
	for _, s := range secrets {
		quoted, _ := json.Marshal(s) // a string always can be
		for _, form := range []string{s, url.QueryEscape(s), url.PathEscape(s), string(quoted[1 : len(quoted)-1])} {
			if len(s) >= 4 && !slices.Contains(r.known, form) {
				r.known = append(r.known, form)
			}
		}
	}
	if len(r.known) == before {
		return
	}
	slices.SortStableFunc(r.known, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	var pairs []string
	for _, s := range r.known {
		pairs = append(pairs, s, "(redacted)")
	}
	r.replacer = strings.NewReplacer(pairs...)
}

// addHeader remembers the value of a header, and what follows the scheme in it.
func (r *redactor) addHeader(value string) {
	_, token, _ := strings.Cut(value, " ")
	r.add(value, token)
}

// addURL remembers the password and the parameters of a URL.
func (r *redactor) addURL(address *url.URL) {
	if password, ok := address.User.Password(); ok {
		pair := address.User.Username() + ":" + password
		r.add(pair, password, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	for _, values := range address.Query() {
		r.add(values...)
	}
}

func (r *redactor) replace(text string) string {
	r.mu.Lock()
	replacer := r.replacer
	r.mu.Unlock()
	if replacer == nil {
		return text
	}
	return replacer.Replace(text)
}

// recorder tells the redactor which credentials are really sent, whoever
// added them to the request. It stands directly before the network.
type recorder struct {
	secrets *redactor
	next    http.RoundTripper
}

func (r recorder) RoundTrip(req *http.Request) (*http.Response, error) {
	if value := req.Header.Get("Authorization"); value != "" {
		r.secrets.addHeader(value)
	}
	return r.next.RoundTrip(req)
}

func (r recorder) CloseIdleConnections() { closeIdle(r.next) }

// closeIdle closes the connections of a transport that no request uses.
func closeIdle(rt http.RoundTripper) {
	if c, ok := rt.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
