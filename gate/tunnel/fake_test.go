package tunnel

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clientforward "k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	streamspdy "k8s.io/streaming/pkg/httpstream/spdy"
)

const kubeToken = "kubeconfig-sesame"

// one is what Prometheus answers to the query 1.
const one = `{"status":"success","data":{"resultType":"scalar","result":[1700000000,"1"]}}`

// fakeAPIServer is as much of an API server as a way to a Service needs: the service proxy, Services, EndpointSlices
// and port-forwards, with the node that connects to the pods.
type fakeAPIServer struct {
	*httptest.Server
	t *testing.T

	mu       sync.Mutex
	denied   map[string]bool   // resources that this account may not use
	proxy    http.HandlerFunc  // answers below the service proxy
	pods     map[string]string // address of the application, by pod; "" takes no connections
	tunnels  map[string]int    // how many were opened, by pod
	open     []httpstream.Connection
	noSocket bool // knows only SPDY
	spdy     int
}

func newFakeAPIServer(t *testing.T) *fakeAPIServer {
	f := &fakeAPIServer{t: t, denied: map[string]bool{}, pods: map[string]string{}, tunnels: map[string]int{}}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.StartTLS()
	t.Cleanup(func() { f.breakTunnels(); f.Close() })
	return f
}

func (f *fakeAPIServer) client() *Client {
	f.t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: f.Certificate().Raw})
	c, err := New(&rest.Config{Host: f.URL, BearerToken: kubeToken, TLSClientConfig: rest.TLSClientConfig{CAData: ca}})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fakeAPIServer) deny(resources ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range resources {
		f.denied[r] = true
	}
}

// breakTunnels cuts all port-forwards, as a restart of the API server does.
func (f *fakeAPIServer) breakTunnels() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, conn := range f.open {
		conn.Close()
	}
	f.open = nil
}

func (f *fakeAPIServer) serve(w http.ResponseWriter, r *http.Request) {
	if got := r.Header.Get("Authorization"); got != "Bearer "+kubeToken {
		f.t.Errorf("the API server was asked with the credentials %q", got)
	}
	const core, discovery = "/api/v1/namespaces/monitoring/", "/apis/discovery.k8s.io/v1/namespaces/monitoring/endpointslices"
	path := r.URL.Path
	switch {
	case strings.HasPrefix(path, core+"services/") && strings.Contains(path, "/proxy"):
		f.answer(w, r, "services/proxy", f.proxy)
	case path == core+"services/prometheus":
		f.answer(w, r, "services", func(w http.ResponseWriter, _ *http.Request) { f.write(w, f.service()) })
	case path == discovery:
		f.answer(w, r, "endpointslices", func(w http.ResponseWriter, _ *http.Request) { f.write(w, f.slices()) })
	case strings.HasPrefix(path, core+"pods/") && strings.HasSuffix(path, "/portforward"):
		f.answer(w, r, "pods/portforward", f.forward)
	default:
		status(w, 404, metav1.StatusReasonNotFound, path+" not found")
	}
}

func (f *fakeAPIServer) answer(w http.ResponseWriter, r *http.Request, resource string, handler http.HandlerFunc) {
	f.mu.Lock()
	denied := f.denied[resource]
	f.mu.Unlock()
	if denied {
		status(w, 403, metav1.StatusReasonForbidden, resource+` is forbidden: User "ci" cannot get resource "`+resource+`"`)
		return
	}
	handler(w, r)
}

func (f *fakeAPIServer) write(w http.ResponseWriter, object any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(object); err != nil {
		f.t.Error(err)
	}
}

func status(w http.ResponseWriter, code int32, reason metav1.StatusReason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(int(code))
	_ = json.NewEncoder(w).Encode(metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Code: code, Reason: reason, Message: message,
	})
}

