package diagnosis

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// TestRefusals has the scheduler's words of many minors: the reasons with their counts, which of them is named first, and
// what preemption tells of it. Texts of 1.36 were recorded; the others are the constants of their version's sources.
func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		minor, text, want string
		main              string
		fixed, tooBig     bool
	}{
		{minor: "1.19", text: "0/4 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 3 node(s) didn't match node selector.",
			want: "1 UntoleratedTaint, 3 NodeSelectorMismatch", main: "NodeSelectorMismatch", fixed: true},
		{minor: "1.19", text: "0/3 nodes are available: 3 node(s) had taint {dedicated: batch}, that the pod didn't tolerate.",
			want: "3 UntoleratedTaint", main: "UntoleratedTaint", fixed: true},
		{minor: "1.20", text: "0/3 nodes are available: 3 node(s) didn't match pod affinity/anti-affinity rules, 3 node(s) didn't match pod anti-affinity rules.",
			want: "3 PodAntiAffinityUnsatisfied", main: "PodAntiAffinityUnsatisfied"},
		{minor: "1.20", text: "0/3 nodes are available: 3 node(s) didn't match pod affinity rules, 3 node(s) didn't match pod affinity/anti-affinity.",
			want: "3 PodAffinityUnsatisfied", main: "PodAffinityUnsatisfied", fixed: true},
		{minor: "1.21", text: "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity.",
			want: "2 NodeSelectorMismatch", main: "NodeSelectorMismatch", fixed: true},
		{minor: "1.22", text: "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't satisfy existing pods anti-affinity rules.",
			want: "1 NodesCordoned, 2 PodAntiAffinityUnsatisfied", main: "PodAntiAffinityUnsatisfied"},
		{minor: "1.23", text: `0/3 nodes are available: 3 persistentvolumeclaim "web-data" not found.`,
			want: "3 PvcNotFound", main: "PvcNotFound"},
		{minor: "1.23", text: "0/4 nodes are available: 4 pod has unbound immediate PersistentVolumeClaims.",
			want: "4 PvcUnbound", main: "PvcUnbound"},
		{minor: "1.24", text: "0/2 nodes are available: 2 node(s) had volume node affinity conflict. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
			want: "2 VolumeTopologyConflict", main: "VolumeTopologyConflict", fixed: true},
		{minor: "1.26", text: "0/13 nodes are available: 10 Insufficient cpu, 2 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }, 4 Insufficient memory. preemption: 0/13 nodes are available: 11 No preemption victims found for incoming pod, 2 Preemption is not helpful for scheduling.",
			want: "10 InsufficientResources, 2 UntoleratedTaint, 4 InsufficientResources", main: "InsufficientResources"},
		{minor: "1.28", text: "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints (missing required label). preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
			want: "3 TopologySpreadUnsatisfied", main: "TopologySpreadUnsatisfied", fixed: true},
		{minor: "1.30", text: `0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]. preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.`,
			want: "3 NodeSelectorMismatch", main: "NodeSelectorMismatch", fixed: true},
		{minor: "1.31", text: "0/3 nodes are available: 3 node(s) exceed max volume count. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.",
			want: "3 VolumeLimitReached", main: "VolumeLimitReached"},
		{minor: "1.33", text: "0/6 nodes are available: 2 Insufficient cpu, 4 node(s) didn't match PersistentVolume's node affinity. preemption: 0/6 nodes are available: 2 No preemption victims found for incoming pod, 4 Preemption is not helpful for scheduling.",
			want: "2 InsufficientResources, 4 VolumeTopologyConflict", main: "InsufficientResources"},
		{minor: "1.34", text: "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
			want: "2 DeviceClaimUnallocatable", main: "DeviceClaimUnallocatable"},
		{minor: "1.35", text: "0/1 nodes are available: 1 Insufficient example.com/gpu. no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.",
			want: "1 InsufficientResources", main: "InsufficientResources"},
		{minor: "1.35", text: "0/2 nodes are available: 1 ebs.csi.aws.com CSI driver is not installed on the node, 1 node(s) had untolerated taint(s). no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
			want: "1 CsiDriverMissing, 1 UntoleratedTaint", main: "CsiDriverMissing"},
		{minor: "1.36", text: "0/2 nodes are available: 2 node(s) didn't match Pod's required features. no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
			want: "2 UnschedulableOther", main: "UnschedulableOther"},
		{minor: "1.36", text: "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
			want: "1 UntoleratedTaint, 2 InsufficientResources", main: "InsufficientResources", tooBig: true},
		{minor: "1.36", text: "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are available: 1 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.",
			want: "1 UntoleratedTaint, 2 InsufficientResources", main: "InsufficientResources"},
		{minor: "1.36", text: "0/2 nodes are available: 2 Too many pods. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.",
			want: "2 InsufficientResources", main: "InsufficientResources"},
	} {
		r := messages.ParseUnschedulable(c.text)
		var parts []string
		for _, cl := range r.Clauses {
			parts = append(parts, fmt.Sprint(cl.Nodes, " ", cl.Code))
		}
		if got := strings.Join(parts, ", "); got != c.want || r.Main().Code != c.main || r.Fixed() != c.fixed || r.TooBig() != c.tooBig {
			t.Errorf("%s %s\n got %q, first %s, fixed %t, too big %t\nwant %q, first %s, fixed %t, too big %t",
				c.minor, c.text, got, r.Main().Code, r.Fixed(), r.TooBig(), c.want, c.main, c.fixed, c.tooBig)
		}
	}
}

