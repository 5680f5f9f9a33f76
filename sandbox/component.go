package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/rolloutgate/rolloutgate/sandbox/instance"
	"github.com/rolloutgate/rolloutgate/sandbox/node"
	"github.com/rolloutgate/rolloutgate/sandbox/pki"
	"github.com/rolloutgate/rolloutgate/sandbox/traffic"
)

// componentCommand holds the components that are part of this program. A
// sandbox starts them as processes of their own, like the others, so that they
// live on when `up` returns.
func componentCommand() *cobra.Command {
	component := &cobra.Command{Use: "component", Hidden: true}

	var certificates, api, listen string
	traffic := &cobra.Command{
		Use: instance.TrafficComponent, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveTraffic(cmd.Context(), certificates, api, listen)
		},
	}
	traffic.Flags().StringVar(&certificates, "certificates", "", "directory of the certificate authority")
	traffic.Flags().StringVar(&api, "api", "", "URL of the API server")
	traffic.Flags().StringVar(&listen, "listen", "", "address to serve on")

	cfg := node.Config{Log: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	real := &cobra.Command{
		Use: instance.NodeComponent, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runNode(cmd.Context(), cfg) },
	}
	real.Flags().StringVar(&cfg.Dir, "dir", "", "directory of the node")
	real.Flags().StringVar(&cfg.Kubeconfig, "kubeconfig", "", "kubeconfig of the node")
	real.Flags().StringVar(&cfg.CAFile, "ca", "", "certificate authority of the API server's client certificate")
	real.Flags().StringVar(&cfg.Kubelet, "kubelet", "", "path of the kubelet")
	real.Flags().StringVar(&cfg.KubeProxy, "kube-proxy", "", "path of kube-proxy")
	real.Flags().StringVar(&cfg.ProxyKubeconfig, "kube-proxy-kubeconfig", "", "kubeconfig of kube-proxy")
	real.Flags().StringVar(&cfg.Services, "services", "", "network of the addresses of Services")
	real.Flags().StringVar(&cfg.Testapp, "testapp", "", "path of the test application")
	real.Flags().StringVar(&cfg.Name, "node-name", "", "name of the node")
	real.Flags().StringSliceVar(&cfg.Taints, "taint", nil, "taints of the node")

	component.AddCommand(traffic, real)
	return component
}

func serveTraffic(ctx context.Context, certificates, api, address string) error {
	client, err := pki.Client(certificates, "admin")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := &traffic.Server{API: api, Client: client}
	go server.Watch(ctx)
	web := &http.Server{Handler: server}
	go func() { <-ctx.Done(); web.Close() }()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// runNode holds the node until it is told to stop or the node dies: the kernel
// ends all of it with this process.
func runNode(ctx context.Context, cfg node.Config) error {
	n, err := node.Start(ctx, cfg)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return n.Stop()
	case <-n.Done():
		return errors.Join(errors.New("the node has died"), n.Stop())
	}
}
