//go:build cluster || realnode

package main

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// gatewayNotices is how often the gateway looks: those that are in use gather changes for as long.
const gatewayNotices = 2 * time.Second

// gateway sends requests on by the first rule of an HTTPRoute, straight to the pods behind its Services and by their
// weights, as what implements the Gateway API does. It is slow to notice what has changed.
type gateway struct {
	namespace, route string
	dynamic          dynamic.Interface
	typed            kubernetes.Interface
	listener         net.Listener
	table            atomic.Pointer[[]weighted]
}

// weighted is one backend of a rule: the addresses of its pods that are ready.
type weighted struct {
	weight int64
	pods   []string
}

func openGateway(kubeconfig, route string) (*gateway, error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(&clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}, nil)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, err
	}
	g := &gateway{route: route}
	if g.namespace, _, err = loader.Namespace(); err != nil {
		return nil, err
	}
	if g.dynamic, err = dynamic.NewForConfig(config); err != nil {
		return nil, err
	}
	if g.typed, err = kubernetes.NewForConfig(config); err != nil {
		return nil, err
	}
	g.listener, err = net.Listen("tcp", "127.0.0.1:0")
	return g, err
}

// serve goes on until the context ends.
func (g *gateway) serve(ctx context.Context) {
	server := &http.Server{Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL.Scheme, r.Out.URL.Host = "http", g.choose()
	}}}
	go server.Serve(g.listener)
	defer server.Close()
	for ctx.Err() == nil {
		if table, err := g.read(ctx); err == nil {
			g.table.Store(&table)
		}
		select {
		case <-ctx.Done():
		case <-time.After(gatewayNotices):
		}
	}
}

// choose is the address of a pod; one that nobody has, where no pod is behind the backend that is chosen.
func (g *gateway) choose() string {
	const nobody = "127.0.0.1:1"
	table := g.table.Load()
	if table == nil {
		return nobody
	}
	var sum int64
	for _, w := range *table {
		sum += w.weight
	}
	if sum == 0 {
		return nobody
	}
	at := rand.Int64N(sum)
	for _, w := range *table {
		if at -= w.weight; at < 0 {
			if len(w.pods) == 0 {
				return nobody
			}
			return w.pods[rand.IntN(len(w.pods))]
		}
	}
	return nobody
}

func (g *gateway) read(ctx context.Context) ([]weighted, error) {
	refs, err := backendsNow(ctx, g.dynamic, g.namespace, g.route)
	if err != nil {
		return nil, err
	}
	var table []weighted
	for _, ref := range refs {
		list, err := g.typed.DiscoveryV1().EndpointSlices(g.namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + ref.name})
		if err != nil {
			return nil, err
		}
		w := weighted{weight: ref.weight}
		for _, slice := range list.Items {
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					w.pods = append(w.pods, net.JoinHostPort(e.Addresses[0], strconv.Itoa(int(*slice.Ports[0].Port))))
				}
			}
		}
		table = append(table, w)
	}
	return table, nil
}

type namedWeight struct {
	name   string
	weight int64
}

// backendsNow are the backends of the first rule of a route.
func backendsNow(ctx context.Context, client dynamic.Interface, namespace, route string) ([]namedWeight, error) {
	kind := schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}
	live, err := client.Resource(kind).Namespace(namespace).Get(ctx, route, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	var all []namedWeight
	rules, _, _ := unstructured.NestedSlice(live.Object, "spec", "rules")
	for _, r := range rules[:min(1, len(rules))] {
		refs, _ := r.(map[string]any)["backendRefs"].([]any)
		for _, entry := range refs {
			fields := entry.(map[string]any)
			all = append(all, namedWeight{fields["name"].(string), fields["weight"].(int64)})
		}
	}
	return all, nil
}

// shareSeen is from when on a route had which weight for the Service of the run, in percent.
type shareSeen struct {
	at      time.Time
	percent float64
}

// shareWatch notes the shares of a route as they change.
type shareWatch struct {
	mu   sync.Mutex
	seen []shareSeen
}

