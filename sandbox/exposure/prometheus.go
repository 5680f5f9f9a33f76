package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"
)

// firstScrape is when Prometheus first looked at a pod of version 2; zero: it never did. A pod that is ready at once is
// known to Prometheus only after its discovery has told it, which it does every five seconds.
func firstScrape(ctx context.Context, prometheus, namespace string) (time.Time, error) {
	query := url.Values{"query": {fmt.Sprintf(`process_start_time_seconds{namespace=%q,release="v2"}[10m]`, namespace)}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, prometheus+"/api/v1/query?"+query.Encode(), nil)
	if err != nil {
		return time.Time{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return time.Time{}, fmt.Errorf("asking Prometheus for its scrapes: %w", err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct {
			Result []struct{ Values [][2]json.RawMessage }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return time.Time{}, fmt.Errorf("asking Prometheus for its scrapes: %w", err)
	}
	if answer.Status != "success" {
		return time.Time{}, fmt.Errorf("asking Prometheus for its scrapes: %s", answer.Error)
	}
	var first time.Time
	for _, series := range answer.Data.Result {
		for _, sample := range series.Values {
			var seconds float64
			if err := json.Unmarshal(sample[0], &seconds); err != nil {
				return time.Time{}, err
			}
			if at := time.UnixMilli(int64(math.Round(seconds * 1000))); first.IsZero() || at.Before(first) {
				first = at
			}
		}
	}
	return first, nil
}
