package prometheus

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

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

// secret is a credential that is read when it is needed.
type secret interface {
	fetch(ctx context.Context) (string, error)
}

// authenticated adds the credentials of the settings to the way to the server.
func (r *resolver) authenticated(s Settings, next http.RoundTripper) http.RoundTripper {
	if r.err != nil {
		return nil
	}
	switch {
	case s.BasicAuth != nil:
		user := r.expand("basicAuth.username", s.BasicAuth.Username)
		password := r.secret("basicAuth.password", s.BasicAuth.PasswordEnv, s.BasicAuth.PasswordFile)
		return authorizer{next, password, func(password string) string {
			return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
		}}
	case s.Bearer != nil && len(s.Bearer.TokenCommand) > 0:
		token := r.command(s.Bearer)
		return renewer{token, authorizer{next, token, bearer}}
	case s.Bearer != nil:
		return authorizer{next, r.secret("bearer.token", s.Bearer.TokenEnv, s.Bearer.TokenFile), bearer}
	case s.OAuth2 != nil:
		token := r.oauth2(s)
		return renewer{token, authorizer{next, token, bearer}}
	}
	return next
}

func bearer(token string) string { return "Bearer " + token }

// authorizer adds an Authorization header.
type authorizer struct {
	next   http.RoundTripper
	secret secret
	header func(secret string) string
}

func (a authorizer) RoundTrip(req *http.Request) (*http.Response, error) {
	value, err := a.secret.fetch(req.Context())
	if err != nil {
		if req.Body != nil {
			req.Body.Close()
		}
		return nil, err
	}
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", a.header(value))
	return a.next.RoundTrip(req)
}

func (a authorizer) CloseIdleConnections() { closeIdle(a.next) }

// withFiles adds the headers whose values stand in files.
func (r *resolver) withFiles(s Settings, next http.RoundTripper) http.RoundTripper {
	if len(s.HeaderFiles) == 0 {
		return next
	}
	files := map[string]watchedFile{}
	for _, name := range sortedKeys(s.HeaderFiles) {
		key := "headers." + name
		value := r.file(key, s.HeaderFiles[name])
		if value == "" {
			r.fail(key, "the file is empty: "+s.HeaderFiles[name], "write the secret into it")
		}
		r.secrets.addHeader(value)
		files[name] = watchedFile{key: r.root + "." + key, path: s.HeaderFiles[name], secrets: r.secrets}
	}
	return headerFiles{next, files}
}

// headerFiles adds headers that are read when they are needed.
type headerFiles struct {
	next  http.RoundTripper
	files map[string]watchedFile
}

func (h headerFiles) RoundTrip(req *http.Request) (*http.Response, error) {
	again := req.Clone(req.Context())
	for name, file := range h.files {
		value, err := file.fetch(req.Context())
		if err != nil {
			if req.Body != nil {
				req.Body.Close()
			}
			return nil, err
		}
		again.Header.Set(name, value)
	}
	return h.next.RoundTrip(again)
}

func (h headerFiles) CloseIdleConnections() { closeIdle(h.next) }

// renewer asks once more with a new token when a server does not take the old one.
type renewer struct {
	token *renewed
	next  http.RoundTripper // adds the token
}

func (r renewer) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := r.next.RoundTrip(req)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	if req.Body != nil && req.GetBody == nil || resp.Request == nil {
		return resp, nil
	}
	again := req.Clone(req.Context())
	if req.Body != nil {
		if again.Body, err = req.GetBody(); err != nil {
			return resp, nil
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	resp.Body.Close()
	used, _ := strings.CutPrefix(resp.Request.Header.Get("Authorization"), "Bearer ")
	r.token.discard(used)
	return r.next.RoundTrip(again)
}

func (r renewer) CloseIdleConnections() { closeIdle(r.next) }

// secret is what an environment variable holds, or a file, which is read anew
// each time.
func (r *resolver) secret(key, env, path string) secret {
	switch {
	case env != "" && path != "":
		r.fail(key, "Env and File exclude each other", "keep one of them")
	case env != "":
		value := strings.TrimSpace(r.getenv(env))
		if value == "" {
			r.fail(key+"Env", "the environment variable "+env+" is not set", "set it where this runs, for example from a secret of the pipeline")
		}
		r.secrets.add(value)
		return known(value)
	case path != "":
		value := r.file(key+"File", path)
		if value == "" {
			r.fail(key+"File", "the file is empty: "+path, "write the secret into it")
		}
		r.secrets.add(value)
		return watchedFile{key: r.root + "." + key + "File", path: path, secrets: r.secrets}
	default:
		part := key[strings.LastIndex(key, ".")+1:]
		r.fail(key, "it says nowhere where the secret is", fmt.Sprintf("set %sEnv or %sFile", part, part))
	}
	return nil
}

// known is a secret that stays as it is.
type known string

func (k known) fetch(context.Context) (string, error) { return string(k), nil }

// watchedFile is a secret in a file, read each time: a token that a cluster
// hands to a job is replaced while the job runs.
type watchedFile struct {
	key, path string
	secrets   *redactor
}

func (f watchedFile) fetch(context.Context) (string, error) {
	data, err := os.ReadFile(f.path)
	value := strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", &credentialError{text: "reading " + f.key + ": " + reason(err) + ": " + f.path, hint: "it could be read when this began: check what happens to the file"}
	case value == "":
		return "", &credentialError{text: "reading " + f.key + ": the file is empty: " + f.path, hint: "check what writes the file", temporary: true}
	}
	f.secrets.add(value)
	return value, nil
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
	c := tokenCommand{root: r.root, path: path, args: b.TokenCommand[1:], secrets: r.secrets, limit: commandTime}
	return &renewed{mint: c.run}
}

// joined lists names in a sentence.
func joined(names []string) string {
	slices.Sort(names)
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// until is when a token is renewed that does not say how long it is good for.
func until(now time.Time) time.Time { return now.Add(5 * time.Minute) }
