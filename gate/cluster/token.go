package cluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"k8s.io/client-go/rest"
	authtransport "k8s.io/client-go/transport"
)

// tokenTime is how long one question for a token may take.
const tokenTime = 10 * time.Second

// tokenLeft is how long before its end a token is not used any more: what it is shown for has to arrive, and to be looked at.
const tokenLeft = time.Minute

// WithTokens returns a config that shows the API server bearer tokens from ask instead of its own credentials, which are left
// out. Server, certificate authority and impersonation stay. A token is asked for when it is needed: before the first
// request, when the one before is about to end, and when the API server has refused that one.
func WithTokens(config *rest.Config, ask func(context.Context) (string, error)) *rest.Config {
	bare := rest.AnonymousClientConfig(config)
	bare.Impersonate = config.Impersonate
	source := authtransport.NewCachedTokenSource(tokenSource{ask, time.Now})
	bare.Wrap(authtransport.ResettableTokenSourceWrapTransport(source))
	return bare
}

// tokenSource is a function that asks for tokens, in the form in which client-go wants it.
type tokenSource struct {
	ask func(context.Context) (string, error)
	now func() time.Time
}

func (s tokenSource) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tokenTime)
	defer cancel()
	asked := s.now()
	token, err := s.ask(ctx)
	if err != nil {
		return nil, err
	}
	return &oauth2.Token{AccessToken: token, TokenType: "Bearer", Expiry: asked.Add(lifetime(token) - tokenLeft)}, nil
}

// lifetime is how long a token lives, by its own word. It is a difference, because the clock of this machine and that of the
// issuer may not agree. Of a token that says nothing it is that of GitHub's; a refused one is not shown again in any case.
func lifetime(token string) time.Duration {
	const unknown = 5 * time.Minute
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return unknown
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return unknown
	}
	var claims struct{ Exp, Iat float64 }
	if json.Unmarshal(payload, &claims) != nil || claims.Exp <= claims.Iat || claims.Iat == 0 {
		return unknown
	}
	return time.Duration((claims.Exp - claims.Iat) * float64(time.Second))
}
