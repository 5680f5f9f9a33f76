package node

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// writeFiles writes every configuration file of the node below etc/.
func (n *Node) writeFiles(subnet netip.Prefix) error {
	etc := filepath.Join(n.cfg.Dir, "etc")
	mirror := "http://" + n.front.address
	files := map[string]string{
		"registry.yml":    registryConfig(filepath.Join(n.cfg.Dir, "registry")),
		"containerd.toml": containerdConfig(n.cfg.Dir, snapshotter(n.cfg.Dir), cniDir()),
		"kubelet.yml":     kubeletConfig(n.cfg, n.Address, n.Bridge),
		"kube-proxy.yml":  kubeProxyConfig(n.proxyKubeconfig(), n.Name, servicesAddress(subnet).String()),
		"resolv.conf":     "nameserver " + n.Address + "\n",

		"cni/10-bridge.conflist": cniConfig(n.Bridge, subnet, n.cfg.Services),

		"certs.d/_default/hosts.toml":                    hostsConfig(mirror),
		"certs.d/" + Registry + "/hosts.toml":            hostsConfig(mirror),
		"certs.d/" + UnreachableRegistry + "/hosts.toml": hostsConfig("http://127.0.0.1:1"),
	}
	for name, text := range files {
		file := filepath.Join(etc, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) proxyKubeconfig() string {
	return filepath.Join(n.cfg.Dir, "etc", "kube-proxy.kubeconfig")
}

// registryConfig lets the registry listen on a socket: no port to choose, none to collide.
func registryConfig(dir string) string {
	return fmt.Sprintf(`version: 0.1
log: {level: warn}
storage:
  filesystem: {rootdirectory: %q}
  maintenance: {uploadpurging: {enabled: false}}
http:
  net: unix
  addr: %s
  relativeurls: true
`, dir, registrySocket)
}

// containerdConfig is for containerd 1.6 and later. restrict_oom_score_adj: a machine may have taken CAP_SYS_RESOURCE
// from root, and runc would then fail to lower the pods' score. The path for /opt is set because containerd creates it.
func containerdConfig(dir, snapshotter, cni string) string {
	return fmt.Sprintf(`version = 2
root = %[1]q
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.restart", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.aufs"]

[grpc]
  address = %[2]q

[plugins."io.containerd.internal.v1.opt"]
  path = %[3]q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %[4]q
  restrict_oom_score_adj = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %[5]q
    conf_dir = %[6]q

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %[7]q

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %[8]q
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"

      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`, filepath.Join(dir, "containerd"), containerdSocket, filepath.Join(dir, "containerd", "opt"), pauseImage,
		cni, filepath.Join(dir, "etc", "cni"), filepath.Join(dir, "etc", "certs.d"), snapshotter)
}

// snapshotter is overlayfs where it works; an overlay cannot lie on another one, as it would in a container.
func snapshotter(dir string) string {
	const overlayMagic = 0x794c7630
	var fs syscall.Statfs_t
	if syscall.Statfs(dir, &fs) == nil && fs.Type == overlayMagic {
		return "native"
	}
	return "overlayfs"
}

// hostsConfig sends every request for a registry to one address, and names that address as the registry itself, so that
// containerd has nowhere else to go.
func hostsConfig(address string) string {
	return fmt.Sprintf("server = %[1]q\n\n[host.%[1]q]\n  capabilities = [\"pull\", \"resolve\"]\n", address)
}

// cniConfig joins pods to the bridge, with a route to Services. No gateway and no default route: nothing that a pod does
// leaves the machine.
func cniConfig(bridge string, subnet netip.Prefix, services string) string {
	way := servicesAddress(subnet)
	return fmt.Sprintf(`{
  "cniVersion": "0.4.0",
  "name": %q,
  "plugins": [{
    "type": "bridge",
    "bridge": %q,
    "ipMasq": false,
    "isGateway": false,
    "ipam": {
      "type": "host-local", "dataDir": "/run/cni", "ranges": [[{"subnet": %q, "rangeStart": %q}]],
      "routes": [{"dst": %q, "gw": %q}]
    }
  }]
}
`, bridge, bridge, subnet, way.Next(), services, way)
}

// kubeletConfig: everything that would make a test wait or fail for reasons of the machine is off (limits on pulls and
// events, eviction, image removal); everything that a rollout meets in life (back-off, probes, grace) is as usual.
// The rate of events is a number because 0, which is said to mean no limit, ends up as the client's five a second.
func kubeletConfig(cfg Config, address, cgroup string) string {
	etc := filepath.Join(cfg.Dir, "etc")
	var b strings.Builder
	fmt.Fprintf(&b, `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
healthzBindAddress: %[1]s
readOnlyPort: 0
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: false}
  x509: {clientCAFile: %[3]q}
authorization: {mode: AlwaysAllow}
containerRuntimeEndpoint: unix://%[4]s
podLogsDir: %[5]q
volumePluginDir: %[6]q
resolvConf: %[2]s/resolv.conf
clusterDomain: cluster.local
clusterDNS: [%[1]s]
cgroupDriver: cgroupfs
cgroupRoot: /%[7]s
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {}
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
serializeImagePulls: false
registryPullQPS: 0
eventRecordQPS: 1000
eventBurst: 1000
`, address, etc, cfg.CAFile, containerdSocket, filepath.Join(cfg.Dir, "pods"), filepath.Join(cfg.Dir, "kubelet", "volume-plugins"), cgroup)
	if cfg.MaxBackOff > 0 {
		fmt.Fprintf(&b, "featureGates: {KubeletCrashLoopBackOffMax: true}\ncrashLoopBackOff: {maxContainerRestartPeriod: %s}\n",
			cfg.MaxBackOff.Round(time.Millisecond))
	}
	return b.String()
}

// insideArguments are those of inside.sh after the directory.
func (n *Node) insideArguments(subnet netip.Prefix) []string {
	way := netip.PrefixFrom(servicesAddress(subnet), subnet.Bits())
	return append([]string{n.Bridge, n.cfg.Services, way.String(), n.cfg.KubeProxy}, n.kubeletCommand()...)
}

// kubeletCommand is the command line; what a configuration file can say stands there.
func (n *Node) kubeletCommand() []string {
	etc := filepath.Join(n.cfg.Dir, "etc")
	args := []string{
		n.cfg.Kubelet,
		"--config=" + filepath.Join(etc, "kubelet.yml"),
		"--kubeconfig=" + n.cfg.Kubeconfig,
		"--root-dir=" + filepath.Join(n.cfg.Dir, "kubelet"),
		"--cert-dir=" + filepath.Join(n.cfg.Dir, "kubelet", "pki"),
		"--hostname-override=" + n.Name,
		"--node-ip=" + n.Address,
		"--node-labels=" + Label + "=" + LabelValue,
	}
	if len(n.cfg.Taints) > 0 {
		args = append(args, "--register-with-taints="+strings.Join(n.cfg.Taints, ","))
	}
	return args
}
