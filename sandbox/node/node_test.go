package node

import (
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestAptGet(t *testing.T) {
	got := AptGet([]string{"root", "runc (package runc)", "containerd (package containerd)", "containerd-shim-runc-v2 (package containerd)"})
	if want := "apt-get install --yes --no-install-recommends containerd runc"; got != want {
		t.Errorf("AptGet is %q, want %q", got, want)
	}
	if got := AptGet([]string{"root"}); got != "" {
		t.Errorf("AptGet without packages is %q, want nothing", got)
	}
}

func TestConfigDefaults(t *testing.T) {
	full := Config{Dir: "state", Kubeconfig: "kubeconfig", CAFile: "ca.crt", Kubelet: "kubelet", KubeProxy: "kube-proxy", ProxyKubeconfig: "kubeconfig", Services: "10.96.0.0/16"}
	cfg, err := full.withDefaults()
	if err != nil || cfg.Name != "real-1" || !filepath.IsAbs(cfg.Dir) || !filepath.IsAbs(cfg.Kubelet) {
		t.Errorf("defaults are %+v, %v", cfg, err)
	}
	full.Kubelet = ""
	if _, err := full.withDefaults(); err == nil || !strings.Contains(err.Error(), "Config.Kubelet") {
		t.Errorf("without a kubelet: %v, want an error that names it", err)
	}
	for _, dir := range []string{"/run", "/run/node", "/var/log/node", "/var/lib/kubelet/x"} {
		cfg.Dir = dir
		if _, err := cfg.withDefaults(); err == nil {
			t.Errorf("directory %s, which the node hides, is accepted", dir)
		}
	}
	cfg.Dir = "/runner"
	if _, err := cfg.withDefaults(); err != nil {
		t.Errorf("directory /runner: %v", err)
	}
}

func TestBridgeName(t *testing.T) {
	a, b := bridgeName("/tmp/a"), bridgeName("/tmp/b")
	if a == b || a != bridgeName("/tmp/a") || len(a) > 15 {
		t.Errorf("names are %q and %q: want two different stable ones of at most 15 characters", a, b)
	}
}

func TestFreeSubnet(t *testing.T) {
	taken := []netip.Prefix{netip.MustParsePrefix("10.88.7.1/24"), netip.MustParsePrefix("10.88.8.0/23"), netip.MustParsePrefix("192.0.2.1/24")}
	got, err := freeSubnet(taken, 7)
	if err != nil || got.String() != "10.88.10.0/24" {
		t.Errorf("free subnet is %s, %v; want 10.88.10.0/24", got, err)
	}
	got, err = freeSubnet(nil, 255)
	if err != nil || got.String() != "10.88.255.0/24" {
		t.Errorf("free subnet is %s, %v; want 10.88.255.0/24", got, err)
	}
	if _, err := freeSubnet([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 0); err == nil {
		t.Error("everything is taken, and yet a subnet is free")
	}
}

func TestChosenSubnet(t *testing.T) {
	if got, err := chooseSubnet("10.1.2.3/24", ""); err != nil || got.String() != "10.1.2.0/24" {
		t.Errorf("subnet is %s, %v; want 10.1.2.0/24", got, err)
	}
	for _, bad := range []string{"10.1.2.3", "fd00::/64", "10.1.2.0/30", "pods"} {
		if _, err := chooseSubnet(bad, ""); err == nil {
			t.Errorf("subnet %q is accepted", bad)
		}
	}
}

func TestParseCgroupRoots(t *testing.T) {
	const hybrid = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n" +
		"cgroup /elsewhere cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
	v1, v2 := parseCgroupRoots(hybrid)
	if !slices.Equal(v1, []string{"/sys/fs/cgroup/memory"}) || !slices.Equal(v2, []string{"/sys/fs/cgroup/unified"}) {
		t.Errorf("roots are %q and %q", v1, v2)
	}
}

func TestRemoveEmptyDirs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "group")
	if err := os.MkdirAll(filepath.Join(dir, "kubepods", "pod1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeEmptyDirs(dir); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("directory is still there: %v", err)
	}
	if err := removeEmptyDirs(dir); err != nil {
		t.Errorf("removing it again: %v", err)
	}
}

func TestParseStartTime(t *testing.T) {
	const rest = " 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200 18446744073709551615\n"
	for stat, want := range map[string]string{
		"7 (sh) S" + rest:           "98765",
		"7 (a) b (c)) R" + rest:     "98765",
		"7 (sh) Z" + rest:           "",
		"7 (sh) S 1 7":              "",
		"":                          "",
		"7 no brackets here at all": "",
	} {
		if got := parseStartTime(stat); got != want {
			t.Errorf("start time of %q is %q, want %q", stat, got, want)
		}
	}
	if runtime.GOOS == "linux" && startTime(os.Getpid()) == "" {
		t.Error("this process has no start time")
	}
}

func TestUnready(t *testing.T) {
	started := time.Date(2026, 1, 2, 3, 4, 5, 600e6, time.UTC)
	node := func(status v1.ConditionStatus, at time.Time) *v1.Node {
		return &v1.Node{Status: v1.NodeStatus{Conditions: []v1.NodeCondition{
			{Type: v1.NodeDiskPressure, Status: v1.ConditionFalse},
			{Type: v1.NodeReady, Status: status, Message: "no network", LastHeartbeatTime: metav1.NewTime(at)},
		}}}
	}
	const silent = "the kubelet has not reported yet"
	for _, c := range []struct {
		name string
		node *v1.Node
		want string
	}{
		{"new", &v1.Node{}, silent},
		{"left by an earlier node", node(v1.ConditionTrue, started.Add(-time.Minute)), silent},
		{"not ready", node(v1.ConditionFalse, started.Add(time.Second)), "no network"},
		{"ready, in a timestamp of whole seconds", node(v1.ConditionTrue, started.Truncate(time.Second)), ""},
	} {
		if got := unready(c.node, started); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestFilesAgree(t *testing.T) {
	cfg := Config{Dir: "/state", CAFile: "/ca.crt"}
	kubelet := kubeletConfig(cfg, "10.88.1.1", "rg-1")
	for _, line := range []string{"containerRuntimeEndpoint: unix://" + containerdSocket, "cgroupRoot: /rg-1", "resolvConf: /state/etc/resolv.conf"} {
		if !strings.Contains(kubelet, line+"\n") {
			t.Errorf("the kubelet's configuration lacks %q:\n%s", line, kubelet)
		}
	}
	if strings.Contains(kubelet, "crashLoopBackOff") {
		t.Error("the crash-loop delay is limited without being asked for")
	}
	cfg.MaxBackOff = 2 * time.Second
	if text := kubeletConfig(cfg, "10.88.1.1", "rg-1"); !strings.Contains(text, "maxContainerRestartPeriod: 2s}") {
		t.Errorf("the crash-loop delay is not limited:\n%s", text)
	}
	if text := containerdConfig("/state", "overlayfs", "/cni"); !strings.Contains(text, `sandbox_image = "registry.sandbox/pause:v1"`) {
		t.Errorf("containerd's configuration lacks the pause image:\n%s", text)
	}
}
