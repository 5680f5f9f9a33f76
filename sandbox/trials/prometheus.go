package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The names and labels are those of the sandbox's test application.
const (
	requestsMetric = "http_requests_total"
	durationMetric = "http_request_duration_seconds"
	startMetric    = "process_start_time_seconds"
	slowBound      = "0.5" // seconds, as in rolloutgate.yaml
)

// series is what Prometheus has of one series: every sample that it scraped.
type series struct {
	Metric map[string]string `json:"metric"`
	Values []scraped         `json:"values"`
}

// scraped is one sample.
type scraped struct {
	at    time.Time
	value float64
}

func (s *scraped) UnmarshalJSON(text []byte) error {
	var pair [2]json.RawMessage
	var at float64
	var value string
	if err := json.Unmarshal(text, &pair); err != nil {
		return err
	}
	if err := json.Unmarshal(pair[0], &at); err != nil {
		return err
	}
	if err := json.Unmarshal(pair[1], &value); err != nil {
		return err
	}
	s.at = time.UnixMilli(int64(math.Round(at * 1000)))
	var err error
	s.value, err = strconv.ParseFloat(value, 64)
	return err
}

// scrapes asks for all samples of the last minutes that a selector has.
func scrapes(ctx context.Context, prometheus, selector string) ([]series, error) {
	query := url.Values{"query": {selector + "[15m]"}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, prometheus+"/api/v1/query?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking Prometheus for %s: %w", selector, err)
	}
	defer response.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []series }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, fmt.Errorf("asking Prometheus for %s: %w", selector, err)
	}
	if answer.Status != "success" {
		return nil, fmt.Errorf("asking Prometheus for %s: %s", selector, answer.Error)
	}
	return answer.Data.Result, nil
}

// history reads what the processes of one version have counted.
func history(ctx context.Context, prometheus, namespace, release, criterion string) ([]*process, error) {
	selector := fmt.Sprintf(`{namespace=%q,app=%q,release=%q,__name__=~"%s|%s_count|%s_bucket|%s",le=~"|%s"}`, namespace, service, release,
		requestsMetric, durationMetric, durationMetric, startMetric, strings.ReplaceAll(slowBound, ".", `\\.`))
	all, err := scrapes(ctx, prometheus, selector)
	if err != nil {
		return nil, err
	}
	return processes(all, criterion), nil
}

// processes puts the series of each process together. Bad is what the criterion calls so: slow, or else errors.
func processes(all []series, criterion string) []*process {
	type key struct{ pod, container string }
	found := map[key]*process{}
	looks := map[key]map[time.Time]*look{}
	for _, s := range all {
		k := key{s.Metric["pod"], s.Metric["container"]}
		if found[k] == nil {
			found[k] = &process{container: k.container}
			looks[k] = map[time.Time]*look{}
		}
		for _, v := range s.Values {
			l := looks[k][v.at]
			if l == nil {
				l = &look{at: v.at}
				looks[k][v.at] = l
			}
			name, slow := s.Metric["__name__"], criterion == "slow"
			switch {
			case name == startMetric:
				l.started = time.UnixMilli(int64(math.Round(v.value * 1000)))
			case name == requestsMetric && !slow:
				l.all += v.value
				if strings.HasPrefix(s.Metric["code"], "5") {
					l.bad += v.value
				}
			case name == durationMetric+"_count" && slow:
				l.all += v.value
				l.bad += v.value
			case name == durationMetric+"_bucket" && slow:
				l.bad -= v.value
			}
		}
	}
	var out []*process
	for k, p := range found {
		for _, at := range slices.SortedFunc(maps.Keys(looks[k]), time.Time.Compare) {
			p.looks = append(p.looks, *looks[k][at])
		}
		out = append(out, p)
	}
	return out
}
