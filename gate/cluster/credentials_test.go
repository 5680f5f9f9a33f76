package cluster

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// TestCredentials: a request whose credentials were refused is sent once more, with its body, and the client knows for how long none
// of its requests was accepted.
func TestCredentials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bodies []string
		refuses := 1
		c := &Client{credentials: &credentials{next: answers(func(r *http.Request) int {
			body, _ := io.ReadAll(r.Body)
			bodies = append(bodies, string(body))
			if refuses--; refuses >= 0 {
				return http.StatusUnauthorized
			}
			return http.StatusOK
		})}}
		ask := func(body io.Reader) int {
			r, err := http.NewRequest(http.MethodPatch, "https://api", body)
			if err != nil {
				t.Fatal(err)
			}
			if r.Body == nil {
				r.Body = http.NoBody
			}
			response, err := c.credentials.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			return response.StatusCode
		}
		if code := ask(bytes.NewReader([]byte("x"))); code != http.StatusOK || len(bodies) != 2 || bodies[0] != "x" || bodies[1] != "x" {
			t.Errorf("refused once: %d, %q", code, bodies)
		}
		if c.Unaccepted() != 0 {
			t.Error("refused, though the second request was not")
		}
		refuses = 2
		if code := ask(nil); code != http.StatusUnauthorized || c.Unaccepted() <= 0 {
			t.Errorf("refused twice: %d after %s", code, c.Unaccepted())
		}
		time.Sleep(time.Minute)
		if refuses = 2; ask(nil) != http.StatusUnauthorized || c.Unaccepted() != time.Minute {
			t.Errorf("refused for %s", c.Unaccepted())
		}
		bodies = nil
		if refuses = 2; ask(io.NopCloser(bytes.NewReader([]byte("once")))) != http.StatusUnauthorized || len(bodies) != 1 {
			t.Errorf("a body that is gone was sent again: %q", bodies)
		}
		if refuses = 0; ask(nil) != http.StatusOK || c.Unaccepted() != 0 {
			t.Errorf("accepted again, and refused for %s", c.Unaccepted())
		}
	})
}
