package endpoint

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// sesame is in every secret of these tests, and in nothing else.
const sesame = "open-sesame"

// client makes a client for one criterion with these keys of http, and the request that it sends.
func client(t *testing.T, keys string, env map[string]string, o Options) (*Client, analysis.Request, error) {
	t.Helper()
	spec, err := parse(t, keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(spec); err != nil {
		return nil, analysis.Request{}, err
	}
	criteria, err := spec.Compile(analysis.Vars{Env: env})
	if err != nil {
		t.Fatal(err)
	}
	o.Getenv = func(name string) string { return env[name] }
	if o.Timeout == 0 {
		o.Timeout = 2 * time.Second
	}
	c, err := New(criteria, o)
	if err != nil {
		return nil, analysis.Request{}, err
	}
	t.Cleanup(c.Close)
	e := criteria[0].Endpoint
	address := e.URL + e.Path
	for name, value := range env {
		address = strings.ReplaceAll(address, "${env."+name+"}", value)
	}
	r := analysis.Request{Criterion: "c", Method: e.Method, Address: address, Body: e.Body, AnyStatus: e.Value == analysis.EndpointStatus}
	for _, value := range env {
		r.Secrets = append(r.Secrets, value)
	}
	return c, r, nil
}

func parse(t *testing.T, keys string) (analysis.Spec, error) {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte("env: [URL, KEY]\ncriteria:\n- name: c\n  max: 1\n  http:\n"+keys), &node); err != nil {
		t.Fatal(err)
	}
	return analysis.ParseSpec("c.yaml", &node)
}

func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s
}

