package prometheus

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// Everything secret in these tests has this word in it, so that one search
// through an error finds whatever it tells too much.
const secretWord = "sesame"

func silent(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{secretWord, base64.StdEncoding.EncodeToString([]byte("ci:open-sesame"))} {
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("error %q tells too much", err)
		}
	}
}

type environment map[string]string

func (e environment) get(name string) string { return e[name] }

// connect makes a client by settings.
func connect(t *testing.T, s Settings, env environment) *Client {
	t.Helper()
	if s.Timeout == 0 {
		s.Timeout = 5 * time.Second
	}
	config, err := s.Config(env.get)
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(t.TempDir(), name)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// guard is a server that wants one header and repeats what it was sent.
func guard(t *testing.T, header, value string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get(header); got != value {
			w.WriteHeader(401)
			fmt.Fprintf(w, "not %s", got)
			return
		}
		io.WriteString(w, one)
	}))
	t.Cleanup(server.Close)
	return server
}

func TestCredentials(t *testing.T) {
	env := environment{"PASSWORD": "open-sesame\n", "TOKEN": "sesame-token ", "TEAM": "sesame-street", "USER": "ci"}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("ci:open-sesame"))
	for name, tt := range map[string]struct {
		settings      Settings
		header, value string
	}{
		"basic, variable":   {Settings{BasicAuth: &BasicAuth{Username: "${env.USER}", PasswordEnv: "PASSWORD"}}, "Authorization", basic},
		"basic, file":       {Settings{BasicAuth: &BasicAuth{Username: "ci", PasswordFile: write(t, "p", "open-sesame\n")}}, "Authorization", basic},
		"bearer, variable":  {Settings{Bearer: &Bearer{TokenEnv: "TOKEN"}}, "Authorization", "Bearer sesame-token"},
		"bearer, file":      {Settings{Bearer: &Bearer{TokenFile: write(t, "t", "sesame-token\n")}}, "Authorization", "Bearer sesame-token"},
		"bearer, command":   {Settings{Bearer: &Bearer{TokenCommand: []string{"printf", `sesame-%s\n`, "token"}}}, "Authorization", "Bearer sesame-token"},
		"header":            {Settings{Headers: map[string]string{"x-scope-orgid": "team-${env.TEAM}"}}, "X-Scope-OrgID", "team-sesame-street"},
		"own authorization": {Settings{Headers: map[string]string{"authorization": "Token ${env.TOKEN}"}}, "Authorization", "Token sesame-token"},
	} {
		server := guard(t, tt.header, tt.value)
		tt.settings.URL = server.URL
		for _, get := range []bool{false, true} {
			tt.settings.PreferGET = get
			if _, err := ask(connect(t, tt.settings, env)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		tt.settings.URL = guard(t, tt.header, "other").URL
		_, err := ask(connect(t, tt.settings, env))
		wants(t, err, analysis.Unauthorized, "(redacted)")
		silent(t, err)
	}
}

// What settings name has to be there before anything is sent.
func TestMissing(t *testing.T) {
	env := environment{"TOKEN": "sesame-token", "EMPTY": "  ", "URL": "http://ci:open-sesame@h", "BAD": "sesame"}
	gone := filepath.Join(t.TempDir(), "gone")
	empty := write(t, "empty", "\n")
	oauth := func(o OAuth2) *OAuth2 { return &o }
	for want, s := range map[string]Settings{
		"prometheus.bearer.tokenEnv: the environment variable NOPE is not set\n  hint: ":           {Bearer: &Bearer{TokenEnv: "NOPE"}},
		"prometheus.bearer.tokenEnv: the environment variable EMPTY is not set":                    {Bearer: &Bearer{TokenEnv: "EMPTY"}},
		"prometheus.bearer.tokenFile: no such file or directory: " + gone:                          {Bearer: &Bearer{TokenFile: gone}},
		"prometheus.bearer.tokenFile: the file is empty: " + empty:                                 {Bearer: &Bearer{TokenFile: empty}},
		"prometheus.bearer.tokenCommand: the program no-such-program is not there\n  hint: ":       {Bearer: &Bearer{TokenCommand: []string{"no-such-program", "sesame"}}},
		"prometheus.bearer.token: it says nowhere":                                                 {Bearer: &Bearer{}},
		"prometheus.bearer.token: Env and File exclude":                                            {Bearer: &Bearer{TokenEnv: "TOKEN", TokenFile: empty}},
		"prometheus.basicAuth.passwordEnv: the environment variable NOPE is not set":               {BasicAuth: &BasicAuth{Username: "ci", PasswordEnv: "NOPE"}},
		"prometheus.basicAuth.username: the environment variable NOPE":                             {BasicAuth: &BasicAuth{Username: "${env.NOPE}", PasswordEnv: "TOKEN"}},
		"prometheus.oauth2.clientSecretFile: no such file":                                         {OAuth2: oauth(OAuth2{ClientID: "a", ClientSecretFile: gone, TokenURL: "http://h"})},
		"prometheus.oauth2.tokenUrl: the environment variable NOPE":                                {OAuth2: oauth(OAuth2{ClientID: "a", ClientSecretEnv: "TOKEN", TokenURL: "${env.NOPE}"})},
		"prometheus.oauth2.tokenUrl: not an http":                                                  {OAuth2: oauth(OAuth2{ClientID: "a", ClientSecretEnv: "TOKEN", TokenURL: "${env.BAD}"})},
		"prometheus.oauth2.caFile: no such file":                                                   {OAuth2: oauth(OAuth2{ClientID: "a", ClientSecretEnv: "TOKEN", TokenURL: "http://h", CAFile: gone})},
		"prometheus.headers.X-Team: the environment variable NOPE":                                 {Headers: map[string]string{"X-Team": "${env.NOPE}"}},
		"prometheus.tls.caFile: no such file":                                                      {TLS: TLS{CAFile: gone}},
		"prometheus.tls.caFile: no certificate is in it: " + empty:                                 {TLS: TLS{CAFile: empty}},
		"prometheus.tls.certFile and keyFile: tls: failed to find any PEM data":                    {TLS: TLS{CertFile: empty, KeyFile: empty}},
		"prometheus.proxyUrl: not a URL":                                                           {ProxyURL: "${env.BAD}"},
		"prometheus.url: the environment variable NOPE":                                            {URL: "${env.NOPE}"},
		"reading the Prometheus URL: not an http or https URL":                                     {URL: "${env.BAD}"},
		"reading prometheus: bearer and the user name in url exclude each other":                   {URL: "${env.URL}", Bearer: &Bearer{TokenEnv: "TOKEN"}},
		"reading prometheus: basicAuth and headers.Authorization exclude each other\n  hint: keep": {BasicAuth: &BasicAuth{}, Headers: map[string]string{"authorization": "x"}},
	} {
		if s.URL == "" {
			s.URL = "http://prometheus.invalid"
		}
		_, err := s.Config(env.get)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "\n  hint: ") {
			t.Errorf("got %v, want %s", err, want)
		}
		silent(t, err)
	}
}

