package main

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// scenario is one kind of rollout and the right answer to it.
type scenario struct {
	name  string // also of its namespaces
	title string // what version 2 does, for the document

	criterion string                   // the one that has to fail; "" when the rollout is fine
	onset     map[string]time.Duration // container → when its fault begins, from the start of its process

	before, after workload
	neighbour     *workload // somebody else in the same namespace, whom the criteria must not see
	restarts      int       // how many containers of version 2 restart by themselves
}

// quiet is a rollout that has to pass.
func (s *scenario) quiet() bool { return s.criterion == "" }

// workload is a Deployment of the test application.
type workload struct {
	Name       string
	Release    string // v1 or v2: the tag of the image, and a label by which Prometheus tells the versions apart
	Replicas   int
	Containers []container
	MinReady   int    // seconds that a pod has to be ready before the next one is replaced
	Memory     string // a directory of the node that all pods share as /state; "" when there is none
}

type container struct {
	Name string
	Port int
	Env  []variable
}

type variable struct{ Name, Value string }

// release is a version of the service: its containers, each with what its environment is besides the traffic.
func release(version string, replicas, requestsPerSecond int, containers ...map[string]string) workload {
	w := workload{Name: service, Release: version, Replicas: replicas}
	for i, env := range containers {
		c := container{Name: string(rune('a' + i)), Port: 8080 + i, Env: []variable{{"SELF_TRAFFIC", strconv.Itoa(requestsPerSecond)}}}
		for _, name := range slices.Sorted(maps.Keys(env)) {
			c.Env = append(c.Env, variable{name, env[name]})
		}
		w.Containers = append(w.Containers, c)
	}
	return w
}

// service is the name of the Deployment that is rolled out.
const service = "web"

type env = map[string]string

// scenarios are all there are. Every service answers about 90 requests a second in all, so that a window has ten times
// the events that a verdict takes.
func scenarios() []*scenario {
	noisyBefore := release("v1", 3, 30, env{"ERROR_RATE": "0.0025", "LATENCY_MS": "40"})
	noisyAfter := release("v2", 3, 30, env{"ERROR_RATE": "0.0025", "LATENCY_MS": "60", "CRASH": "lost the connection to the cache",
		"CRASH_AFTER": "3s", "CRASH_TIMES": "1"})
	// The first pod crashes after it was ready, and before the second begins: two that count their starts at once would
	// both be the first.
	noisyAfter.MinReady = 4
	neighbour := release("v1", 1, 30, env{"ERROR_RATE": "0.2", "LATENCY_MS": "800"})
	neighbour.Name = "neighbour"
	return []*scenario{
		{
			name: "error-burst", title: "30 % of the requests fail, from 15 s after the start of each pod",
			criterion: "errors", onset: map[string]time.Duration{"a": 15 * time.Second},
			before: release("v1", 3, 30, env{}),
			after:  release("v2", 3, 30, env{"ERROR_RATE": "0.3", "ERROR_AFTER": "15s"}),
		},
		{
			name: "latency-step", title: "requests take 800 ms instead of 5 ms, from 15 s after the start of each pod; the bound is 500 ms",
			criterion: "slow", onset: map[string]time.Duration{"a": 15 * time.Second},
			before: release("v1", 3, 30, env{}),
			after:  release("v2", 3, 30, env{"LATENCY_MS": "800", "LATENCY_AFTER": "15s"}),
		},
		{
			// The three containers of a pod share the traffic, so the rate is a third of the sum of theirs.
			name: "slow-leak", title: "1.3 % of the requests fail from 10 s after the start of each pod, 3 % from 20 s, 6 % from 30 s",
			criterion: "errors", onset: map[string]time.Duration{"a": 10 * time.Second, "b": 20 * time.Second, "c": 30 * time.Second},
			before: release("v1", 2, 15, env{}, env{}, env{}),
			after: release("v2", 2, 15, env{"ERROR_RATE": "0.04", "ERROR_AFTER": "10s"}, env{"ERROR_RATE": "0.05", "ERROR_AFTER": "20s"},
				env{"ERROR_RATE": "0.09", "ERROR_AFTER": "30s"}),
		},
		{
			name: "healthy-noisy", title: "0.25 % of the requests fail before and after, version 2 is slower (60 ms instead of 40), its first pod crashes " +
				"3 s after its start and comes back, and a neighbour with the same metrics fails 20 % and is slow",
			before: noisyBefore, after: noisyAfter,
			neighbour: &neighbour, restarts: 1,
		},
	}
}

// choose returns the scenarios with these names, or all.
func choose(only []string) ([]*scenario, error) {
	all := scenarios()
	if len(only) == 0 {
		return all, nil
	}
	var chosen []*scenario
	for _, name := range only {
		i := slices.IndexFunc(all, func(s *scenario) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("reading --only: there is no scenario %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}

//go:embed web.yaml
var manifest string

//go:embed rolloutgate.yaml
var criteria string

var manifestTemplate = template.Must(template.New("web.yaml").Parse(manifest))

// manifest renders the Deployment.
func (w workload) manifest() (string, error) {
	var b strings.Builder
	if err := manifestTemplate.Execute(&b, w); err != nil {
		return "", fmt.Errorf("writing the manifest of %s %s: %w", w.Name, w.Release, err)
	}
	return b.String(), nil
}
