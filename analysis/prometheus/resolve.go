package prometheus

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"golang.org/x/net/http/httpproxy"
)

// Config reads what the settings name, and makes the configuration of a
// client. A variable that is not set, a file that cannot be read, a program
// that is not there and settings that exclude each other are errors that name
// the key; nothing is sent and no command runs yet. Secrets are not in the
// errors, and not in those of the client.
func (s Settings) Config(getenv func(string) string) (Config, error) {
	r := resolver{root: "prometheus", getenv: getenv, secrets: &redactor{}}
	config := Config{
		Timeout: s.Timeout, AllowPartial: s.AllowPartial, PreferGET: s.PreferGET, secrets: r.secrets,
		URL: r.expand("url", s.URL), Headers: http.Header{},
	}
	for _, name := range sortedKeys(s.Headers) {
		config.Headers.Set(name, r.expand("headers."+name, s.Headers[name]))
	}
	if r.err == nil {
		_, r.err = parseURL(config.URL)
	}
	if r.err == nil {
		r.err = s.oneCredential(config)
	}
	config.Transport = r.authenticated(s, r.withFiles(s, recorder{r.secrets, r.network(s)}))
	return config, r.err
}

// oneCredential refuses two of them, of which only one could be sent.
func (s Settings) oneCredential(c Config) error {
	address, err := url.Parse(c.URL)
	if err != nil {
		return errors.New("reading prometheus.url: not a URL")
	}
	var found []string
	for name, is := range map[string]bool{
		"basicAuth": s.BasicAuth != nil, "bearer": s.Bearer != nil, "oauth2": s.OAuth2 != nil,
		"headers.Authorization": c.Headers.Get("Authorization") != "" || hasHeader(s.HeaderFiles, "Authorization"), "the user name in url": address.User != nil,
	} {
		if is {
			found = append(found, name)
		}
	}
	if len(found) > 1 {
		return fmt.Errorf("reading prometheus: %s exclude each other\n  hint: keep one of them", joined(found))
	}
	return nil
}

// resolver reads what settings name. The first mistake stays.
type resolver struct {
	root    string // the key that the settings stand under
	getenv  func(string) string
	secrets *redactor
	err     error
}

func (r *resolver) fail(key, text, hint string) {
	if r.err == nil {
		r.err = fmt.Errorf("reading %s.%s: %s\n  hint: %s", r.root, key, r.secrets.replace(text), hint)
	}
}

func (r *resolver) expand(key, text string) string {
	out, err := expand(text, r.getenv)
	if err != nil {
		r.fail(key, err.Error(), "set it where this runs, for example from a secret of the pipeline")
	}
	return out
}

// network is the way to the server without credentials for it.
func (r *resolver) network(s Settings) http.RoundTripper {
	if s.Transport != nil && s.Dial == nil {
		return s.Transport
	}
	return r.transport("tls", s.TLS, s)
}

// transport verifies the server by the given files, and goes through proxies.
func (r *resolver) transport(key string, t TLS, s Settings) http.RoundTripper {
	network, ok := networkOf(nil).(*http.Transport)
	if !ok { // somebody replaced Go's default
		network = &http.Transport{}
	}
	network.TLSClientConfig = r.tls(key, t)
	switch {
	case s.Dial != nil:
		network.DialContext, network.Proxy, network.ForceAttemptHTTP2 = s.Dial, nil, false
	case s.ProxyURL != "":
		network.Proxy = http.ProxyURL(r.proxy(s.ProxyURL))
	default:
		network.Proxy = r.environmentProxy()
	}
	return network
}

// tls reads certificates. It is not Prometheus' own client configuration,
// which does the same and more: that package draws in a template engine by
// way of tracing, and with it half of this program's size again.
func (r *resolver) tls(key string, t TLS) *tls.Config {
	c := &tls.Config{ServerName: t.ServerName, MinVersion: tls.VersionTLS12}
	if t.CAFile != "" {
		c.RootCAs = x509.NewCertPool()
		if pem := r.file(key+".caFile", t.CAFile); !c.RootCAs.AppendCertsFromPEM([]byte(pem)) {
			r.fail(key+".caFile", "no certificate is in it: "+t.CAFile, "it has to be a PEM file with the certificate of the issuer")
		}
	}
	if t.CertFile == "" && t.KeyFile == "" {
		return c
	}
	r.file(key+".certFile", t.CertFile)
	r.file(key+".keyFile", t.KeyFile)
	load := func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading %s.%s.certFile and keyFile: %w", r.root, key, err)
		}
		return &pair, nil
	}
	if _, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile); err != nil {
		r.fail(key+".certFile and keyFile", err.Error(), "both have to be PEM files, and the key has to be the one of the certificate")
	}
	c.GetClientCertificate = load // anew for each connection: such certificates do not live long
	return c
}

func (r *resolver) proxy(text string) *url.URL {
	address, err := url.Parse(r.expand("proxyUrl", text))
	if err != nil || address.Hostname() == "" {
		r.fail("proxyUrl", "not a URL", "write it with its scheme, such as http://proxy.example:3128")
		return nil
	}
	r.secrets.addURL(address)
	return address
}

// environmentProxy reads the usual variables, and learns the passwords in them.
func (r *resolver) environmentProxy() func(*http.Request) (*url.URL, error) {
	get := func(name string) string { return cmp.Or(r.getenv(name), r.getenv(strings.ToLower(name))) }
	c := httpproxy.Config{
		HTTPProxy: get("HTTP_PROXY"), HTTPSProxy: get("HTTPS_PROXY"), NoProxy: get("NO_PROXY"), CGI: r.getenv("REQUEST_METHOD") != "",
	}
	for _, text := range []string{c.HTTPProxy, c.HTTPSProxy} {
		if address, err := url.Parse(text); err == nil {
			r.secrets.addURL(address)
		}
	}
	choose := c.ProxyFunc()
	return func(req *http.Request) (*url.URL, error) { return choose(req.URL) }
}

// file proves that a file can be read, and returns what it holds.
func (r *resolver) file(key, path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		r.fail(key, reason(err)+": "+path, "check the path, which is relative to the working directory, and who may read it")
	}
	return strings.TrimSpace(string(data))
}

// reason is an error of the file system without its path, which comes after it.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
