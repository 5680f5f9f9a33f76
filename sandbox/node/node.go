package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config says where the node keeps its state and which cluster it joins. All above Testapp are required.
type Config struct {
	Dir        string // holds everything; may be removed after Stop. Not below /run, /var/log or /var/lib/kubelet
	Kubeconfig string // with a client certificate for user system:node:NAME in group system:nodes
	CAFile     string // certificate authority of the API server's client certificate, which asks the kubelet for logs
	Kubelet    string // path of the program

	KubeProxy       string // path of the program
	ProxyKubeconfig string // with a client certificate for user system:kube-proxy
	Services        string // the network of Services' addresses, like 10.96.0.0/16: see ChooseServices

	Testapp string // path of a static testapp; empty: build it with the go command, which must run inside this module

	Name       string        // default real-1
	Subnet     string        // pods' addresses, like 10.88.7.0/24; empty: a free one of 10.88.0.0/16
	Taints     []string      // like dedicated=real:NoSchedule
	MaxBackOff time.Duration // upper limit of the crash-loop delay, at least 1s; 0: the kubelet's own (10s, doubling to 5m)

	Log func(string) // progress, one line a call; nil: none
}

// Label is on every node that this package starts, for node selectors.
const Label, LabelValue = "sandbox.rolloutgate.dev/node", "real"

// Node is a running node. Its exported fields do not change.
type Node struct {
	Name    string
	Address string // the node's own address on the bridge, from which pods are reached
	Subnet  string // the pods' addresses
	Bridge  string // the name of the network interface

	cfg    Config
	inside *inside
	front  *front
	names  net.PacketConn
	relay  *relay
	images *http.Client // speaks to the registry, past the front
	lock   *os.File
}

// Start brings the node up and returns when it is Ready; ctx limits only that. Remains of an earlier node in the same
// directory are cleared first. Every pod of that earlier node starts anew, on a container runtime that knows nothing.
func Start(ctx context.Context, cfg Config) (*Node, error) {
	if missing := Missing(); len(missing) > 0 {
		hint := ""
		if line := AptGet(missing); line != "" {
			hint = "; try: " + line
		}
		return nil, fmt.Errorf("starting node: this machine lacks %s%s", strings.Join(missing, ", "), hint)
	}
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("starting node: %w", err)
	}
	n := &Node{Name: cfg.Name, Bridge: bridgeName(cfg.Dir), cfg: cfg}
	if err := n.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting node %s: %w", cfg.Name, err), n.Stop())
	}
	return n, nil
}

func (cfg Config) withDefaults() (Config, error) {
	for _, f := range []struct{ name, value string }{
		{"Dir", cfg.Dir}, {"Kubeconfig", cfg.Kubeconfig}, {"CAFile", cfg.CAFile}, {"Kubelet", cfg.Kubelet},
		{"KubeProxy", cfg.KubeProxy}, {"ProxyKubeconfig", cfg.ProxyKubeconfig}, {"Services", cfg.Services},
	} {
		if f.value == "" {
			return cfg, fmt.Errorf("starting a node: Config.%s is empty", f.name)
		}
	}
	for _, path := range []*string{&cfg.Dir, &cfg.Kubeconfig, &cfg.CAFile, &cfg.Kubelet, &cfg.KubeProxy, &cfg.ProxyKubeconfig} {
		abs, err := filepath.Abs(*path)
		if err != nil {
			return cfg, err
		}
		*path = abs
	}
	if _, err := FirstService(cfg.Services); err != nil {
		return cfg, err
	}
	for _, hidden := range []string{"/run/", "/var/run/", "/var/log/", "/var/lib/kubelet/"} {
		if strings.HasPrefix(cfg.Dir+"/", hidden) {
			return cfg, fmt.Errorf("directory %s is below %s, which the node hides from itself: choose another", cfg.Dir, hidden)
		}
	}
	if cfg.Name == "" {
		cfg.Name = "real-1"
	}
	if cfg.Log == nil {
		cfg.Log = func(string) {}
	}
	return cfg, nil
}

// start is the order of things. What needs the kubelet comes last; what takes long (building the test application,
// filling the registry) comes before it, so that the node is never Ready without its images.
func (n *Node) start(ctx context.Context) error {
	if err := n.claim(); err != nil {
		return err
	}
	subnet, err := chooseSubnet(n.cfg.Subnet, n.cfg.Dir)
	if err != nil {
		return err
	}
	address := subnet.Addr().Next()
	n.Subnet, n.Address = subnet.String(), address.String()

	n.cfg.Log("creating bridge " + n.Bridge + " with address " + n.Address)
	if err := createBridge(ctx, n.Bridge, netip.PrefixFrom(address, subnet.Bits())); err != nil {
		return err
	}
	if n.names, err = listenNames(n.Address); err != nil {
		return err
	}
	go answerNames(n.names)
	if err := makeCgroup(n.Bridge); err != nil {
		return err
	}
	if n.front, err = listenFront(); err != nil {
		return err
	}
	if err := n.writeFiles(subnet); err != nil {
		return err
	}
	if n.relay, err = listenRelay(n.Address, n.cfg.ProxyKubeconfig, n.proxyKubeconfig()); err != nil {
		return err
	}
	go n.relay.serve()
	n.cfg.Log("starting containerd and docker-registry")
	if n.inside, err = startInside(n.cfg.Dir, n.insideArguments(subnet)); err != nil {
		return err
	}
	go n.front.serve(n.registryDial)
	n.images = &http.Client{Transport: &http.Transport{DialContext: n.registryDial}}
	if err := n.fillRegistry(ctx); err != nil {
		return err
	}
	if err := n.inside.waitFor(ctx, containerdSocket); err != nil {
		return err
	}
	n.cfg.Log("starting the kubelet and kube-proxy")
	started := time.Now()
	if err := n.inside.startKubernetes(); err != nil {
		return err
	}
	if err := n.waitReady(ctx, started); err != nil {
		return err
	}
	n.cfg.Log("node " + n.Name + " is Ready")
	return nil
}

// Stop kills every process of the node, pods without notice included, and removes its bridge and control groups.
// Calling it again does nothing. The Node object stays in the API server.
func (n *Node) Stop() error {
	if n.lock == nil {
		return nil
	}
	var errs []error
	if n.inside != nil {
		errs = append(errs, n.inside.stop())
	}
	if n.front != nil {
		errs = append(errs, n.front.listener.Close())
	}
	if n.relay != nil {
		errs = append(errs, n.relay.listener.Close())
	}
	if n.names != nil {
		errs = append(errs, n.names.Close())
	}
	errs = append(errs, removeBridge(n.Bridge), removeCgroup(n.Bridge), n.lock.Close())
	n.lock = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stopping node %s: %w", n.Name, err)
	}
	return nil
}

// Done is closed when the node died by itself or was stopped.
func (n *Node) Done() <-chan struct{} { return n.inside.done }

// registryDial reaches the registry's socket, which lives in the private /run of the node; the address that an HTTP
// client asks for does not matter.
func (n *Node) registryDial(ctx context.Context, _, _ string) (net.Conn, error) {
	return n.inside.dial(ctx, registrySocket)
}
