package tunnel

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
		f.mu.Lock() // whoever served them may not have ended yet
		if f.tunnels["prometheus-0"] != 2 || (f.spdy == 2) != old {
			t.Errorf("tunnels %v, %d by SPDY", f.tunnels, f.spdy)
		}
		f.mu.Unlock()
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
		"tunnel only": {func(f *fakeAPIServer) { denied(f, "pods/portforward") }, func(s *Service) { s.NoProxy = "the bearer token would collide" }, []string{
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
		if hinted := err != nil && strings.Contains(err.Error(), "give this account"); isDenied(err) != hinted {
			t.Errorf("%s: whoever asks is told that the account may not: %t", name, isDenied(err))
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
