//go:build cluster

package tunnel

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// fixture is a namespace of its own on the cluster of KUBECONFIG.
type fixture struct {
	typed kubernetes.Interface
	t     *testing.T
	ns    string
}

func onCluster(t *testing.T) fixture {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Fatal("KUBECONFIG is not set: run this test with `sandbox run -- go test -tags cluster`")
	}
	config, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	f := fixture{t: t, ns: "t-" + strings.ToLower(t.Name()+"-"+rand.Text()[:4])}
	if f.typed, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	f.kubectl("", "create", "namespace", f.ns)
	t.Cleanup(func() { f.kubectl("", "delete", "namespace", f.ns, "--wait=false") })
	return f
}

func (f fixture) kubectl(stdin string, args ...string) {
	f.t.Helper()
	c := exec.Command("kubectl", args...)
	c.Stdin = strings.NewReader(stdin)
	if out, err := c.CombinedOutput(); err != nil {
		f.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// as is a client for a ServiceAccount that may do what the rules say and no more.
func (f fixture) as(account, rules string) *Client {
	f.t.Helper()
	f.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: ServiceAccount
metadata: {name: %[1]s, namespace: %[2]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: %[1]s, namespace: %[2]s}
rules: [%[3]s]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: %[1]s, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: %[1]s}
subjects: [{kind: ServiceAccount, name: %[1]s, namespace: %[2]s}]
`, account, f.ns, rules), "apply", "-f", "-")
	token, err := f.typed.CoreV1().ServiceAccounts(f.ns).CreateToken(f.t.Context(), account, &authv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		f.t.Fatal(err)
	}
	config = rest.AnonymousClientConfig(config)
	config.BearerToken = token.Status.Token
	c, err := New(config)
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// ownAddress is an address of this machine that is not loopback, which the API server does not take for an endpoint.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Fatal("this machine has no address but loopback")
	return ""
}

// prometheusBehind makes a Service for the Prometheus of the sandbox, which listens on loopback. Its pod is a simulated
// one with an address of this machine: the API server takes only addresses of pods.
func (f fixture) prometheusBehind() Service {
	f.t.Helper()
	target, err := url.Parse(os.Getenv("ROLLOUTGATE_PROMETHEUS_URL"))
	if err != nil || target.Host == "" {
		f.t.Fatal("ROLLOUTGATE_PROMETHEUS_URL is not set: run this test with `sandbox run -- go test -tags cluster`")
	}
	address := ownAddress(f.t)
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		f.t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener}
	server.Config = httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(target)).Config
	server.Start()
	f.t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	f.kubectl(fmt.Sprintf(`
apiVersion: v1
kind: Service
metadata: {name: prometheus, namespace: %[1]s}
spec: {selector: {app: prometheus}, ports: [{name: web, port: 9090, targetPort: %[2]s}]}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus-0, namespace: %[1]s, labels: {app: prometheus}, annotations: {sandbox.rolloutgate.dev/behavior: scripted}}
spec: {containers: [{name: prometheus, image: prometheus}]}
`, f.ns, port), "apply", "-f", "-")
	f.kubectl("", "patch", "pod", "prometheus-0", "-n", f.ns, "--subresource=status", "--type=merge", "-p", fmt.Sprintf(
		`{"status":{"phase":"Running","podIP":%[1]q,"podIPs":[{"ip":%[1]q}],"conditions":[{"type":"Ready","status":"True"}]}}`, address))
	return Service{Scheme: "http", Namespace: f.ns, Name: "prometheus", Port: "web"}
}

// TestReachRealAPIServer: a read-only account gets to a real Prometheus through a real API server, by GET alone.
func TestReachRealAPIServer(t *testing.T) {
	f := onCluster(t)
	s := f.prometheusBehind()
	reader := f.as("reader", `{apiGroups: [""], resources: [services/proxy], verbs: [get]}`)
	var r Route
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		var err error
		if r, err = reader.Reach(t.Context(), s, ""); err == nil {
			break
		}
		if time.Now().After(deadline) { // the API server hears of endpoints and roles a moment later
			t.Fatal(err)
		}
	}
	defer r.Close()
	if r.How != "API server proxy" || r.Note != "" {
		t.Errorf("got %+v", r)
	}
	if resp, err := get(t, r); err != nil || resp.StatusCode != 200 {
		t.Errorf("got %v, %v", resp, err)
	}
	s.Scheme = "https"
	if _, err := reader.Reach(t.Context(), s, ""); err == nil || !strings.Contains(err.Error(), "hint: the Service does not speak TLS") {
		t.Errorf("got %v", err)
	}
	s.Scheme = "http"
	if _, err := reader.Reach(t.Context(), s, "/nowhere"); err == nil || !strings.Contains(err.Error(), "not as Prometheus: 404") {
		t.Errorf("got %v", err)
	}
	s.Name = "other"
	if _, err := reader.Reach(t.Context(), s, ""); err == nil || !strings.Contains(err.Error(), `services "other" not found`) {
		t.Errorf("got %v", err)
	}
}

// TestReachRealDenials: what a real API server says to an account that may not.
func TestReachRealDenials(t *testing.T) {
	f := onCluster(t)
	s := f.prometheusBehind()
	for rules, want := range map[string]string{
		"": "hint: give this account, in the namespace " + f.ns + ", either get services/proxy, or create pods/portforward",
		`{apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list]}`: "by port-forward: pod prometheus-0: pods \"prometheus-0\" is forbidden",
	} {
		_, err := f.as("nobody", rules).Reach(t.Context(), s, "")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "through the API server's proxy: services \"prometheus:web\" is forbidden") {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
