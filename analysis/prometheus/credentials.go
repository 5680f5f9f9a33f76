package prometheus

import (
	"context"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/config"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// credentialError is a credential that could not be read or renewed, so that
// no question was asked.
type credentialError struct {
	text, hint string
	temporary  bool // the same may work a moment later
}

func (e *credentialError) Error() string { return e.text + "\n  hint: " + e.hint }

func (e *credentialError) kind() analysis.ErrorKind {
	if e.temporary {
		return analysis.Unreachable
	}
	return analysis.Unauthorized
}

// authenticated adds the credentials of the settings to the way to the server.
func (r *resolver) authenticated(s Settings, next http.RoundTripper) http.RoundTripper {
	if r.err != nil {
		return nil
	}
	switch {
	case s.BasicAuth != nil:
		user := config.NewInlineSecret(r.expand("basicAuth.username", s.BasicAuth.Username))
		return config.NewBasicAuthRoundTripper(user, r.secret("basicAuth.password", s.BasicAuth.PasswordEnv, s.BasicAuth.PasswordFile), next)
	case s.Bearer != nil && len(s.Bearer.TokenCommand) > 0:
		return renewing(r.command(s.Bearer), next)
	case s.Bearer != nil:
		return config.NewAuthorizationCredentialsRoundTripper("Bearer", r.secret("bearer.token", s.Bearer.TokenEnv, s.Bearer.TokenFile), next)
	case s.OAuth2 != nil:
		return renewing(r.oauth2(s), next)
	}
	return next
}

// command is a token that a program prints. The program has to be there.
func (r *resolver) command(b *Bearer) *renewed {
	if b.TokenEnv != "" || b.TokenFile != "" {
		r.fail("bearer", "tokenCommand excludes tokenEnv and tokenFile", "keep one of them")
	}
	path, err := exec.LookPath(b.TokenCommand[0])
	if err != nil {
		r.fail("bearer.tokenCommand", "the program "+b.TokenCommand[0]+" is not there", "install it, or give its path; there is no shell that could look further")
	}
	c := tokenCommand{path: path, args: b.TokenCommand[1:], secrets: r.secrets, limit: commandTime}
	return &renewed{mint: c.run}
}

// watchedFile is a secret in a file, read each time: a token that a cluster
// hands to a job is replaced while the job runs.
type watchedFile struct {
	key, path string
	secrets   *redactor
}

func (f watchedFile) Fetch(ctx context.Context) (string, error) {
	value, err := config.NewFileSecret(f.path).Fetch(ctx)
	switch {
	case err != nil:
		return "", &credentialError{text: "reading " + f.key + ": " + reason(err) + ": " + f.path, hint: "it could be read when this began: check what happens to the file"}
	case value == "":
		return "", &credentialError{text: "reading " + f.key + ": the file is empty: " + f.path, hint: "check what writes the file", temporary: true}
	}
	f.secrets.add(value)
	return value, nil
}

func (f watchedFile) Description() string { return f.key }
func (f watchedFile) Immutable() bool     { return false }

// renewer asks once more with a new token when a server does not take the old one.
type renewer struct {
	token *renewed
	next  http.RoundTripper // adds the token
}

func renewing(token *renewed, next http.RoundTripper) http.RoundTripper {
	return renewer{token, config.NewAuthorizationCredentialsRoundTripper("Bearer", token, next)}
}

func (r renewer) RoundTrip(req *http.Request) (*http.Response, error) {
	again := req.Clone(req.Context()) // before next writes the token into the header
	resp, err := r.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if req.Body != nil && req.GetBody == nil || resp.Request == nil {
		return resp, nil
	}
	used, _ := strings.CutPrefix(resp.Request.Header.Get("Authorization"), "Bearer ")
	if req.Body != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	resp.Body.Close()
	r.token.discard(used)
	return r.next.RoundTrip(again)
}

func (r renewer) CloseIdleConnections() { closeIdle(r.next) }

// joined lists names in a sentence.
func joined(names []string) string {
	slices.Sort(names)
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// until is when a token is renewed that does not say how long it is good for.
func until(now time.Time) time.Time { return now.Add(5 * time.Minute) }
