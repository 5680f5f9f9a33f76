package cluster

import (
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
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
		"redirect":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/graph", 302) }, "", "not as Prometheus: 302 Found"},
		"no Service": {func(w http.ResponseWriter, _ *http.Request) {
			status(w, 404, metav1.StatusReasonNotFound, `services "prometheus" not found`)
		}, "", `services "prometheus" not found` + "\n  hint: check the namespace"},
		"needs TLS":  {text(400, "Client sent an HTTP request to an HTTPS server.\n"), "", "hint: the Service speaks TLS: write https: before it"},
		"has no TLS": {refuse(503, "error trying to reach service: http: server gave HTTP response to HTTPS client"), "", "hint: the Service does not speak TLS"},
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

func TestReachByTunnel(t *testing.T) {
	for _, old := range []bool{false, true} {
		f := newFakeAPIServer(t)
		f.deny("services/proxy")
		f.noSocket = old
		f.run(app(t, "0"), app(t, "1"))
		for _, port := range []string{"web", "80"} {
			s := prometheusService
			s.Port = port
			r := reach(t, f, s, "/prefix")
			resp, err := get(t, r, "Authorization", "Bearer user")
			if err != nil || resp.Header.Get("X-Pod") != "0" || resp.Header.Get("X-Path") != "/prefix/api/v1/query" || resp.Header.Get("X-Sent") != "Bearer user" {
				t.Errorf("got %v, %v", resp, err)
			}
			if !strings.HasPrefix(r.URL, "http://prometheus.monitoring.svc") || r.Dial == nil || !strings.Contains(r.Note, "services/proxy is forbidden") {
				t.Errorf("got %+v", r)
			}
			stray := r
			stray.URL = "http://other.invalid"
			if _, err := get(t, stray); err == nil || !strings.Contains(err.Error(), "was to be left") {
				t.Errorf("got %v", err)
			}
			var asking sync.WaitGroup
			for range 8 {
				asking.Go(func() {
					if _, err := get(t, r); err != nil {
						t.Error(err)
					}
				})
			}
			asking.Wait()
			r.Close()
		}
		if f.tunnels["prometheus-0"] != 2 || (f.spdy == 2) != old {
			t.Errorf("tunnels %v, %d by SPDY", f.tunnels, f.spdy)
		}
	}
}

// A tunnel that breaks is opened anew by the next request, to another pod.
func TestTunnelBreaks(t *testing.T) {
	f := newFakeAPIServer(t)
	f.deny("services/proxy")
	f.run(app(t, "0"), app(t, "1"))
	r := reach(t, f, prometheusService, "")
	for i, want := range []string{"0", "1", "0"} {
		resp, err := get(t, r)
		if err != nil || resp.Header.Get("X-Pod") != want {
			t.Fatalf("request %d: got %v, %v, want pod %s", i, resp, err, want)
		}
		f.breakTunnels()
		time.Sleep(50 * time.Millisecond) // the client has to hear of it
	}
	// A pod that no longer takes connections is left by the tunnel, too.
	f.mu.Lock()
	f.pods["prometheus-1"] = "127.0.0.1:1"
	f.mu.Unlock()
	var pod string
	for range 3 {
		if resp, err := get(t, r); err == nil {
			pod = resp.Header.Get("X-Pod")
		}
	}
	if pod != "0" {
		t.Errorf("in the end pod %q answered", pod)
	}
	r.Close()
	if _, err := get(t, r); err == nil {
		t.Error("a closed route answers")
	}
}

func TestReachFails(t *testing.T) {
	denied := func(f *fakeAPIServer, resources ...string) { f.deny(append(resources, "services/proxy")...) }
	for name, tt := range map[string]struct {
		prepare func(*fakeAPIServer)
		service func(*Service)
		want    []string
	}{
		"both denied": {func(f *fakeAPIServer) { denied(f, "pods/portforward") }, nil, []string{
			"reaching the Service monitoring/prometheus:web: through the API server's proxy: services/proxy is forbidden", "; by port-forward: pod prometheus-0: pods/portforward is forbidden",
			"\n  hint: give this account, in the namespace monitoring, either get services/proxy, or create pods/portforward, get services and list endpointslices.discovery.k8s.io",
		}},
		"slices denied": {func(f *fakeAPIServer) { denied(f, "endpointslices") }, nil, []string{"by port-forward: endpointslices is forbidden", "hint: give this account"}},
		"tunnel only": {func(f *fakeAPIServer) { denied(f, "pods/portforward") }, func(s *Service) { s.TunnelOnly = "the bearer token would collide" }, []string{
			"web: by port-forward: pod prometheus-0: ", "(the bearer token would collide)\n  hint: give this account, in the namespace monitoring, create pods/portforward",
		}},
		"no pods":           {func(f *fakeAPIServer) { denied(f); clear(f.pods) }, nil, []string{"no ready pod stands behind the port web"}},
		"other port":        {func(f *fakeAPIServer) { f.proxy = unavailable }, func(s *Service) { s.Port = "9090" }, []string{"no service port", "the Service has no port 9090\n  hint: its ports are 10901 (grpc), 80 (web)"}},
		"no Service":        {func(f *fakeAPIServer) { f.proxy = unavailable }, func(s *Service) { s.Name = "prom" }, []string{"hint: check the namespace and the name"}},
		"no application":    {func(f *fakeAPIServer) { f.proxy = unavailable; f.pods["prometheus-0"] = "127.0.0.1:1" }, nil, []string{"by port-forward: pod prometheus-0: error forwarding port 9090 to pod 0123, uid : connection refused\n  hint: check that the Service has ready pods"}},
		"TLS where none is": {func(f *fakeAPIServer) { f.proxy = unavailable }, func(s *Service) { s.Scheme = "https" }, []string{"hint: the Service does not speak TLS"}},
	} {
		f := newFakeAPIServer(t)
		f.run(app(t, "0"))
		tt.prepare(f)
		s := prometheusService
		if tt.service != nil {
			tt.service(&s)
		}
		_, err := f.client().Reach(t.Context(), s, "")
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %v, want %s", name, err, want)
			}
		}
		if err != nil && strings.Contains(err.Error(), kubeToken) {
			t.Errorf("%s: %v tells too much", name, err)
		}
	}
}

