package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Room is what a namespace and the nodes have for pods. What could not be read is left out, and nothing is said of it.
type Room struct {
	Quotas []*corev1.ResourceQuota
	Claims []*corev1.PersistentVolumeClaim
	Nodes  []*corev1.Node
}

// Extra are pods that are to run beside those that a workload has.
type Extra struct {
	Of        manifest.Ref
	Template  *corev1.PodTemplateSpec
	Have, New int32
}

// Lacks says why some pods cannot run beside those that there are, with the figures; empty when nothing says so.
func (r Room) Lacks(extras []Extra) string {
	for _, e := range extras {
		if why := cmp.Or(r.claims(e), r.hostPorts(e)); why != "" {
			return why
		}
	}
	for _, q := range r.Quotas {
		if why := overQuota(q, extras); why != "" {
			return why
		}
	}
	return ""
}

// MountsClaims tells whether the pods mount PersistentVolumeClaims, so that these matter.
func (e Extra) MountsClaims() bool {
	return slices.ContainsFunc(e.Template.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil })
}

// claims is a volume that only the old pods, or pods of their node, can have.
func (r Room) claims(e Extra) string {
	for _, v := range e.Template.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		i := slices.IndexFunc(r.Claims, func(c *corev1.PersistentVolumeClaim) bool {
			return c.Namespace == e.Of.Namespace && c.Name == v.PersistentVolumeClaim.ClaimName
		})
		if i < 0 {
			continue
		}
		switch modes := r.Claims[i].Spec.AccessModes; {
		case slices.Contains(modes, corev1.ReadWriteMany) || slices.Contains(modes, corev1.ReadOnlyMany):
		case slices.Contains(modes, corev1.ReadWriteOncePod):
			return fmt.Sprintf("new pods of %s cannot run beside the old ones: claim %s is ReadWriteOncePod, so one pod alone can have it", e.Of, r.Claims[i].Name)
		case slices.Contains(modes, corev1.ReadWriteOnce) && len(r.schedulable()) != 1:
			return fmt.Sprintf("new pods of %s cannot run beside the old ones: claim %s is ReadWriteOnce, so pods of one node alone can have it", e.Of, r.Claims[i].Name)
		}
	}
	return ""
}

// hostPorts is a port of the nodes: each has it once.
func (r Room) hostPorts(e Extra) string {
	nodes := r.schedulable()
	if len(r.Nodes) == 0 || e.Have+e.New <= int32(len(nodes)) {
		return ""
	}
	for _, c := range e.Template.Spec.Containers {
		for _, p := range c.Ports {
			port := p.HostPort
			if port == 0 && e.Template.Spec.HostNetwork {
				port = p.ContainerPort
			}
			if port > 0 {
				return fmt.Sprintf("%d new pods of %s cannot run beside %d old ones: each needs port %d of its node, and there are %s",
					e.New, e.Of, e.Have, port, plural(len(nodes), "node"))
			}
		}
	}
	return ""
}

// schedulable are the nodes that take new pods.
func (r Room) schedulable() []*corev1.Node {
	return slices.DeleteFunc(slices.Clone(r.Nodes), func(n *corev1.Node) bool { return n.Spec.Unschedulable })
}

// overQuota is a resource of which a quota has less left than all the new pods ask for. A quota for some pods only says
// nothing: which they are is up to the API server.
func overQuota(q *corev1.ResourceQuota, extras []Extra) string {
	if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
		hard, used := q.Status.Hard[name], q.Status.Used[name]
		need := resource.Quantity{}
		pods := int32(0)
		for _, e := range extras {
			if e.Of.Namespace != q.Namespace {
				continue
			}
			one, counted := podHolds(&corev1.Pod{Spec: e.Template.Spec}, string(name))
			switch {
			case name == corev1.ResourcePods || name == "count/pods":
				one = resource.MustParse("1")
			case !counted:
				continue
			}
			for range e.New {
				need.Add(one)
			}
			pods += e.New
		}
		after := used.DeepCopy()
		after.Add(need)
		if pods > 0 && after.Cmp(hard) > 0 {
			return fmt.Sprintf("quota %s leaves no room for %s beside the old ones: %s %s of %s used, %s more needed",
				q.Name, plural(int(pods), "new pod"), name, used.String(), hard.String(), need.String())
		}
	}
	return ""
}
