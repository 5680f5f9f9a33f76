# The first process of the node's PID namespace. Standard input is the leash: one line on it starts the kubelet, its end
# ends everything. Arguments: the directory, then the kubelet's command line. Output goes to log/inside.log.
dir=$1; shift
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
part docker-registry docker-registry serve "$dir/etc/registry.yml" &
part containerd containerd --config "$dir/etc/containerd.toml" &

read -r _ || exit 0
part kubelet "$@" &

# A background command would get /dev/null as its standard input, hence the detour over descriptor 3. The loop waits in
# the foreground, because waiting is what reaps the shims that containerd orphans.
exec 3<&0
{ cat <&3 >/dev/null; kill -TERM 1; } &
wait
