package analysis

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// readCriteria reads the entries of a list of criteria.
func readCriteria(t *testing.T, text string) ([]Criterion, error) {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte("env: [TOKEN, HEALTH_URL]\nvars: {queue: a/b}\ncriteria:\n"+text), &node); err != nil {
		t.Fatal(err)
	}
	spec, err := ParseSpec("c.yaml", &node)
	if err != nil {
		return nil, err
	}
	return spec.Compile(Vars{Namespace: "shop", Env: map[string]string{"TOKEN": "to&ken", "HEALTH_URL": "https://u:sesame@health.example/x"}})
}

func TestHTTPIsRead(t *testing.T) {
	for entry, want := range map[string]string{
		`http: {url: 'https://a.example/h', jsonpath: '{.queue.depth}'}, max: 1000`: `c: GET https://a.example/h {.queue.depth} <= 1000`,
		`http: {url: 'http://${service}.${namespace}.svc:80/x'}, min: 1`:            `c: GET http://${service}.${namespace}.svc:80/x >= 1`,
		`http: {url: '${env.HEALTH_URL}/y', value: status}, max: 399`:               `c: GET ${env.HEALTH_URL}/y (status) <= 399`,
		`http: {service: 'shop/web:http', path: '/h?q=${vars.queue}'}, equal: true`: `c: GET shop/web:http/h?q=${vars.queue} == 1`,
		`http: {url: 'http://a.example', body: '{}'}, equal: false`:                 `c: POST http://a.example == 0`,
		`http: {url: 'http://a.example', method: put}, equal: 5%`:                   `c: PUT http://a.example == 5%`,
		`http: {url: 'http://a.example'}, baseline: before`:                         `c: GET http://a.example <= 1.25 x before`,
	} {
		criteria, err := readCriteria(t, "- {name: c, "+entry+"}")
		if err != nil {
			t.Errorf("%s: %v", entry, err)
			continue
		}
		c := criteria[0]
		if c.Text() != want || c.Type != "http" || c.scope() != ScopeAll {
			t.Errorf("%s: got %s, want %s", entry, c.Text(), want)
		}
	}
}

func TestHTTPIsRefused(t *testing.T) {
	for entry, want := range map[string]string{
		`http: {}, max: 1`: "http has no url",
		`http: {url: 'http://a.example', service: 'a/b:1'}, max: 1`:                "both url and service",
		`http: {url: 'http://a.example', path: /x}, max: 1`:                        "path belongs to service",
		`http: {service: 'a/b:1', path: x}, max: 1`:                                "does not begin with /",
		`http: {url: 'a.example/h'}, max: 1`:                                       "not an http or https URL",
		`http: {url: 'ftp://a.example/h'}, max: 1`:                                 "not an http or https URL",
		`http: {url: 'https://u:p@a.example/h'}, max: 1`:                           "url holds credentials",
		`http: {url: 'http://${vars.queue}.example/h'}, max: 1`:                    "cannot be part of the name of a host",
		`http: {url: 'http://a.example/${newPods}'}, max: 1`:                       "is a regular expression",
		`http: {url: 'http://a.example/${nmespace}'}, max: 1`:                      "did you mean ${namespace}?",
		`http: {url: 'http://a.example/${namespace'}, max: 1`:                      "a variable is not closed",
		`http: {url: 'http://a.example/${env.OTHER}'}, max: 1`:                     "unknown variable ${env.OTHER}",
		`http: {url: 'http://a.example', method: DELETE}, max: 1`:                  "method DELETE does not ask",
		`http: {url: 'http://a.example', method: GET, body: x}, max: 1`:            "a GET has no body",
		`http: {url: 'http://a.example', method: HEAD}, max: 1`:                    "the answer to a HEAD has no body",
		`http: {service: 'a/b:1', method: POST}, max: 1`:                           "by GET or HEAD",
		`http: {url: 'http://a.example', jsonpath: '{.a[}'}, max: 1`:               "jsonpath is not a JSONPath",
		`http: {url: 'http://a.example', jsonpath: '{.a}', value: status}, max: 1`: "both jsonpath and value: status",
		`http: {url: 'http://a.example', value: header}, max: 1`:                   `"header" is not one of body, status`,
		`http: {url: 'http://a.example', jsonPath: '{.a}'}, max: 1`:                `did you mean "jsonpath"?`,
		`http: {url: 'http://a.example'}`:                                          "it has no limit",
		`http: {url: 'http://a.example'}, max: 1, equal: 1`:                        "both max and equal",
		`http: {url: 'http://a.example'}, max: 1, scope: new`:                      "scope: new has no meaning for http",
		`http: {url: 'http://a.example'}, max: 1, each: [a]`:                       "each has no meaning for http",
		`http: {url: 'http://a.example'}, baseline: history`:                       "says nothing about the past",
		`http: {url: 'http://a.example', value: status}, max: 1, reduce: max`:      "reduce has no meaning for a status",
		`http: {url: 'http://a.example'}, max: 1, minEvents: 5`:                    "minEvents has no meaning for a value",
		`ratio: {bad: a, total: b}, equal: 1`:                                      "equal has no meaning for bad events",
		`alerts: {match: '{a="b"}'}, equal: 1`:                                     "alerts has only",
	} {
		if _, err := readCriteria(t, "- {name: c, "+entry+"}"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "c.yaml:") {
			t.Errorf("%s: %v, want %s", entry, err, want)
		}
	}
	if criteria, err := readCriteria(t, "- {name: c, query: up, equal: 1}"); err != nil || criteria[0].Op != Equal || criteria[0].Limit.Value != 1 {
		t.Errorf("a query with equal: %+v, %v", criteria, err)
	}
}
