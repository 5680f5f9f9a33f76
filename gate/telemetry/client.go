package telemetry

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// maxAnswer is how much of an answer is read, in bytes.
const maxAnswer = 4 << 10

// Between two tries.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = 2 * time.Second
)

// Certificates are files by which a server is verified, and by which this program shows who it is; empty: those of the
// system, and none.
type Certificates struct{ CA, Certificate, Key string }

// newClient makes a client that tries again what may work a moment later, while the context of a request lasts.
func newClient(files Certificates) (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if files.CA != "" {
		pem, err := os.ReadFile(files.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate is in %s", files.CA)
		}
	}
	if files.Certificate != "" || files.Key != "" {
		pair, err := tls.LoadX509KeyPair(files.Certificate, files.Key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	network := http.DefaultTransport
	if t, ok := network.(*http.Transport); ok {
		t = t.Clone()
		t.TLSClientConfig, t.DisableKeepAlives = config, true // a run sends a few requests, at its end
		network = t
	}
	c := retryablehttp.NewClient()
	c.HTTPClient = &http.Client{Transport: limited{network}, CheckRedirect: noRedirect}
	c.Logger = nil // its default prints every request to stderr
	c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = 8, firstWait, lastWait
	c.CheckRetry = worthwhile
	c.ErrorHandler = passThrough
	return &http.Client{Transport: &retryablehttp.RoundTripper{Client: c}, CheckRedirect: noRedirect}, nil
}

// noRedirect: another host must not see the credentials, and a redirect may turn a POST into a GET.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// worthwhile repeats failed connections, 429 and 5xx, but only while there is time for another try.
func worthwhile(ctx context.Context, answer *http.Response, err error) (bool, error) {
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, answer, err)
	if deadline, ok := ctx.Deadline(); again && ok {
		again = time.Until(deadline) > retryablehttp.DefaultBackoff(lastWait, lastWait, 0, answer)
	}
	return again, nil
}

// passThrough keeps the last answer, which says what is wrong.
func passThrough(answer *http.Response, err error, _ int) (*http.Response, error) {
	if err == nil {
		return answer, nil
	}
	if answer != nil {
		answer.Body.Close()
	}
	return nil, err
}

// limited cuts answers off.
type limited struct{ next http.RoundTripper }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}

// address is a URL without what may be secret in it, and its credentials.
type address struct {
	url            string // to send to
	shown          string // for people
	user, password string
}

func parseAddress(raw string) (address, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return address{}, errors.New("it is not a URL that begins with http:// or https://") // it may have a password
	}
	var a address
	if u.User != nil {
		a.user = u.User.Username()
		a.password, _ = u.User.Password()
		u.User = nil
	}
	a.url = u.String()
	u.RawQuery, u.Fragment = "", ""
	a.shown = u.String()
	return a, nil
}

// why is an error of a request without its URL, which may have secrets in its query.
func why(err error) error {
	var in *url.Error
	if errors.As(err, &in) {
		return in.Err
	}
	return err
}