func (f *fakeAPIServer) service() *corev1.Service {
	return &corev1.Service{
		TypeMeta: metav1.TypeMeta{Kind: "Service", APIVersion: "v1"}, ObjectMeta: metav1.ObjectMeta{Name: "prometheus", Namespace: "monitoring"},
		Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "grpc", Port: 10901}, {Name: "web", Port: 80}}},
	}
}

// slices has the pods in the order of their names, and one that is not ready.
func (f *fakeAPIServer) slices() *discoveryv1.EndpointSliceList {
	f.mu.Lock()
	defer f.mu.Unlock()
	web, grpc, container, other := "web", "grpc", int32(9090), int32(10901)
	slice := discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{Name: &grpc, Port: &other}, {Name: &web, Port: &container}}}
	add := func(pod string, ready bool) {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Conditions: discoveryv1.EndpointConditions{Ready: &ready}, TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod},
		})
	}
	add("prometheus-unready", false)
	for _, pod := range []string{"prometheus-0", "prometheus-1", "prometheus-2"} {
		if _, there := f.pods[pod]; there {
			add(pod, true)
		}
	}
	return &discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}, Items: []discoveryv1.EndpointSlice{slice, slice}}
}

// forward upgrades to a tunnel and connects its streams with the application of the pod.
func (f *fakeAPIServer) forward(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.URL.Path, "/")
	pod := parts[len(parts)-2]
	address, there := f.app(pod)
	if !there {
		status(w, 404, metav1.StatusReasonNotFound, "pods "+pod+" not found")
		return
	}
	pairs := &streamPairs{address: address, waiting: map[string]httpstream.Stream{}}
	var conn httpstream.Connection
	if socket := websocket.IsWebSocketUpgrade(r); socket && !f.noSocket {
		upgrader := websocket.Upgrader{Subprotocols: r.Header["Sec-Websocket-Protocol"]}
		ws, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			f.t.Error(err)
			return
		}
		if conn, err = streamspdy.NewServerConnection(clientforward.NewTunnelingConnection("server", ws), pairs.add); err != nil {
			f.t.Error(err)
			return
		}
	} else {
		if socket {
			status(w, 403, metav1.StatusReasonForbidden, "WebSockets are not known here")
			return
		}
		if _, err := httpstream.Handshake(r, w, []string{clientforward.PortForwardProtocolV1Name}); err != nil {
			f.t.Error(err)
			return
		}
		conn = streamspdy.NewResponseUpgrader().UpgradeResponse(w, r, pairs.add)
	}
	f.mu.Lock()
	f.tunnels[pod]++
	if !websocket.IsWebSocketUpgrade(r) {
		f.spdy++
	}
	f.open = append(f.open, conn)
	f.mu.Unlock()
	<-conn.CloseChan()
}

func (f *fakeAPIServer) app(pod string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	address, there := f.pods[pod]
	return address, there
}

// streamPairs joins the two streams of each connection and serves them, as a node does.
type streamPairs struct {
	address string
	mu      sync.Mutex
	waiting map[string]httpstream.Stream
}

func (p *streamPairs) add(stream httpstream.Stream, replied <-chan struct{}) error {
	id := stream.Headers().Get(corev1.PortForwardRequestIDHeader)
	if stream.Headers().Get(corev1.PortHeader) != "9090" {
		return fmt.Errorf("the port %s was asked for", stream.Headers().Get(corev1.PortHeader))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	first := p.waiting[id]
	if first == nil {
		p.waiting[id] = stream
		return nil
	}
	delete(p.waiting, id)
	go func() {
		<-replied
		p.serve(first, stream)
	}()
	return nil
}

func (p *streamPairs) serve(words, data httpstream.Stream) {
	defer data.Close()
	defer words.Close()
	app, err := net.Dial("tcp", p.address)
	if err != nil {
		fmt.Fprintf(words, "error forwarding port 9090 to pod 0123, uid : connection refused")
		return
	}
	defer app.Close()
	go func() {
		_, _ = io.Copy(app, data)
		app.Close()
	}()
	_, _ = io.Copy(data, app)
}
