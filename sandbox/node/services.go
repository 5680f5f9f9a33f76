package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// servicesAddress is the second address of the pods' network, after the node's own: the way to Services.
func servicesAddress(subnet netip.Prefix) netip.Addr { return subnet.Addr().Next().Next() }

// kubeProxyConfig: iptables, and as little as possible of what is the machine's. All conntrack settings are 0, which
// leaves them alone. Everything is masqueraded, because a pod would answer a neighbour past the namespace that changed
// the address. How long it gathers changes (minSyncPeriod) is as usual: 1s.
func kubeProxyConfig(kubeconfig, node, address string) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %q}
hostnameOverride: %s
bindAddress: %s
mode: iptables
iptables: {masqueradeAll: true, localhostNodePorts: false}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
oomScoreAdj: 0
`, kubeconfig, node, address)
}

// ChooseServices returns a network for the addresses of Services that is not taken and that this machine does not use:
// 10.96.0.0/16 if it can be, or one of the fifteen that follow. It reserves nothing.
func ChooseServices(taken []string) (string, error) {
	used, err := ownNetworks()
	if err != nil {
		return "", fmt.Errorf("choosing a network for Services: %w", err)
	}
	routes, err := os.ReadFile("/proc/net/route")
	if err != nil {
		return "", fmt.Errorf("choosing a network for Services: %w", err)
	}
	return freeServices(taken, append(used, parseRoutes(string(routes))...))
}

func freeServices(taken []string, used []netip.Prefix) (string, error) {
	for second := byte(96); second < 112; second++ {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 0, 0}), 16)
		// A wider route, like that of a VPN to all of 10.0.0.0/8, is no obstacle: the narrower one wins while it is there.
		inUse := slices.ContainsFunc(used, func(u netip.Prefix) bool { return u.Bits() >= p.Bits() && u.Overlaps(p) })
		if !inUse && !slices.Contains(taken, p.String()) {
			return p.String(), nil
		}
	}
	return "", errors.New("choosing a network for Services: none from 10.96.0.0/16 to 10.111.0.0/16 is free")
}

// parseRoutes reads /proc/net/route: the destination is the second column, its mask the eighth, both in hexadecimal with
// the last byte first, as a little-endian machine has them.
func parseRoutes(table string) []netip.Prefix {
	var networks []netip.Prefix
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 8 {
			continue
		}
		address, err1 := strconv.ParseUint(f[1], 16, 32)
		mask, err2 := strconv.ParseUint(f[7], 16, 32)
		if err1 != nil || err2 != nil { // the heading
			continue
		}
		bits, _ := net.IPv4Mask(byte(mask), byte(mask>>8), byte(mask>>16), byte(mask>>24)).Size()
		addr := netip.AddrFrom4([4]byte{byte(address), byte(address >> 8), byte(address >> 16), byte(address >> 24)})
		networks = append(networks, netip.PrefixFrom(addr, bits))
	}
	return networks
}

// FirstService is the address of the API server's own Service, the first of the network.
func FirstService(services string) (string, error) {
	p, err := netip.ParsePrefix(services)
	if err != nil || !p.Addr().Is4() || p.Masked() != p || p.Bits() > 24 {
		return "", fmt.Errorf("network of Services %q: want an IPv4 network of at least 256 addresses, like 10.96.0.0/16", services)
	}
	return p.Addr().Next().String(), nil
}

// ServicesAnswer returns nil when kube-proxy has taken over the addresses of the network. It asks for the API server's
// Service, which has no endpoints in a sandbox: kube-proxy refuses, and without it the address is unreachable.
func ServicesAnswer(ctx context.Context, services string) error {
	address, err := FirstService(services)
	if err != nil {
		return err
	}
	dialer := net.Dialer{Timeout: time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", net.JoinHostPort(address, "443"))
	if err == nil {
		return conn.Close()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return err
}