// What is answered, and what each status means.
func TestFetch(t *testing.T) {
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		keys    string
		kind    analysis.ErrorKind
		text    string
		tries   int32
	}{
		"200":                 {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"v":1}`) }, "", "", "", 1},
		"500 once":            {failing(1, 500), "", "", "", 2},
		"503 for ever":        {failing(99, 503), "", analysis.Unreachable, "503 Service Unavailable: out of order", 3},
		"429":                 {failing(99, 429), "", analysis.Unreachable, "429 Too Many Requests", 3},
		"404":                 {failing(99, 404), "", analysis.Absent, "404 Not Found", 1},
		"400":                 {failing(99, 400), "", analysis.Unreadable, "400 Bad Request: out of order", 1},
		"401":                 {failing(99, 401), "", analysis.Unauthorized, "401", 1},
		"403":                 {failing(99, 403), "", analysis.Unauthorized, "403", 1},
		"405":                 {failing(99, 405), "", analysis.Unreadable, "405", 1},
		"the status is asked": {failing(99, 503), "value: status", "", "", 1},
		"another host": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://elsewhere.invalid/x", http.StatusFound)
		}, "", analysis.Unreadable, "redirected to http://elsewhere.invalid/x, which is another host", 1},
		"an endless body": {func(w http.ResponseWriter, _ *http.Request) {
			for range 33 << 4 {
				w.Write(make([]byte, 64<<10))
			}
		}, "", analysis.Unreadable, "larger than 32 MiB", 1},
		"a hang":                   {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "", analysis.Unreachable, "no answer within", 1},
		"a connection that is cut": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, "", analysis.Unreachable, "EOF", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := 1200 * time.Millisecond
			if name == "an endless body" {
				timeout = time.Minute
			}
			var tries atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				tt.handler(w, r)
			})
			c, r, err := client(t, "    url: "+s.URL+"/h\n    "+tt.keys+"\n", nil, Options{Timeout: timeout})
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Fetch(t.Context(), r)
			var failed *analysis.QueryError
			switch {
			case tt.kind == "" && err != nil:
				t.Errorf("%v", err)
			case tt.kind != "" && (!errors.As(err, &failed) || failed.Kind != tt.kind || !strings.Contains(failed.Text, tt.text) || failed.Source != `the endpoint of criterion "c"`):
				t.Errorf("got %+v, %v", got, err)
			}
			if n := tries.Load(); (n > 1) != (tt.tries > 1) {
				t.Errorf("asked %d times", n)
			}
			if err != nil && strings.Contains(err.Error(), "Prometheus") {
				t.Errorf("it speaks of Prometheus: %v", err)
			}
		})
	}
}

// failing answers a status so many times, then a value.
func failing(times int32, status int) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) <= times {
			w.WriteHeader(status)
			fmt.Fprint(w, "out of order\nsecond line")
			return
		}
		fmt.Fprint(w, `{"v":1}`)
	}
}

// Credentials reach the endpoint, and nobody else: a server that repeats them makes no leak.
func TestCredentials(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("file-"+sesame+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		keys, url    string
		header, want string
	}{
		"a header of the environment": {"headers: {X-Key: 'key ${env.KEY}'}", "", "X-Key", "key env-" + sesame},
		"a header of a file":          {"headers: {X-Key: {file: " + file + "}, X-Team: shop}", "", "X-Key", "file-" + sesame},
		"basic authentication":        {"basicAuth: {username: u, passwordEnv: KEY}", "", "Authorization", "Basic dTplbnYtb3Blbi1zZXNhbWU="},
		"a token":                     {"bearer: {tokenFile: " + file + "}", "", "Authorization", "Bearer file-" + sesame},
		"a token of a program":        {"bearer: {tokenCommand: [cat, " + file + "]}", "", "Authorization", "Bearer file-" + sesame},
		"in the URL":                  {"", "http://user:env-" + sesame + "@HOST/h?key=env-" + sesame, "Authorization", "Basic dXNlcjplbnYtb3Blbi1zZXNhbWU="},
	} {
		t.Run(name, func(t *testing.T) {
			var got string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				got = r.Header.Get(tt.header)
				w.WriteHeader(http.StatusBadRequest)
				fmt.Fprintf(w, "refused %s %s %s", r.Header.Get(tt.header), r.URL, r.Header.Get("Authorization"))
			})
			env := map[string]string{"KEY": "env-" + sesame, "URL": s.URL}
			if tt.url != "" {
				env["URL"] = strings.Replace(tt.url, "HOST", strings.TrimPrefix(s.URL, "http://"), 1)
			}
			c, r, err := client(t, "    url: ${env.URL}\n    "+tt.keys+"\n", env, Options{})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Fetch(t.Context(), r)
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, secret := range []string{sesame, tt.want} {
				if err == nil || strings.Contains(err.Error(), secret) || !strings.Contains(err.Error(), "refused") {
					t.Errorf("the error is %v", err)
				}
			}
		})
	}
}

// A redirect within the host is followed with the credentials; a file that changes is read anew.
func TestHeaderFileIsReadAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/h" {
			http.Redirect(w, r, "/there", http.StatusFound)
			return
		}
		fmt.Fprint(w, r.Header.Get("X-Key"))
	})
	c, r, err := client(t, "    url: "+s.URL+"/h\n    headers: {X-Key: {file: "+file+"}}\n", nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second"} {
		write(want)
		if got, err := c.Fetch(t.Context(), r); err != nil || string(got.Body) != want {
			t.Errorf("got %q, %v, want %q", got.Body, err, want)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), r); err == nil || !strings.Contains(err.Error(), "reading http.headers.X-Key") {
		t.Errorf("without the file: %v", err)
	}
}

// Certificates are verified, by the issuer that is named.
func TestCertificates(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "1") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	t.Cleanup(s.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for keys, fails := range map[string]string{
		"tls: {caFile: " + ca + ", serverName: example.com}": "", "": "certificate", "tls: {caFile: " + ca + ", serverName: other.invalid}": "certificate",
	} {
		c, r, err := client(t, "    url: "+s.URL+"/h\n    "+keys+"\n", nil, Options{Timeout: 400 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = c.Fetch(t.Context(), r); (err == nil) != (fails == "") || err != nil && !strings.Contains(err.Error(), fails) {
			t.Errorf("%q: %v", keys, err)
		}
	}
}

// A Service is asked by the way that is found for it.
func TestService(t *testing.T) {
	var asked string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { asked = r.URL.String(); fmt.Fprint(w, "1") })
	o := Options{Route: func(service string) (Route, error) {
		if service != "shop/web:80" {
			return Route{}, errors.New("no such Service")
		}
		return Route{URL: s.URL + "/proxy/", Transport: http.DefaultTransport}, nil
	}}
	c, r, err := client(t, "    service: shop/web:80\n    path: /h?x=1\n", nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), r); err != nil || asked != "/proxy/h?x=1" {
		t.Errorf("asked %s, %v", asked, err)
	}
	if c, r, err = client(t, "    service: shop/web:80\n", nil, o); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), r); err != nil || asked != "/proxy/" {
		t.Errorf("asked %s, %v", asked, err)
	}
	if _, _, err := client(t, "    service: shop/other:80\n", nil, o); err == nil || !strings.Contains(err.Error(), `criterion "c": no such Service`) {
		t.Errorf("an unknown Service: %v", err)
	}
}

// What is wrong in the file or the environment shows before anything is asked.
func TestMistakes(t *testing.T) {
	for keys, want := range map[string]string{
		"headers: {Authorization: Bearer abc}":                                    "reading http.headers.Authorization: its value stands in the file",
		"headers: {X-Key: {file: /not/there}}":                                    "reading http.headers.X-Key: no such file or directory: /not/there",
		"headers: {X-Key: {fil: /not/there}}":                                     `unknown key "fil"`,
		"headers: {X-Key: '${env.KEY}'}":                                          "the environment variable KEY is not set",
		"headers: {Authorization: {file: x}}\n    bearer: {tokenEnv: KEY}":        "Authorization is set by",
		"basicAuth: {username: u, password: p}":                                   `reading http.basicAuth: the key "password" is not allowed`,
		"bearer: {tokenEnv: KEY}":                                                 "the environment variable KEY is not set",
		"bearer: {tokenEnv: KEY}\n    basicAuth: {username: u, passwordEnv: KEY}": "exclude each other",
		"tls: {caFile: /not/there}":                                               "reading http.tls.caFile",
		"tls: {insecureSkipVerify: true}":                                         "certificates are always verified",
	} {
		_, _, err := client(t, "    url: http://a.example\n    "+keys+"\n", nil, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
	}
	_, _, err := client(t, "    service: shop/web:80\n    bearer: {tokenEnv: KEY}\n", nil, Options{})
	if err == nil || !strings.Contains(err.Error(), "the API server would take the bearer token for its own credentials") {
		t.Errorf("a token for a Service: %v", err)
	}
	c, r, err := client(t, "    url: ${env.URL}\n", map[string]string{"URL": "nonsense"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(context.Background(), r); err == nil || !strings.Contains(err.Error(), "not an http or https URL") {
		t.Errorf("a URL of the environment that is none: %v", err)
	}
	if _, err := c.Fetch(context.Background(), analysis.Request{Criterion: "other"}); err == nil {
		t.Error("another criterion was asked")
	}
}
