package prometheus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// early is how long before its end a token is renewed, so that it does not
// end on its way.
const early = 10 * time.Second

// oauth2 is a token by the client credentials grant.
func (r *resolver) oauth2(s Settings) *renewed {
	o := s.OAuth2
	c := clientcredentials.Config{
		ClientID: r.expand("oauth2.clientId", o.ClientID), TokenURL: r.expand("oauth2.tokenUrl", o.TokenURL),
		Scopes: o.Scopes, EndpointParams: url.Values{},
	}
	for _, name := range sortedKeys(o.EndpointParams) {
		value := r.expand("oauth2.endpointParams."+name, o.EndpointParams[name])
		if value != o.EndpointParams[name] {
			r.secrets.add(value)
		}
		c.EndpointParams.Set(name, value)
	}
	if r.err == nil {
		if _, err := parseURL(c.TokenURL); err != nil {
			r.fail("oauth2.tokenUrl", "not an http or https URL", "write it with its scheme")
		}
	}
	secret := r.secret("oauth2.clientSecret", o.ClientSecretEnv, o.ClientSecretFile)
	network := r.transport("oauth2", TLS{CAFile: o.CAFile}, Settings{ProxyURL: s.ProxyURL})
	client := &http.Client{Transport: network, CheckRedirect: checkRedirect}
	return &renewed{mint: func(ctx context.Context) (string, time.Time, error) {
		c := c // the secret in the file may change
		var err error
		if c.ClientSecret, err = secret.fetch(ctx); err != nil {
			return "", time.Time{}, err
		}
		token, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, client))
		if err != nil {
			return "", time.Time{}, r.secrets.tokenError(r.root, err)
		}
		r.secrets.add(token.AccessToken)
		if token.Expiry.IsZero() {
			return token.AccessToken, until(time.Now()), nil
		}
		return token.AccessToken, token.Expiry.Add(-early), nil
	}}
}

// tokenError says what the token server answered. Its body is not quoted: it
// may hold anything.
func (r *redactor) tokenError(root string, err error) error {
	key := "fetching a token from " + root + ".oauth2.tokenUrl: "
	var refused *oauth2.RetrieveError
	var redirected *redirectError
	var certificate *tls.CertificateVerificationError
	fault := func(text, hint string, temporary bool) error {
		return &credentialError{text: key + printable(r.replace(text)), hint: hint, temporary: temporary}
	}
	const check = "check clientId, the client secret and the scopes"
	switch {
	case errors.As(err, &refused) && refused.Response != nil:
		status := refused.Response.StatusCode
		text := fmt.Sprintf("%d %s", status, http.StatusText(status))
		if refused.ErrorCode != "" {
			text += ": " + refused.ErrorCode
		}
		if refused.ErrorDescription != "" {
			text += ": " + refused.ErrorDescription
		}
		if status >= 500 || status == http.StatusTooManyRequests {
			return fault(text, "the token server has a problem of its own: try again later", true)
		}
		return fault(text, check, false)
	case errors.As(err, &redirected):
		return fault(redirected.Error(), "set tokenUrl to the address that answers without a redirect", false)
	case errors.As(err, &certificate):
		return fault(innermost(err).Error(), "make the issuer known: with oauth2.caFile, or with the environment variable SSL_CERT_FILE", false)
	case errors.Is(err, context.DeadlineExceeded):
		return fault(fmt.Sprintf("no answer within %s", mintTime), "check tokenUrl and the way there", true)
	}
	var network *url.Error
	if errors.As(err, &network) {
		return fault(innermost(err).Error(), "check tokenUrl and the way there", true)
	}
	return fault("the answer holds no token", "check that tokenUrl is the token endpoint, not the address of the whole server", false)
}