func unavailable(w http.ResponseWriter, _ *http.Request) {
	status(w, 503, metav1.StatusReasonServiceUnavailable, "no service port found")
}

// The Service may not be read, but its EndpointSlices may.
func TestReachWithoutService(t *testing.T) {
	f := newFakeAPIServer(t)
	f.deny("services/proxy", "services")
	f.run(app(t, "0"))
	for _, port := range []string{"web", "9090"} {
		s := prometheusService
		s.Port = port
		if r := reach(t, f, s, ""); r.How != "port-forward to pod prometheus-0" {
			t.Errorf("got %+v", r)
		}
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

// With TLS in the pod the certificate is checked, as that of the Service, by whoever has the settings for it.
func TestReachTLSInPod(t *testing.T) {
	f := newFakeAPIServer(t)
	f.deny("services/proxy")
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, one) }))
	server.Config.ErrorLog = f.Config.ErrorLog
	server.StartTLS()
	defer server.Close()
	f.pods["prometheus-0"] = server.Listener.Addr().String()
	s := prometheusService
	s.Scheme = "https"
	r := reach(t, f, s, "")
	if _, err := get(t, r); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	own := server.Client().Transport.(*http.Transport).Clone()
	own.DialContext, own.TLSClientConfig.RootCAs, own.TLSClientConfig.ServerName = r.Dial, pool, "example.com"
	r.Transport = own
	defer own.CloseIdleConnections()
	if resp, err := get(t, r); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
}

// A hanging API server costs no more than the caller's time, and a closed route leaves nothing behind.
func TestReachLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	func() {
		f := newFakeAPIServer(t)
		over := make(chan struct{})
		hang := func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-over:
			case <-r.Context().Done():
			}
		}
		f.proxy = hang
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		begin := time.Now()
		if _, err := f.client().Reach(ctx, prometheusService, ""); err == nil || time.Since(begin) > 2*time.Second {
			t.Errorf("got %v after %s", err, time.Since(begin))
		}
		f.deny("services/proxy")
		f.run(app(t, "0"))
		r, err := f.client().Reach(t.Context(), prometheusService, "")
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			req, _ := http.NewRequestWithContext(ctx, "GET", r.URL, nil)
			if resp, err := r.Transport.RoundTrip(req); err == nil {
				resp.Body.Close()
			}
			cancel()
		}
		r.Close()
		close(over)
		f.breakTunnels()
		f.Server.CloseClientConnections()
	}()
	limit := before + 8 // the two servers of this test, which end with it
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		n := runtime.NumGoroutine()
		if n <= limit {
			return
		}
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("%d goroutines became %d:\n%s", before, n, stacks[:runtime.Stack(stacks, true)])
		}
	}
}
