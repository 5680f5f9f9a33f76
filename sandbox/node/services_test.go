package node

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func TestFreeServices(t *testing.T) {
	for _, c := range []struct {
		name  string
		taken []string
		used  []string
		want  string
	}{
		{"nothing is there", nil, []string{"0.0.0.0/0", "192.0.2.0/24"}, "10.96.0.0/16"},
		{"a second node", []string{"10.96.0.0/16"}, nil, "10.97.0.0/16"},
		{"an address of this machine", nil, []string{"10.96.3.4/32"}, "10.97.0.0/16"},
		{"the same route", []string{"10.97.0.0/16"}, []string{"10.96.0.0/16"}, "10.98.0.0/16"},
		{"a wide route", nil, []string{"10.0.0.0/8", "10.96.0.0/12"}, "10.96.0.0/16"},
	} {
		var used []netip.Prefix
		for _, u := range c.used {
			used = append(used, netip.MustParsePrefix(u))
		}
		if got, err := freeServices(c.taken, used); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.name, got, err, c.want)
		}
	}
	var all []netip.Prefix
	for second := byte(96); second < 112; second++ {
		all = append(all, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, 1, 0}), 24))
	}
	if got, err := freeServices(nil, all); err == nil {
		t.Errorf("everything is taken, and yet %s is free", got)
	}
}

func TestParseRoutes(t *testing.T) {
	const table = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n" +
		"rg-1\t0000600A\t0244580A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n" +
		"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	want := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("10.96.0.0/16"), netip.MustParsePrefix("192.0.2.0/24")}
	if got := parseRoutes(table); !slices.Equal(got, want) {
		t.Errorf("routes are %v, want %v", got, want)
	}
}

func TestFirstService(t *testing.T) {
	if got, err := FirstService("10.97.0.0/16"); err != nil || got != "10.97.0.1" {
		t.Errorf("the first address is %s, %v; want 10.97.0.1", got, err)
	}
	for _, bad := range []string{"", "10.96.0.1", "10.96.0.1/16", "10.96.0.0/25", "fd00::/64"} {
		if _, err := FirstService(bad); err == nil {
			t.Errorf("network %q is accepted", bad)
		}
	}
}

// Pods must not get the address through which they reach Services.
func TestPodsKnowTheWay(t *testing.T) {
	text := cniConfig("rg-1", netip.MustParsePrefix("10.88.7.0/24"), "10.96.0.0/16")
	for _, want := range []string{`"rangeStart": "10.88.7.3"`, `{"dst": "10.96.0.0/16", "gw": "10.88.7.2"}`} {
		if !strings.Contains(text, want) {
			t.Errorf("the network's configuration lacks %s:\n%s", want, text)
		}
	}
}

func TestRelay(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() {
		for {
			conn, err := target.Accept()
			if err != nil {
				return
			}
			io.CopyN(conn, conn, 4) // an echo of four bytes, then the end
			conn.Close()
		}
	}()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	text := `{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],
		users: [{name: u}], clusters: [{name: c, cluster: {server: "https://` + target.Addr().String() + `"}}]}`
	if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := listenRelay("127.0.0.1", from, to)
	if err != nil {
		t.Fatal(err)
	}
	defer r.listener.Close()
	go r.serve()
	config, err := clientcmd.BuildConfigFromFlags("", to)
	if err != nil || config.Host != "https://"+r.listener.Addr().String() || config.TLSClientConfig.ServerName != "127.0.0.1" {
		t.Errorf("the copied kubeconfig leads to %+v, %v", config, err)
	}
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "ping")
	if got, err := io.ReadAll(conn); err != nil || string(got) != "ping" {
		t.Errorf("through the relay: %q, %v", got, err)
	}
}
