package node

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
)

// bridgeName derives a name from the directory, so that a later Start finds what an earlier one left. Interface names
// have at most 15 characters, and that of the link to the namespace of Services has two more than the bridge's.
func bridgeName(dir string) string {
	digest := sha256.Sum256([]byte(dir))
	return fmt.Sprintf("rg-%x", digest[:5])
}

// chooseSubnet takes the wanted subnet, or looks for one that overlaps no address of this machine. Nodes in different
// directories begin looking at different places.
func chooseSubnet(wanted, dir string) (netip.Prefix, error) {
	if wanted != "" {
		p, err := netip.ParsePrefix(wanted)
		if err != nil || !p.Addr().Is4() || p.Bits() > 28 {
			return p, fmt.Errorf("subnet %q: want an IPv4 network of at least 16 addresses, like 10.88.7.0/24", wanted)
		}
		return p.Masked(), nil
	}
	taken, err := ownNetworks()
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("choosing a subnet: %w", err)
	}
	digest := sha256.Sum256([]byte(dir))
	return freeSubnet(taken, digest[0])
}

func freeSubnet(taken []netip.Prefix, first byte) (netip.Prefix, error) {
	for i := range 256 {
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 88, first + byte(i), 0}), 24)
		free := true
		for _, t := range taken {
			free = free && !t.Overlaps(p)
		}
		if free {
			return p, nil
		}
	}
	return netip.Prefix{}, errors.New("no subnet of 10.88.0.0/16 is free: set Config.Subnet")
}

func ownNetworks() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var networks []netip.Prefix
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			networks = append(networks, p)
		}
	}
	return networks, nil
}

// createBridge makes the bridge before the first pod does: the kubelet needs an address for the node that is not
// loopback, and takes the bridge's.
func createBridge(ctx context.Context, name string, address netip.Prefix) error {
	for _, args := range [][]string{
		{"link", "add", "name", name, "type", "bridge"},
		{"address", "add", address.String(), "dev", name},
		{"link", "set", "dev", name, "up"},
	} {
		if err := ip(ctx, args...); err != nil {
			return fmt.Errorf("creating bridge %s: %w", name, err)
		}
	}
	return nil
}

// removeBridge removes the bridge, and with it the route to Services, and the link to their namespace. The kernel takes
// that link with the namespace, but in its own time, and a next Start would find it.
func removeBridge(name string) error {
	for _, link := range []string{name + "-s", name} {
		if !exists(link) {
			continue
		}
		if err := ip(context.Background(), "link", "delete", "dev", link); err != nil && exists(link) {
			return fmt.Errorf("removing network interface %s: %w", link, err)
		}
	}
	return nil
}

func exists(link string) bool {
	_, err := net.InterfaceByName(link)
	return err == nil
}

func ip(ctx context.Context, args ...string) error {
	out, err := exec.CommandContext(ctx, lookPath("ip"), args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
