package traffic

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"sync/atomic"
	"time"
)

// Server watches the pods of a cluster and answers scrapes.
type Server struct {
	API    string       // URL of the API server
	Client *http.Client // authenticated, without a timeout

	sources sources
	synced  atomic.Bool
}

// MetricsPath is where the metrics of all pods of the node NODE are served.
const MetricsPath = "/nodes/NODE/metrics"

// ServeHTTP answers MetricsPath, and /ready once all pods are known.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		if !s.synced.Load() {
			http.Error(w, "listing pods", http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("GET /nodes/{node}/metrics", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
		out := bufio.NewWriterSize(w, 1<<16)
		s.sources.write(out, r.PathValue("node"), time.Now())
		_ = out.Flush()
	})
	mux.ServeHTTP(w, r)
}

// Watch follows the pods until ctx is done.
func (s *Server) Watch(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.follow(ctx); err != nil && ctx.Err() == nil {
			log.Printf("watching pods: %v", err)
			time.Sleep(200 * time.Millisecond)
		}
	}
}

// follow lists once and then watches until the server ends the watch.
func (s *Server) follow(ctx context.Context) error {
	var list struct {
		Metadata struct{ ResourceVersion string }
		Items    []pod
	}
	body, err := s.get(ctx, "/api/v1/pods?resourceVersion=0")
	if err != nil {
		return err
	}
	err = json.NewDecoder(body).Decode(&list)
	body.Close()
	if err != nil {
		return err
	}
	s.sources.replace(list.Items, time.Now())
	s.synced.Store(true)

	body, err = s.get(ctx, "/api/v1/pods?watch=true&resourceVersion="+list.Metadata.ResourceVersion)
	if err != nil {
		return err
	}
	defer body.Close()
	for events := json.NewDecoder(body); ; {
		var event struct {
			Type   string
			Object pod
		}
		if err := events.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		switch event.Type {
		case "ADDED", "MODIFIED":
			s.sources.set(event.Object, time.Now())
		case "DELETED":
			s.sources.remove(event.Object)
		case "ERROR": // most likely the resource version is too old: list again
			return nil
		}
	}
}

func (s *Server) get(ctx context.Context, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.API+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := s.Client.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, fmt.Errorf("GET %s: %s", path, response.Status)
	}
	return response.Body, nil
}
