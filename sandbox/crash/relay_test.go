package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/harnesstest"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
)

// fakeServer notes what it has carried out. A watch ends with its client.
type fakeServer struct {
	mu   sync.Mutex
	done []string
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("watch") != "" {
		fmt.Fprint(w, "seen\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return
	}
	body, _ := io.ReadAll(r.Body)
	f.mu.Lock()
	f.done = append(f.done, r.Method+" "+string(body))
	f.mu.Unlock()
	fmt.Fprint(w, "done")
}

func (f *fakeServer) carriedOut() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.done, ", ")
}

// relayed is a client of a relay before a fake server.
type relayed struct {
	*fakeServer
	relay  *relay
	client *http.Client
}

func newRelayed(t *testing.T, r *relay) relayed {
	t.Helper()
	server := &fakeServer{}
	s := harnesstest.Sandbox(t, server.ServeHTTP)
	if err := r.serveBefore(s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.front.Close)
	client, err := pki.Client(filepath.Join(s.Dir, "pki"), "admin")
	if err != nil {
		t.Fatal(err)
	}
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	return relayed{server, r, client}
}

const configMaps = "/api/v1/namespaces/n/configmaps"

// send returns the status and the answer.
func (c relayed) send(method, path, body string) (int, string, error) {
	request, err := http.NewRequest(method, c.relay.front.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func TestRelayNumbersWrites(t *testing.T) {
	c := newRelayed(t, &relay{})
	for _, one := range []struct{ method, path string }{
		{"GET", configMaps}, {"POST", configMaps}, {"POST", configMaps + "?dryRun=All"},
		{"PATCH", "/apis/coordination.k8s.io/v1/namespaces/n/leases/l"}, {"DELETE", configMaps + "/c"},
	} {
		if status, _, err := c.send(one.method, one.path, ""); status != http.StatusOK || err != nil {
			t.Errorf("%s %s: %d, %v", one.method, one.path, status, err)
		}
	}
	var got []string
	for _, w := range c.relay.all() {
		got = append(got, fmt.Sprintf("%d %s %t", w.Number, w, w.carriedOut()))
	}
	if want := "1 POST configmaps true, 0 PATCH leases/l true, 2 DELETE configmaps/c true"; strings.Join(got, ", ") != want {
		t.Errorf("got %q", got)
	}
}

// TestRelayStrikes: at the point, before or after the write, what was asked for becomes of it, and only of it.
func TestRelayStrikes(t *testing.T) {
	for _, tt := range []struct {
		after  bool
		fate   fate
		status int // of the second write; 0: there is no answer
		done   string
	}{
		{false, fate{}, 200, "POST 1, POST 2, POST 3"},
		{true, fate{}, 200, "POST 1, POST 2, POST 3"},
		{false, fate{reset: true}, 0, "POST 1, POST 3"},
		{true, fate{reset: true}, 0, "POST 1, POST 2, POST 3"},
		{false, fate{status: 503, reason: "ServiceUnavailable"}, 503, "POST 1, POST 3"},
		{true, fate{status: 429, reason: "TooManyRequests"}, 429, "POST 1, POST 2, POST 3"},
	} {
		t.Run(fmt.Sprintf("%s %+v", point{2, tt.after}, tt.fate), func(t *testing.T) {
			struck := ""
			var c relayed
			c = newRelayed(t, &relay{point: point{2, tt.after}, strike: func() fate {
				struck += c.carriedOut()
				return tt.fate
			}})
			for n := 1; n <= 3; n++ {
				want := http.StatusOK
				if n == 2 {
					want = tt.status
				}
				status, text, err := c.send("POST", configMaps, fmt.Sprint(n))
				if status != want || (err == nil) != (want > 0) {
					t.Errorf("write %d: %d, %v", n, status, err)
				}
				if status > 400 {
					var s struct{ Kind, Reason string }
					if err := json.Unmarshal([]byte(text), &s); err != nil || s.Kind != "Status" || s.Reason != tt.fate.reason {
						t.Errorf("it is told %q", text)
					}
				}
			}
			want := "POST 1"
			if tt.after {
				want = "POST 1, POST 2"
			}
			if struck != want || !c.relay.wasStruck() {
				t.Errorf("at the point %q was carried out", struck)
			}
			if got := c.carriedOut(); got != tt.done {
				t.Errorf("%q was carried out", got)
			}
		})
	}
}

// TestRelayStopsTheWorld: while something happens at the point nothing else passes, and after the process is gone nothing
// passes any more.
func TestRelayStopsTheWorld(t *testing.T) {
	var c relayed
	striking, goOn := make(chan struct{}), make(chan struct{})
	c = newRelayed(t, &relay{point: point{write: 1}, strike: func() fate {
		close(striking)
		<-goOn
		c.relay.close()
		return fate{reset: true}
	}})
	var others sync.WaitGroup
	others.Go(func() { _, _, _ = c.send("POST", configMaps, "the point") })
	<-striking
	others.Go(func() {
		if _, _, err := c.send("POST", configMaps, "meanwhile"); err == nil {
			t.Error("there is an answer")
		}
	})
	time.Sleep(50 * time.Millisecond)
	close(goOn)
	others.Wait()
	if _, _, err := c.send("GET", configMaps, ""); err == nil {
		t.Error("there is an answer afterwards")
	}
	if got := c.carriedOut(); got != "" {
		t.Errorf("%q was carried out", got)
	}
}

func TestRelayFlushesAndExpiresWatches(t *testing.T) {
	c := newRelayed(t, &relay{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	watch := func() *http.Response {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.relay.front.URL+configMaps+"?watch=true", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := c.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	first := watch()
	defer first.Body.Close()
	line := make([]byte, 5)
	if _, err := io.ReadFull(first.Body, line); err != nil || string(line) != "seen\n" {
		t.Errorf("the watch shows %q, %v", line, err)
	}
	c.relay.expire()
	if _, err := io.ReadAll(first.Body); ctx.Err() != nil {
		t.Errorf("the watch goes on: %v", err)
	}
	for _, want := range []int{http.StatusGone, http.StatusOK} {
		next := watch()
		if next.StatusCode != want {
			t.Errorf("the next watch is answered with %d, not %d", next.StatusCode, want)
		}
		next.Body.Close()
	}
}

func TestRelayRefuses(t *testing.T) {
	c := newRelayed(t, &relay{})
	if _, _, err := c.send("GET", configMaps, ""); err != nil {
		t.Fatal(err)
	}
	c.relay.refuse(200 * time.Millisecond)
	if _, _, err := c.send("POST", configMaps, ""); err == nil {
		t.Error("there is an answer at once")
	}
	time.Sleep(200 * time.Millisecond)
	if _, _, err := c.send("POST", configMaps, ""); err != nil {
		t.Errorf("later: %v", err)
	}
}