func (s *shareWatch) follow(ctx context.Context, g *gateway) {
	for ctx.Err() == nil {
		refs, err := backendsNow(ctx, g.dynamic, g.namespace, g.route)
		var sum, beside int64
		for _, ref := range refs {
			sum += ref.weight
			if strings.HasSuffix(ref.name, "-rolloutgate") {
				beside += ref.weight
			}
		}
		s.mu.Lock()
		if percent := float64(beside) * 100 / float64(max(sum, 1)); err == nil && (len(s.seen) == 0 || s.seen[len(s.seen)-1].percent != percent) {
			s.seen = append(s.seen, shareSeen{time.Now(), percent})
		}
		s.mu.Unlock()
		time.Sleep(50 * time.Millisecond)
	}
}

// during are the answers while a route had a share, but for the time in which that is noticed, at both ends.
func (s *shareWatch) during(got answers, percent float64) answers {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, seen := range s.seen {
		if seen.percent != percent {
			continue
		}
		until := time.Now()
		if i+1 < len(s.seen) {
			until = s.seen[i+1].at
		}
		return got.between(seen.at.Add(2*gatewayNotices), until)
	}
	return nil
}

// gatewayCommands are `gateway ROUTE`, which has clients ask a gateway for it, by its address where GATEWAY is one, and
// `shared VERSION PERCENT:REQUESTS…`, which ends that and compares: for each share so many requests and more, of which that
// version has answered as many as it should, to 2 points, and no request of all has failed.
func gatewayCommands() map[string]func(*testscript.TestScript, bool, []string) {
	type open struct {
		asking *asking
		watch  *shareWatch
		stop   func()
	}
	var gateways sync.Map // by the folder of the script
	return map[string]func(*testscript.TestScript, bool, []string){
		"gateway": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) != 1 {
				ts.Fatalf("usage: gateway ROUTE")
			}
			g, err := openGateway(ts.Getenv("KUBECONFIG"), args[0])
			ts.Check(err)
			ctx, cancel := context.WithCancel(context.Background())
			ts.Defer(cancel)
			go g.serve(ctx)
			o := open{watch: &shareWatch{}, stop: cancel}
			go o.watch.follow(ctx, g)
			address := cmp.Or(ts.Getenv("GATEWAY"), g.listener.Addr().String())
			for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
				answer, err := http.Get("http://" + address + "/")
				if err == nil {
					answer.Body.Close()
				}
				if err == nil && answer.StatusCode == http.StatusOK {
					break
				}
				if time.Now().After(deadline) {
					ts.Fatalf("the gateway at %s does not answer: %v", address, err)
				}
			}
			o.asking, err = askAt("http://" + address + "/")
			ts.Check(err)
			ts.Defer(func() { o.asking.cmd.Process.Kill() })
			gateways.Store(ts.Getenv("WORK"), o)
		},
		"shared": func(ts *testscript.TestScript, neg bool, args []string) {
			value, ok := gateways.LoadAndDelete(ts.Getenv("WORK"))
			if neg || len(args) < 2 || !ok {
				ts.Fatalf("usage: gateway ROUTE, and then shared VERSION PERCENT:REQUESTS…")
			}
			o := value.(open)
			got, err := o.asking.stop()
			o.stop()
			ts.Check(err)
			ts.Logf("%s", got)
			var problems []string
			for _, want := range args[1:] {
				text, least, _ := strings.Cut(want, ":")
				percent, err := strconv.ParseFloat(text, 64)
				ts.Check(err)
				count, err := strconv.Atoi(least)
				ts.Check(err)
				some := o.watch.during(got, percent)
				share := float64(some.versions()[args[0]]) * 100 / float64(max(1, len(some)))
				ts.Logf("%g%%: %d requests, %.2f%% of them answered by %s", percent, len(some), share, args[0])
				if len(some) < count || math.Abs(share-percent) > 2 {
					problems = append(problems, fmt.Sprintf("at %g%% it were %.2f%% of %d", percent, share, len(some)))
				}
			}
			if got.failed() > 0 || len(problems) > 0 {
				ts.Fatalf("%d requests failed; %s", got.failed(), strings.Join(problems, "; "))
			}
		},
	}
}
