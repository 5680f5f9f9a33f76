// Package node runs one real Kubernetes node on this machine: a kubelet, kube-proxy, containerd, runc, a bridge network
// and a registry with a small set of images, joined to an API server that is already there.
//
// Start takes a directory, an API server and its certificate authority, and returns when the node is Ready. It never
// downloads anything, never sends a packet off the machine and never touches a container runtime that the machine already has.
// It needs root on Linux and a handful of Debian packages; Missing says which are absent.
//
// # How nothing is left behind
//
// A kubelet scatters processes and mounts: a shim for each pod, overlay mounts, tmpfs volumes, network namespaces.
// Finding them all again after a crash is guesswork, so the kernel does it: everything runs in a PID namespace and
// a mount namespace of its own. The first process of that PID namespace is a shell that holds one end of a pipe, the
// leash (inside.sh). When the other end closes, because of Stop or because the process that called Start is gone in
// whatever way, the shell exits, the kernel kills everything else in the namespace, and the mounts vanish with it.
// Only the bridge, with the route to Services, and the empty control groups outlive that; Stop removes them, and so do
// Clean and the next Start in the same directory. The machine may gain an empty /var/lib/kubelet, the place for a mount.
//
// Inside the mount namespace /run, /var/log and /var/lib/kubelet are private, so the fixed paths that kubelet and
// containerd insist on never meet those of the machine. To look around by hand:
//
//	nsenter -t $(cut -d' ' -f1 DIR/inside.pid) -m -p ctr -n k8s.io containers ls
//
// # Network
//
// Pods get addresses on a bridge named after the directory; its own address is the node's. Pods reach each other and
// the node, but not the pods of a second node; this machine reaches all of them, so that a Prometheus on it can scrape
// podIP:8080. There is no default route: nothing that a pod sends leaves the machine. Every lookup ends with "no such
// host".
//
// The addresses of Services answer on this machine and in pods. A genuine kube-proxy (iptables) does it, in a network
// namespace of its own that stands on the bridge like one more machine; a route of this machine and one of each pod send
// it what is for Services (inside.sh). So no rule is ever added to this machine's iptables, nothing has to be taken back,
// and two nodes, each with another network for its Services, do not see each other. What differs from a usual node: a pod
// sees the namespace's address as that of its client; NodePorts answer on that address only; and an address that belongs
// to no Service is silent for three seconds. The API server's own Service refuses, as it has no endpoints.
//
// # Images
//
// References begin with registry.sandbox/, whatever the port of the day: see images.go for the catalogue. Every other
// registry name leads to the same place, so an image like nginx:1.27 fails with "not found". Three names lead to
// a registry that is in trouble: see front.go.
package node
