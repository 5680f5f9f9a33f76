package prometheus

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	v1 "github.com/prometheus/client_golang/api/prometheus/v1"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// Advice that several errors share.
const (
	notPrometheus    = "check that the URL is that of Prometheus itself, with the path prefix if it has one"
	proxyCredentials = "the proxy on the way wants credentials: put them into proxyUrl, as ${env.NAME}, or into the proxy variables of the environment"
	loginPage        = "a login page or a proxy may stand in front of Prometheus: use an address behind it, or send its credentials in a header"
)

// explain turns an error of client_golang into one that says what to do. The
// rules follow the error types and status codes of the Prometheus HTTP API.
func (c *Client) explain(err error, tries *trail) *analysis.QueryError {
	var refused *redirectError
	var apiError *v1.Error
	var credential *credentialError
	switch {
	case errors.As(err, &apiError):
		return c.explainAPI(apiError)
	case errors.As(err, &credential):
		return c.failure(credential.kind(), credential.text, credential.hint, err)
	case errors.As(err, &refused):
		return c.unreadable(refused.Error(), "set the URL to the address that answers without a redirect")
	case errors.Is(err, errTooLarge):
		return c.unreadable(errTooLarge.Error(), "aggregate in the query, as in sum(...): a criterion is one number")
	case errors.Is(err, context.DeadlineExceeded):
		text := fmt.Sprintf("no answer within %s", tries.limit)
		if tries.last != "" {
			text += "; before that: " + tries.last
		}
		return c.failure(analysis.Unreachable, text, "", err)
	case errors.Is(err, context.Canceled):
		return c.failure(analysis.Unreachable, "cancelled before the answer came", "", err)
	case strings.Contains(err.Error(), plainHTTP):
		return c.failure(analysis.Unreachable, "the server speaks http, not https", "write the URL with http://", err)
	}
	return c.explainTLS(err)
}

// explainTLS sorts the errors that come up before anything is answered.
func (c *Client) explainTLS(err error) *analysis.QueryError {
	var certificate *tls.CertificateVerificationError
	switch text := innermost(err).Error(); {
	case errors.As(err, &certificate):
		return c.failure(analysis.Unreachable, text, certificateHint(err), err)
	case clientCertificate(err):
		return c.failure(analysis.Unauthorized, text, "the server wants a client certificate, or another one: set tls.certFile and tls.keyFile", err)
	case strings.Contains(err.Error(), proxyRefuses):
		return c.failure(analysis.Unauthorized, text, proxyCredentials, err)
	default:
		return c.failure(analysis.Unreachable, text, "", err)
	}
}

// certificateHint says what to do about a certificate that is not trusted.
func certificateHint(err error) string {
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &host):
		return "use a name that the certificate holds as the host of the URL, or set it as tls.serverName"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the certificate has to be renewed; if it is valid, check the clock of this machine"
	}
	return "make the issuer known: with tls.caFile, or with the environment variable SSL_CERT_FILE"
}

// clientCertificate says whether a server refused the certificate of its
// client, or the lack of one. Go has no type for what the other side sends;
// the words are those of its alerts (RFC 8446, section 6.2).
func clientCertificate(err error) bool {
	_, alert, remote := strings.Cut(err.Error(), "remote error: tls: ")
	return remote && (strings.Contains(alert, "certificate") || alert == "handshake failure" || alert == "access denied")
}

// explainAPI sorts what was answered.
func (c *Client) explainAPI(e *v1.Error) *analysis.QueryError {
	text := e.Msg
	if said := saidIn(e.Detail); said != "" {
		text += ": " + said
	}
	rejected := func() *analysis.QueryError { return c.failure(analysis.Rejected, text, "", e) }
	switch e.Type {
	case v1.ErrExec, "422": // VictoriaMetrics has the number as the type
		if outOfOrder(text) {
			return c.failure(analysis.Unreachable, text, "", e)
		}
		return rejected()
	case v1.ErrBadData:
		return rejected()
	case v1.ErrBadResponse:
		if strings.Contains(e.Msg, "invalid character '<'") {
			return c.unreadable("the answer is a web page", loginPage)
		}
		return c.unreadable(text, notPrometheus)
	case v1.ErrTimeout, v1.ErrCanceled, "internal", "unavailable", "too_many_requests":
		return c.failure(analysis.Unreachable, text, "", e)
	case v1.ErrClient, v1.ErrServer:
		return c.explainStatus(e, text)
	}
	return rejected() // other servers have other names for a bad query
}