// TestRefusedBefore has words about the pod as a whole, which come without any node.
func TestRefusedBefore(t *testing.T) {
	for text, want := range map[string]string{
		`0/2 nodes are available: persistentvolumeclaim "data" not found. not found`:                                                                "PvcNotFound",
		`0/2 nodes are available: persistentvolumeclaim "data" is being deleted. preemption: 0/2 nodes are available: 2 Preemption is not helpful.`: "PvcDeleting",
		`persistentvolumeclaim "data" not found`: "PvcNotFound", // 1.20
		`0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are available: 2 Preemption is not helpful for it.`: "PvcUnbound",
		`0/2 nodes are available: waiting for ephemeral volume controller to create the persistentvolumeclaim "web-cache". not found`:                         "PvcUnbound",
		`0/2 nodes are available: pod affinity terms conflict. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.`:              "NodeSelectorMismatch",
		`0/2 nodes are available: waiting for the preemption for this pod to be finished.`:                                                                    "WaitingPreemption",
		`0/2 nodes are available: request gpu: device class gpu.example.com does not exist. still not schedulable, preemption: not eligible due to policy`:    "DeviceClaimUnallocatable",
		`no nodes available to schedule pods`: "NoNodes",
		`0/2 nodes are available: waiting for minCount pods from a gang to appear in scheduling queue. not found`: "UnschedulableOther",
	} {
		if got := messages.ClauseCode(messages.ParseUnschedulable(text).General); got != want {
			t.Errorf("%s\n got %s, want %s", text, got, want)
		}
	}
}

// TestPlacementOrder reads what was recorded around pods that do not start in another order, and with the objects bare:
// the answer must not depend on how a cache is sorted, and nothing may be taken for granted.
func TestPlacementOrder(t *testing.T) {
	var dirs []string
	for _, family := range []string{"schedule", "claim", "mount", "multi-attach", "sandbox", "runtime-handler", "csi-driver", "kubelet", "pod-", "node-", "statefulset-claim"} {
		found, err := filepath.Glob("testdata/*/" + family + "*/evidence.yaml")
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, found...)
	}
	for _, path := range dirs {
		ev := load(t, filepath.Dir(path))
		ev.TimedOut = true
		want := render(strict.Explain(ev))
		slices.Reverse(ev.Workload.Pods)
		slices.Reverse(ev.Workload.ReplicaSets)
		slices.Reverse(ev.Nodes)
		slices.Reverse(ev.Claims)
		if diff := cmp.Diff(want, render(strict.Explain(ev))); diff != "" {
			t.Errorf("%s: findings depend on the order of the evidence:\n%s", path, diff)
		}
		for _, n := range ev.Nodes {
			*n = corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name}}
		}
		for _, c := range ev.Claims {
			*c = corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: c.Name}}
		}
		strict.Explain(ev)
		for _, p := range ev.Workload.Pods {
			p.Spec = corev1.PodSpec{}
		}
		strict.Explain(ev)
	}
}