// A token in a file may change at any time.
func TestTokenFileChanges(t *testing.T) {
	t.Parallel()
	path := write(t, "token", "sesame-1")
	want := "Bearer sesame-1"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != want {
			w.WriteHeader(401)
			io.WriteString(w, r.Header.Get("Authorization"))
			return
		}
		io.WriteString(w, one)
	}))
	defer server.Close()
	c := connect(t, Settings{URL: server.URL, Bearer: &Bearer{TokenFile: path}, Timeout: time.Second}, nil)
	if _, err := ask(c); err != nil {
		t.Fatal(err)
	}
	write(t, path, "sesame-2")
	_, err := ask(c)
	wants(t, err, analysis.Unauthorized, "401 Unauthorized: (redacted)")
	silent(t, err)
	want = "Bearer sesame-2"
	if _, err := ask(c); err != nil {
		t.Fatal(err)
	}
	write(t, path, "")
	_, err = ask(c)
	wants(t, err, analysis.Unreachable, "reading prometheus.bearer.tokenFile: the file is empty: "+path)
	os.Remove(path)
	_, err = ask(c)
	wants(t, err, analysis.Unauthorized, "no such file or directory: "+path)
}

func TestProxies(t *testing.T) {
	var asked []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.Host)
		if r.Header.Get("Proxy-Authorization") == "" {
			t.Error("the proxy got no credentials")
		}
		if strings.HasPrefix(r.URL.Host, "refused.invalid") {
			w.WriteHeader(407)
			io.WriteString(w, "proxy says: "+r.Header.Get("Proxy-Authorization")+" open-sesame")
			return
		}
		io.WriteString(w, one)
	}))
	defer proxy.Close()
	address := strings.Replace(proxy.URL, "://", "://ci:open-sesame@", 1)
	if _, err := ask(connect(t, Settings{URL: "http://environment.invalid"}, environment{"HTTP_PROXY": address})); err != nil {
		t.Error(err)
	}
	if _, err := ask(connect(t, Settings{URL: "http://setting.invalid", ProxyURL: "${env.P}"}, environment{"P": address})); err != nil {
		t.Error(err)
	}
	_, err := ask(connect(t, Settings{URL: "http://refused.invalid", ProxyURL: "${env.P}"}, environment{"P": address}))
	wants(t, err, analysis.Unauthorized, "407 Proxy Authentication Required: proxy says: Basic (redacted) (redacted)\n  hint: the proxy")
	silent(t, err)
	_, err = ask(connect(t, Settings{URL: "https://refused.invalid", ProxyURL: "${env.P}"}, environment{"P": address}))
	wants(t, err, analysis.Unauthorized, "Proxy Authentication Required\n  hint: the proxy")
	silent(t, err)
	_, err = ask(connect(t, Settings{URL: "http://direct.invalid", Timeout: 300 * time.Millisecond}, nil))
	wants(t, err, analysis.Unreachable, "")
	if got := strings.Join(asked, " "); got != "environment.invalid setting.invalid refused.invalid refused.invalid:443" {
		t.Errorf("the proxy was asked for %s", got)
	}
}

// TestRedactedForms: a secret is found in each form in which a request carries it.
func TestRedactedForms(t *testing.T) {
	const secret = `abc+/=="x`
	var r redactor
	r.add(secret)
	for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret), `abc+/==\"x`} {
		if got := r.replace("no " + form + " here"); got != "no (redacted) here" {
			t.Errorf("%s: %s", form, got)
		}
	}
}
