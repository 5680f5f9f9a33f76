package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const (
	oldSlice = `{"metadata":{"name":"a"},"endpoints":[{"targetRef":{"name":"old-1"}},{"targetRef":{"name":"old-2"}}]}`
	halfway  = `{"metadata":{"name":"a"},"endpoints":[{"targetRef":{"name":"old-1"}},{"targetRef":{"name":"new-1"}},
	  {"conditions":{"ready":false},"targetRef":{"name":"new-2"}}]}`
	served = `{"metadata":{"name":"a"},"endpoints":[{"targetRef":{"name":"new-1"}},{"conditions":{"ready":true},"targetRef":{"name":"new-2"}}]}`
)

func webDeployment(generation, observed, updated int) string {
	return fmt.Sprintf(`{"metadata":{"name":"web","generation":%d},"spec":{"replicas":2},
	  "status":{"observedGeneration":%d,"replicas":2,"updatedReplicas":%d,"availableReplicas":2}}`, generation, observed, updated)
}

// fakeServer tells of one rollout: first the Deployment is complete, then the Service follows.
func fakeServer(t *testing.T) *api {
	t.Helper()
	mux := http.NewServeMux()
	lists := 0
	mux.HandleFunc("GET "+deploymentsPath("n"), func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("watch") == "" {
			fmt.Fprintf(w, `{"metadata":{"resourceVersion":"7"},"items":[%s]}`, webDeployment(4, 4, 2))
			return
		}
		if r.FormValue("resourceVersion") != "7" {
			t.Errorf("the watch begins at %q", r.FormValue("resourceVersion"))
		}
		for _, d := range []string{webDeployment(4, 4, 2), webDeployment(5, 4, 2), webDeployment(5, 5, 1), webDeployment(5, 5, 2)} {
			fmt.Fprintf(w, `{"type":"MODIFIED","object":%s}`, d)
		}
	})
	mux.HandleFunc("GET "+slicesPath("n"), func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("watch") != "" {
			w.(http.Flusher).Flush()
			time.Sleep(20 * time.Millisecond)
			fmt.Fprintf(w, `{"type":"MODIFIED","object":%s}`, served)
			return
		}
		lists++
		fmt.Fprintf(w, `{"metadata":{"resourceVersion":"8"},"items":[%s]}`, []string{oldSlice, halfway}[lists-1])
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return &api{server: server.URL, http: server.Client()}
}

func TestNextRolloutWaitsForTheService(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	events, err := fakeServer(t).nextRollout(ctx, "n", 1)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case p := <-events:
		if behind := p.services.Sub(p.deployment); behind < 20*time.Millisecond {
			t.Errorf("the Service is %s behind, want at least the 20ms that the server took", behind)
		}
	case <-ctx.Done():
		t.Fatal("the end of the rollout was not noticed")
	}
}

func TestPodCountTrustsTheServersCount(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"metadata":{"remainingItemCount":41},"items":[{"metadata":{"name":"a"}}]}`)
	}))
	defer server.Close()
	a := &api{server: server.URL, http: server.Client()}
	if n, err := a.podCount(t.Context(), "n"); n != 42 || err != nil {
		t.Errorf("got %d, %v, want 42", n, err)
	}
}