// outOfOrder tells a storage that does not answer from a query that is wrong: since 3.0 Prometheus says the same of both,
// and so do Thanos, when a store is away, and VictoriaMetrics.
func outOfOrder(text string) bool {
	for _, words := range []string{"deadline exceeded", "timed out", "timeout exceeded", "code = Unavailable", "code = DeadlineExceeded", "No StoreAPIs available", "connection refused", "cannot fetch data"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// explainStatus sorts answers by their status code, which client_golang only
// tells in the words of its message.
func (c *Client) explainStatus(e *v1.Error, text string) *analysis.QueryError {
	var side string
	var status int
	if _, err := fmt.Sscanf(e.Msg, "%s error: %d", &side, &status); err != nil {
		return c.failure(analysis.Rejected, text, "", e) // a 400 or 422 with words but no type
	}
	text = strings.Replace(text, e.Msg, fmt.Sprintf("%d %s", status, http.StatusText(status)), 1)
	switch status {
	case http.StatusUnauthorized:
		if strings.Contains(text, "no org id") { // Mimir and Cortex
			return c.failure(analysis.Unauthorized, text, "the server wants to know the tenant: set headers: {X-Scope-OrgID: TENANT}", e)
		}
		return c.failure(analysis.Unauthorized, text, "the server wants credentials, or other ones: set basicAuth, bearer or oauth2, or an Authorization header", e)
	case http.StatusProxyAuthRequired:
		return c.failure(analysis.Unauthorized, text, proxyCredentials, e)
	case http.StatusForbidden:
		return c.failure(analysis.Unauthorized, text, "these credentials may not query: ask for read access", e)
	case http.StatusTooManyRequests, http.StatusRequestTimeout, 499: // 499: the server's query was cancelled
		return c.failure(analysis.Unreachable, text, "", e)
	case http.StatusNotImplemented:
		return c.unreadable(text, notPrometheus)
	}
	if status >= 500 {
		return c.failure(analysis.Unreachable, text, "", e)
	}
	return c.unreadable(text, notPrometheus)
}

func (c *Client) unreadable(text, hint string) *analysis.QueryError {
	return c.failure(analysis.Unreadable, text, hint, nil)
}

// failure builds the error. Only contexts' errors are kept below it: others
// carry the URL with its query string in their text.
func (c *Client) failure(kind analysis.ErrorKind, text, hint string, err error) *analysis.QueryError {
	var below error
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, known) {
			below = known
		}
	}
	return &analysis.QueryError{Kind: kind, Target: c.target, Text: c.clean(text), Hint: hint, Err: below}
}

// innermost drops the layers that repeat the URL.
func innermost(err error) error {
	var layer *url.Error
	for errors.As(err, &layer) {
		err = layer.Err
	}
	return err
}

// saidIn finds the message in the body of an error answer: the field error
// of the Prometheus API, the field message of others, or the first line of plain text. A web page has
// nothing to quote.
func saidIn(body string) string {
	var envelope struct {
		Error   string `json:"error"`
		Message string `json:"message"` // of a Kubernetes API server, and many others
	}
	if json.Unmarshal([]byte(body), &envelope) == nil {
		return cmp.Or(envelope.Error, envelope.Message)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(body), "\n")
	if strings.HasPrefix(line, "<") {
		return ""
	}
	return line
}

// maxText bounds quoted text, in characters.
const maxText = 300

// clean makes text of others fit to print: one line, no control characters,
// no credentials, not endless.
func (c *Client) clean(text string) string {
	text = c.secrets.replace(text)
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText]) + "..."
	}
	return text
}
