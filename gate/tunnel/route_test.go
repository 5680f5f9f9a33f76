package tunnel

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var prometheusService = Service{Scheme: "http", Namespace: "monitoring", Name: "prometheus", Port: "web"}

func TestParseService(t *testing.T) {
	for text, want := range map[string]Service{
		"monitoring/prometheus:9090":      {Scheme: "http", Namespace: "monitoring", Name: "prometheus", Port: "9090"},
		"http:monitoring/prometheus:web":  {Scheme: "http", Namespace: "monitoring", Name: "prometheus", Port: "web"},
		"https:monitoring/prometheus:web": {Scheme: "https", Namespace: "monitoring", Name: "prometheus", Port: "web"},
	} {
		if got, err := ParseService(text); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"":                               "it has no namespace",
		"prometheus:9090":                "it has no namespace",
		"monitoring/prometheus":          "it has no port",
		"monitoring/prometheus:":         `"" cannot be a port`,
		"monitoring/prometheus:70000":    `"70000" cannot be a port`,
		"monitoring/Prometheus:9090":     `"Prometheus" cannot be the name of a Service`,
		"monitoring/a/b:9090":            `"a/b" cannot be the name of a Service`,
		"Monitoring/prometheus:9090":     `"Monitoring" cannot be the name of a namespace`,
		"https://prometheus.example":     "it is a URL",
		"http://prometheus.example:9090": "it is a URL",
	} {
		if _, err := ParseService(text); err == nil || !strings.Contains(err.Error(), want+"\n  hint: write it as namespace/name:port") {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// app is a Prometheus in a pod.
func app(t *testing.T, name string) *httptest.Server {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a := r.Header.Get("Authorization"); strings.Contains(a, kubeToken) {
			t.Errorf("the pod was sent %q", a)
		}
		w.Header().Set("X-Pod", name)
		w.Header().Set("X-Path", r.URL.Path)
		w.Header().Set("X-Sent", r.Header.Get("Authorization"))
		io.WriteString(w, one)
	}))
	t.Cleanup(server.Close)
	return server
}

func (f *fakeAPIServer) run(pods ...*httptest.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, p := range pods {
		f.pods["prometheus-"+string(rune('0'+i))] = strings.TrimPrefix(p.URL, "http://")
	}
}

// get asks a route for a query, as the client of Prometheus would.
func get(t *testing.T, r Route, headers ...string) (*http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", r.URL+"/api/v1/query?query=up", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := r.Transport.RoundTrip(req)
	if err == nil {
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	return resp, err
}

func reach(t *testing.T, f *fakeAPIServer, s Service, path string) Route {
	t.Helper()
	r, err := f.client().Reach(t.Context(), s, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestReachByProxy(t *testing.T) {
	f := newFakeAPIServer(t)
	var asked []string
	f.proxy = func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.RequestURI()+" "+r.Header.Get("X-Scope-OrgID"))
		io.WriteString(w, one)
	}
	secure := Service{Scheme: "https", Namespace: "monitoring", Name: "prometheus", Port: "9090"}
	r := reach(t, f, secure, "prefix/")
	base := "/api/v1/namespaces/monitoring/services/https:prometheus:9090/proxy/prefix"
	if r.How != "API server proxy" || r.Note != "" || r.URL != f.URL+base || r.Dial != nil {
		t.Errorf("got %+v", r)
	}
	if resp, err := get(t, r, "X-Scope-OrgID", "shop"); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
	want := "GET " + base + "/api/v1/query?query=1 |GET " + base + "/api/v1/query?query=up shop"
	if got := strings.Join(asked, "|"); got != want {
		t.Errorf("asked %s, want %s", got, want)
	}
	for _, header := range []string{"Authorization", "Cookie", "Impersonate-User"} {
		if _, err := get(t, r, header, "sesame"); err == nil || !strings.Contains(err.Error(), header+" cannot pass the API server") || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: got %v", header, err)
		}
	}
	// The credentials of the kubeconfig go nowhere else, whatever a redirect says.
	for _, address := range []string{f.URL + "/api/v1/secrets", f.URL + base + "/../../../secrets", f.URL + strings.TrimSuffix(base, "/prefix") + "x", "https://other.invalid" + base} {
		stray := r
		stray.URL = address
		if _, err := get(t, stray); err == nil || !strings.Contains(err.Error(), "was to be left") {
			t.Errorf("%s: got %v", address, err)
		}
	}
	if len(asked) != 2 {
		t.Errorf("asked %v", asked)
	}
}

