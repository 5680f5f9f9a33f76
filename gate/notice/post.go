package notice

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// Error is why a message was not sent, without secrets.
type Error struct {
	Text      string
	Temporary bool // the same may work later
}

func (e *Error) Error() string { return e.Text }

// Outcome says what it means for the exit code of a command that does nothing else: the config file names the wrong place, or
// it is worth trying again.
func (e *Error) Outcome() gate.Outcome {
	if e.Temporary {
		return gate.Retry
	}
	return gate.Invalid
}

// maxAnswer is how much of an answer is read, in bytes. It is only there to be quoted.
const maxAnswer = 4 << 10

// poster sends bodies to one address.
type poster struct {
	to      *url.URL
	network *http.Transport
	secrets secrets
}

// poster makes the way to an address.
func (r *resolver) poster(to *url.URL, caFile string, more ...string) poster {
	network := &http.Transport{}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		network = t.Clone()
	}
	network.TLSClientConfig = r.tls(caFile)
	network.MaxResponseHeaderBytes = 64 << 10
	return poster{to: to, network: network, secrets: append(ofURL(to), more...)}
}

// post sends a body of JSON until it is taken: a connection that fails, 429 and 5xx are tried again as long as there is time.
func (p poster) post(ctx context.Context, body []byte, header http.Header) error {
	var last string // what the last failed try said
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: p.network, CheckRedirect: staysOnHost}
	client.Logger = nil // its default prints every request with its address
	client.RetryMax, client.RetryWaitMin, client.RetryWaitMax = 8, 250*time.Millisecond, 2*time.Second
	client.ErrorHandler = lastAnswer
	client.CheckRetry = func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		again := retryable(ctx, resp, err, client.RetryWaitMax)
		if again && err != nil {
			last = innermost(err).Error()
		} else if again {
			last = resp.Status
		}
		return again, nil
	}
	defer p.network.CloseIdleConnections()
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, p.to.String(), body)
	if err != nil {
		return &Error{Text: "the URL is not usable"}
	}
	req.Header = header.Clone()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "rolloutgate")
	resp, err := client.Do(req)
	if err != nil {
		return p.failure(ctx, err, last)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		return nil // what else it says does not matter
	}
	return p.refusal(ctx, resp)
}

// refusal is an answer that is not 2xx, with the beginning of what it says.
func (p poster) refusal(ctx context.Context, resp *http.Response) error {
	said, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if len(said) == maxAnswer { // where it was cut may be half of a secret, which nobody would know
		said = said[:max(0, maxAnswer-p.secrets.longest())]
	}
	text := resp.Status
	if words := strings.Join(strings.Fields(string(said)), " "); words != "" {
		text += ": " + words
	}
	temporary := resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500 || ctx.Err() != nil
	return &Error{Text: p.printable(text), Temporary: temporary}
}

func (p poster) failure(ctx context.Context, err error, last string) error {
	var refused *redirectError
	var unknown *tls.CertificateVerificationError
	text := innermost(err).Error()
	if ctx.Err() != nil {
		text = unanswered(ctx, last)
	}
	return &Error{Text: p.printable(text), Temporary: !errors.As(err, &refused) && !errors.As(err, &unknown)}
}

// unanswered is why a context ended before anybody said yes.
func unanswered(ctx context.Context, last string) string {
	text := context.Cause(ctx).Error()
	switch {
	case errors.Is(context.Cause(ctx), context.Canceled):
		text = "no answer in the time that a cancelled run has"
	case errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		text = "no answer in time"
	}
	if last != "" {
		text += "; the try before: " + last
	}
	return text
}

// printable hides secrets before it cuts: half of one is one, too.
func (p poster) printable(text string) string {
	return report.Sanitize(p.secrets.hide(report.Sanitize(text, 0, 0)), 1, 300)
}

// retryable tells whether another try makes sense, and there is time for one. Otherwise the wait would end in a deadline
// that hides what the server said.
func retryable(ctx context.Context, resp *http.Response, err error, longest time.Duration) bool {
	var refused *redirectError
	if errors.As(err, &refused) {
		return false
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err)
	if deadline, ok := ctx.Deadline(); again && ok {
		// The longest wait, or what the server asks for in Retry-After.
		again = time.Until(deadline) > retryablehttp.DefaultBackoff(longest, longest, 0, resp)
	}
	return again
}

// lastAnswer keeps the last answer, which says what is wrong.
func lastAnswer(resp *http.Response, err error, _ int) (*http.Response, error) {
	if err == nil {
		return resp, nil
	}
	if resp != nil {
		resp.Body.Close()
	}
	return nil, err
}

// redirectError is a redirect that is not followed.
type redirectError struct{ text string }

func (e *redirectError) Error() string { return e.text }

// staysOnHost follows redirects that stay on the host and keep the body. The message is for nobody else, and a 301, 302 or
// 303 drops it.
func staysOnHost(req *http.Request, via []*http.Request) error {
	first := via[0]
	upgrade := first.URL.Scheme == "http" && req.URL.Scheme == "https" && first.URL.Hostname() == req.URL.Hostname()
	switch {
	case !upgrade && (first.URL.Host != req.URL.Host || first.URL.Scheme != req.URL.Scheme):
		return &redirectError{"redirected to another host, " + req.URL.Host + ": write the URL that it has now"}
	case req.Method != first.Method:
		return &redirectError{"redirected in a way that drops the message: write the URL that it has now"}
	case len(via) >= 5:
		return &redirectError{"redirected again and again"}
	}
	return nil
}

// innermost is an error without the address that the HTTP client puts around it.
func innermost(err error) error {
	var around *url.Error
	for errors.As(err, &around) {
		err = around.Err
	}
	return err
}

// sized writes a body in ever shorter texts until it is small enough.
func sized(most int, write func(longest int) ([]byte, error)) ([]byte, error) {
	for _, longest := range []int{maxText, 600, 300, 150, 60} {
		body, err := write(longest)
		if err != nil || len(body) <= most {
			return body, err
		}
	}
	return nil, fmt.Errorf("the message is larger than %d bytes", most)
}
