package node

import (
	"fmt"
	"io"
	"net"
	"net/url"

	"k8s.io/client-go/tools/clientcmd"
)

// relay passes connections on to an API server on the loopback interface, which a namespace with a network of its own
// cannot reach.
type relay struct {
	listener net.Listener
	target   string // host and port
}

// listenRelay takes a port of the node's address, and writes a copy of kube-proxy's kubeconfig that leads there. The API
// server's certificate does not know the node's address, so the copy says under which name to expect it.
func listenRelay(address, kubeconfig, copied string) (*relay, error) {
	config, err := clientcmd.LoadFromFile(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading kube-proxy's kubeconfig: %w", err)
	}
	context := config.Contexts[config.CurrentContext]
	if context == nil || config.Clusters[context.Cluster] == nil {
		return nil, fmt.Errorf("kube-proxy's kubeconfig %s has no current cluster", kubeconfig)
	}
	cluster := config.Clusters[context.Cluster]
	server, err := url.Parse(cluster.Server)
	if err != nil || server.Port() == "" {
		return nil, fmt.Errorf("kube-proxy's kubeconfig: server %q has no port", cluster.Server)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return nil, fmt.Errorf("listening for kube-proxy: %w", err)
	}
	cluster.Server, cluster.TLSServerName = "https://"+listener.Addr().String(), server.Hostname()
	if err := clientcmd.WriteToFile(*config, copied); err != nil {
		listener.Close()
		return nil, fmt.Errorf("writing kube-proxy's kubeconfig: %w", err)
	}
	return &relay{listener, server.Host}, nil
}

// serve ends when the listener is closed. Connections end with either side.
func (r *relay) serve() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("tcp", r.target)
			if err != nil {
				return
			}
			go func() {
				io.Copy(server, client)
				server.Close()
			}()
			io.Copy(client, server)
		}()
	}
}
