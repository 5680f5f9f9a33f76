# The first process of the node's PID namespace. Standard input is the leash: one line on it starts the kubelet and
# kube-proxy, its end ends everything. Arguments: the directory, the bridge, the network of Services, the address through
# which they are reached with its prefix length, kube-proxy, then the kubelet's command line. Output goes to
# log/inside.log.
dir=$1 bridge=$2 services=$3 way=$4 kube_proxy=$5; shift 5
trap 'exit 0' TERM
# With -n, mount keeps no notes of its own in the machine's /run.
mount -n --make-rprivate / && mount -n -t proc proc /proc &&
for private in /run /var/log /var/lib/kubelet; do
	mkdir -p $private && mount -n -t tmpfs tmpfs $private || exit 1
done || exit 1

# A node that lost a part is no node: whichever part ends first takes the others with it.
part() {
	name=$1; shift
	"$@" >"$dir/log/$name.log" 2>&1 </dev/null
	echo "$name ended with status $?"
	kill -TERM 1
}
# kube-proxy has a network namespace to itself: one more machine on the bridge, which forwards what is sent to Services to
# their pods. Its rules are never those of this machine, so they cannot stay behind or meet those of another node. Nor may
# it tell anybody to go to a pod directly (a redirect): the pod does not know the Service's address. Its own route to
# Services leads nowhere; without one, the kernel would turn a packet away before the rule that refuses it.
services() {
	ip netns add services &&
		ip link add name "$bridge-s" type veth peer name eth0 netns services &&
		ip link set dev "$bridge-s" master "$bridge" up &&
		ip -n services address add "$way" dev eth0 &&
		ip -n services link set dev lo up &&
		ip -n services link set dev eth0 up &&
		ip -n services route add "$services" dev eth0 &&
		inside sh -c 'cd /proc/sys/net/ipv4 && echo 1 >ip_forward && echo 0 >conf/all/send_redirects && echo 0 >conf/eth0/send_redirects' &&
		ip route add "$services" via "${way%/*}" dev "$bridge" &&
		inside "$kube_proxy" --config="$dir/etc/kube-proxy.yml"
}
inside() { nsenter --net=/run/netns/services "$@"; }

part docker-registry docker-registry serve "$dir/etc/registry.yml" &
part containerd containerd --config "$dir/etc/containerd.toml" &

read -r _ || exit 0
part kubelet "$@" &
part kube-proxy services &

# A background command would get /dev/null as its standard input, hence the detour over descriptor 3. The loop waits in
# the foreground, because waiting is what reaps the shims that containerd orphans.
exec 3<&0
{ cat <&3 >/dev/null; kill -TERM 1; } &
wait