// What an answer of the proxy means for the way there.
func TestReachFallsBack(t *testing.T) {
	text := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code); io.WriteString(w, body) }
	}
	refuse := func(code int32, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { status(w, code, "", message) }
	}
	for name, tt := range map[string]struct {
		proxy http.HandlerFunc
		note  string // of the port-forward, or
		fails string // the error
	}{
		"forbidden":    {refuse(403, "services is forbidden"), "services is forbidden", ""},
		"unauthorized": {refuse(401, "Unauthorized"), "Unauthorized", ""},
		"bad gateway":  {text(502, "<html>"), "502 Bad Gateway", ""},
		"unreachable":  {refuse(503, "error trying to reach service: dial tcp 10.0.0.1:9090: i/o timeout"), "error trying to reach service", ""},
		"timeout":      {text(504, ""), "504 Gateway Timeout", ""},
		"cut":          {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF", ""},
		"other 401":    {text(401, "no org id"), "401 Unauthorized", ""},
		"its error":    {text(422, `{"status":"error","errorType":"execution","error":"x"}`), "", ""},
		"web page":     {text(200, "<html>"), "", "something answers, but not as Prometheus: 200 OK\n  hint: check the port"},
		"other path":   {text(404, "404 page not found"), "", "not as Prometheus: 404 Not Found\n  hint: check the port of the Service, and give the path"},
		"redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/graph", http.StatusFound) }, "", "not as Prometheus: 302 Found"},
		"no Service": {func(w http.ResponseWriter, _ *http.Request) {
			status(w, 404, metav1.StatusReasonNotFound, `services "prometheus" not found`)
		}, "", `services "prometheus" not found` + "\n  hint: check the namespace"},
		"needs TLS":    {text(400, "Client sent an HTTP request to an HTTPS server.\n"), "", "hint: the Service speaks TLS: write https: before it"},
		"no TLS there": {refuse(503, "error trying to reach service: tls: first record does not look like a TLS handshake"), "", "hint: the Service does not speak TLS"},
		"has no TLS":   {refuse(503, "error trying to reach service: http: server gave HTTP response to HTTPS client"), "", "hint: the Service does not speak TLS"},
	} {
		f := newFakeAPIServer(t)
		f.proxy = tt.proxy
		f.run(app(t, "0"))
		r, err := f.client().Reach(t.Context(), prometheusService, "")
		switch {
		case tt.fails != "":
			if err == nil || !strings.HasPrefix(err.Error(), "reaching the Service monitoring/prometheus:web: ") || !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		case err != nil:
			t.Errorf("%s: %v", name, err)
			continue
		case (r.How == "port-forward to pod prometheus-0") != (tt.note != "") || !strings.Contains(r.Note, tt.note):
			t.Errorf("%s: got %s (%s)", name, r.How, r.Note)
		}
		r.Close()
	}
}

// Where something behind the proxy wants credentials, and there is no other way, it gets its chance.
func TestReachWithCredentialsOfOthers(t *testing.T) {
	f := newFakeAPIServer(t)
	f.deny("endpointslices")
	f.proxy = func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Scope-OrgID") == "" {
			w.WriteHeader(401)
			io.WriteString(w, "no org id")
			return
		}
		io.WriteString(w, one)
	}
	r := reach(t, f, prometheusService, "")
	if r.How != "API server proxy" || r.Note != "401 Unauthorized" {
		t.Errorf("got %+v", r)
	}
	if resp, err := get(t, r, "X-Scope-OrgID", "shop"); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
}
