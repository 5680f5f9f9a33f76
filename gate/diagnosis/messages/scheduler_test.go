package messages

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestParseUnschedulable(t *testing.T) {
	for _, c := range []struct {
		text, want string // the clauses' codes and counts
		hopeless   int
	}{
		{"0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/5 nodes are available: 1 Preemption is not helpful for scheduling, 4 No preemption victims found for incoming pod.", "1 UntoleratedTaint, 4 InsufficientResources", 1},
		{"0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 2 Insufficient memory.", "1 UntoleratedTaint, 2 InsufficientResources", 0},
		{"0/12 nodes are available: 10 node(s) didn't match Pod's node affinity/selector, 2 Too many pods. no new claims to deallocate, preemption: 0/12 nodes are available: 10 Preemption is not helpful for scheduling, 2 No preemption victims found for incoming pod.", "10 NodeSelectorMismatch, 2 InsufficientResources", 10},
		{"0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity. still not schedulable, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.", "2 VolumeTopologyConflict", 2},
		{"0/1 nodes are available: 1 Insufficient example.com/gpu. preemption: not eligible due to preemptionPolicy=Never.", "1 InsufficientResources", 0},
		{"0/1 nodes are available: 1 node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod.", "1 RwopInUse", 0},
		{"0/1 nodes are available: 1 node(s) had a mood.", "1 UnschedulableOther", 0},
		{`0/2 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.`, "", 2},
		{"no nodes available to schedule pods", "", 0},
		{"", "", 0},
	} {
		r := ParseUnschedulable(c.text)
		var parts []string
		for _, cl := range r.Clauses {
			parts = append(parts, fmt.Sprint(cl.Nodes, " ", cl.Code))
		}
		if got := strings.Join(parts, ", "); got != c.want || r.Hopeless != c.hopeless {
			t.Errorf("%s\n got %q hopeless %d, want %q hopeless %d", c.text, got, r.Hopeless, c.want, c.hopeless)
		}
	}
}

func TestNamedTaints(t *testing.T) {
	for text, want := range map[string][]NamedTaint{
		"0/3 nodes are available: 1 node(s) had taint {node-role.kubernetes.io/master: }, that the pod didn't tolerate, 2 Insufficient memory.":                                                                                           {{"node-role.kubernetes.io/master", ""}},
		"0/5 nodes are available: 2 node(s) had untolerated taint {team: search}, 3 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }. preemption: 0/5 nodes are available: 5 Preemption is not helpful for scheduling.": {{"team", "search"}, {"node.kubernetes.io/disk-pressure", ""}},
		"0/4 nodes are available: 1 node(s) had taint {team: search}, that the pod didn't tolerate, 3 node(s) had taint {team: search}, that the pod didn't tolerate.":                                                                    {{"team", "search"}},
		"0/5 nodes are available: 5 node(s) had untolerated taint(s).": nil,
	} {
		if got := NamedTaints(text); !slices.Equal(got, want) {
			t.Errorf("%s\n got %v, want %v", text, got, want)
		}
	}
}

func FuzzParseUnschedulable(f *testing.F) {
	f.Add("0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/5 nodes are available: x")
	f.Add("0/0 nodes are available: , 1 x. 2 y")
	f.Fuzz(func(t *testing.T, text string) {
		r := ParseUnschedulable(text)
		r.Main()
		r.Fixed()
	})
}
