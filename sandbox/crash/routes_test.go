package main

import (
	"fmt"
	"strings"
	"testing"
)

const fronted = `kind: ReplicaSet
metadata: {name: web-1, labels: {pod-template-hash: h1, version: v1}}
---
kind: ReplicaSet
metadata: {name: web-2, labels: {pod-template-hash: h2, version: v2}}
---
kind: Pod
metadata: {name: old, labels: {version: v1}}
---
kind: Pod
metadata: {name: new, labels: {version: v2}}
---
kind: Service
metadata: {name: web}
spec: {selector: {app: web, PIN}}
---
kind: EndpointSlice
metadata: {name: web-x, labels: {kubernetes.io/service-name: web}}
endpoints:
- {conditions: {ready: true}, targetRef: {name: old}}
- {conditions: {ready: NEW}, targetRef: {name: new}}
- {conditions: {ready: false}, targetRef: {name: other}}`

func TestRoutes(t *testing.T) {
	for _, c := range []struct{ pin, newReady, want, left string }{
		{"", "false", "[{service/web  [v1]}]", ""},
		{"pod-template-hash: h1", "false", "[{service/web v1 [v1]}]", "service/web is still pinned"},
		{"pod-template-hash: h2", "true", "[{service/web v2 [v1 v2]}]", "service/web is still pinned"},
		{"pod-template-hash: h3", "false", "[{service/web nowhere [v1]}]", "service/web is still pinned"},
	} {
		now := worldOf(t, strings.NewReplacer("PIN", c.pin, "NEW", c.newReady).Replace(fronted))
		if got := fmt.Sprint(routesOf(now)); got != c.want {
			t.Errorf("%q: got %s", c.pin, got)
		}
		if got := strings.Join(kept(now, mostRecords), ""); got != c.left {
			t.Errorf("%q: left %q", c.pin, got)
		}
	}
}

func TestPinsStand(t *testing.T) {
	for _, c := range []struct {
		route route
		wrong bool
	}{
		{route{"service/web", "", []version{first, good}}, false},
		{route{"service/web", first, []version{first, first}}, false},
		{route{"service/web", first, []version{first}}, true},
		{route{"service/web", first, []version{first, first, good}}, true},
		{route{"service/web", nowhere, nil}, true},
	} {
		if err := pinsStand([]route{c.route}, 2); (err != nil) != c.wrong {
			t.Errorf("%v: %v", c.route, err)
		}
	}
	if err := allReached([]route{{"service/web", "", []version{first}}, {"service/apart", first, nil}}); err == nil || err.Error() != "no pod behind service/apart was ready" {
		t.Errorf("a Service without pods: %v", err)
	}
}

// TestCurtain: from the first pin to new pods on they may have users, until all Services are back.
func TestCurtain(t *testing.T) {
	at := func(pinned version, ready ...version) []route { return []route{{"service/web", pinned, ready}} }
	for _, c := range []struct {
		name  string
		seen  [][]route
		wrong bool // at the last of them
	}{
		{"old pods", [][]route{at("", first), at(first, first)}, false},
		{"new pods without a pin", [][]route{at("", first, good)}, true},
		{"new pods behind a pin to old ones", [][]route{at(first, first, good)}, true},
		{"the switch", [][]route{at(first, first), at(good, first), at(good, good)}, false},
		{"the end", [][]route{at(good, good), at("", good)}, false},
		{"slices that are late", [][]route{at(good, good), at(first, good)}, false},
		{"new pods after all were back", [][]route{at(good, good), at(first, first), at("", first, good)}, true},
		{"the next switch", [][]route{at(good, good), at(first, first), at(bad, bad)}, false},
	} {
		var drawn curtain
		var err error
		for _, routes := range c.seen {
			err = drawn.early(routes)
		}
		if (err != nil) != c.wrong {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
