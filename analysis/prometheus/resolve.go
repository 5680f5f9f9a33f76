package prometheus

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/config"
)

// Config reads what the settings name, and makes the configuration of a
// client. A variable that is not set, a file that cannot be read, a program
// that is not there and settings that exclude each other are errors that name
// the key; nothing is sent and no command runs yet. Secrets are not in the
// errors, and not in those of the client.
func (s Settings) Config(getenv func(string) string) (Config, error) {
	r := resolver{getenv: getenv, secrets: &redactor{}}
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
	network := r.network(s)
	config.Transport = r.authenticated(s, recorder{r.secrets, network})
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
		"headers.Authorization": c.Headers.Get("Authorization") != "", "the user name in url": address.User != nil,
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
	getenv  func(string) string
	secrets *redactor
	err     error
}

func (r *resolver) fail(key, text, hint string) {
	if r.err == nil {
		r.err = fmt.Errorf("reading prometheus.%s: %s\n  hint: %s", key, r.secrets.replace(text), hint)
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
	for name, path := range map[string]string{"caFile": t.CAFile, "certFile": t.CertFile, "keyFile": t.KeyFile} {
		if path != "" {
			r.file(key+"."+name, path)
		}
	}
	if r.err != nil {
		return nil
	}
	c := config.HTTPClientConfig{EnableHTTP2: true, TLSConfig: config.TLSConfig{
		CAFile: t.CAFile, CertFile: t.CertFile, KeyFile: t.KeyFile, ServerName: t.ServerName,
	}}
	dial := (&net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	switch {
	case s.Dial != nil:
		dial, c.EnableHTTP2 = s.Dial, false
	case s.ProxyURL != "":
		c.ProxyURL = config.URL{URL: r.proxy(s.ProxyURL)}
	default:
		c.ProxyFromEnvironment = true
		r.proxiesOfEnvironment()
	}
	if r.err != nil {
		return nil
	}
	// The library's own message names the file and what is wrong in it.
	rt, err := config.NewRoundTripperFromConfig(c, "prometheus", config.WithDialContextFunc(dial), config.WithIdleConnTimeout(90*time.Second))
	if err != nil {
		r.fail(key, err.Error(), "certificates and keys are PEM files, and the key has to be the one of the certificate")
		return nil
	}
	return rt
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

// proxiesOfEnvironment learns the passwords that proxies get.
func (r *resolver) proxiesOfEnvironment() {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"} {
		if address, err := url.Parse(r.getenv(name)); err == nil {
			r.secrets.addURL(address)
		}
	}
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

// secret is what an environment variable holds, or a file, which is read anew
// each time.
func (r *resolver) secret(key, env, path string) config.SecretReader {
	switch {
	case env != "" && path != "":
		r.fail(key, "Env and File exclude each other", "keep one of them")
	case env != "":
		value := strings.TrimSpace(r.getenv(env))
		if value == "" {
			r.fail(key+"Env", "the environment variable "+env+" is not set", "set it where this runs, for example from a secret of the pipeline")
		}
		r.secrets.add(value)
		return config.NewInlineSecret(value)
	case path != "":
		value := r.file(key+"File", path)
		if value == "" {
			r.fail(key+"File", "the file is empty: "+path, "write the secret into it")
		}
		r.secrets.add(value)
		return watchedFile{key: "prometheus." + key + "File", path: path, secrets: r.secrets}
	default:
		r.fail(key, "it says nowhere where the secret is", fmt.Sprintf("set %sEnv or %sFile", lastPart(key), lastPart(key)))
	}
	return nil
}

func lastPart(key string) string { return key[strings.LastIndex(key, ".")+1:] }
