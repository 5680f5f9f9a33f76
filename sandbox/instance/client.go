package instance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/pki"
)

// client speaks to the servers of a starting sandbox: a handful of JSON
// requests, for which client-go would be the larger part of this program.
type client struct {
	http *http.Client
}

func newClient(ca *pki.Authority) (*client, error) {
	c, err := pki.Client(ca.Dir, "admin")
	if err != nil {
		return nil, err
	}
	c.Timeout = 10 * time.Second
	return &client{http: c}, nil
}

// get decodes the answer into out unless that is nil. Any status but 200 is an error.
func (c *client) get(ctx context.Context, url string, out any) error {
	return c.do(ctx, http.MethodGet, url, nil, out)
}

// create posts an object; one that exists already is fine.
func (c *client) create(ctx context.Context, url string, object any) error {
	return c.do(ctx, http.MethodPost, url, object, nil)
}

func (c *client) do(ctx context.Context, method, url string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 8<<20))
	if err != nil {
		return err
	}
	switch {
	case response.StatusCode == http.StatusConflict && method == http.MethodPost:
		return nil
	case response.StatusCode >= 300:
		return fmt.Errorf("%s %s: %s: %.200s", method, url, response.Status, bytes.TrimSpace(data))
	case out != nil:
		return json.Unmarshal(data, out)
	}
	return nil
}
