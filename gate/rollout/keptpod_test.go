package rollout

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func ownedBy(kind string) *corev1.Pod {
	yes := true
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web-1", Namespace: "shop", Labels: map[string]string{"app": "web", "team": "shop"},
			OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: "web", UID: "1", Controller: &yes}},
		},
		Spec: corev1.PodSpec{NodeName: "n1", Containers: []corev1.Container{{Name: "app", Ports: []corev1.ContainerPort{{ContainerPort: 80}}}}},
	}
}

func mounts(p *corev1.Pod, claim string, readOnly bool) *corev1.Pod {
	p.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim, ReadOnly: readOnly},
	}}}
	return p
}

// TestCannotKeep: what would stand in the way of the version that comes back is not kept.
func TestCannotKeep(t *testing.T) {
	claim := func(name string, mode corev1.PersistentVolumeAccessMode) *corev1.PersistentVolumeClaim {
		return &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{mode}}}
	}
	claims := []*corev1.PersistentVolumeClaim{claim("one", corev1.ReadWriteOnce), claim("pod", corev1.ReadWriteOncePod), claim("many", corev1.ReadWriteMany)}
	with := func(change func(*corev1.Pod)) *corev1.Pod {
		p := ownedBy("ReplicaSet")
		change(p)
		return p
	}
	now := metav1.Now()
	for name, c := range map[string]struct {
		pod  *corev1.Pod
		want string // a part of it; empty: it can be kept
	}{
		"of a Deployment":         {ownedBy("ReplicaSet"), ""},
		"of a DaemonSet":          {ownedBy("DaemonSet"), ""},
		"of a StatefulSet":        {ownedBy("StatefulSet"), "a StatefulSet gives its name"},
		"of a Job":                {ownedBy("Job"), "a Job may not do without"},
		"of nobody":               {with(func(p *corev1.Pod) { p.OwnerReferences = nil }), "object of the run itself"},
		"on its way out":          {with(func(p *corev1.Pod) { p.DeletionTimestamp = &now }), "being deleted"},
		"on no node":              {with(func(p *corev1.Pod) { p.Spec.NodeName = "" }), "no node has taken it"},
		"in its node's network":   {with(func(p *corev1.Pod) { p.Spec.HostNetwork = true }), "the network of its node"},
		"at a port of its node":   {with(func(p *corev1.Pod) { p.Spec.Containers[0].Ports[0].HostPort = 8080 }), "the port 8080 of its node"},
		"with a claim of a node":  {mounts(ownedBy("ReplicaSet"), "one", false), "the claim one,"},
		"with a claim of a pod":   {mounts(ownedBy("ReplicaSet"), "pod", false), "the claim pod,"},
		"with an unknown claim":   {mounts(ownedBy("ReplicaSet"), "other", false), "the claim other,"},
		"with a claim for many":   {mounts(ownedBy("ReplicaSet"), "many", false), ""},
		"with a claim to read of": {mounts(ownedBy("ReplicaSet"), "one", true), ""},
	} {
		if got := CannotKeep(c.pod, claims); !strings.Contains(got, c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestKept: no selector finds the pod, nobody owns it as its controller, and nothing else of it is changed.
func TestKept(t *testing.T) {
	p := ownedBy("ReplicaSet")
	p.OwnerReferences = append(p.OwnerReferences, metav1.OwnerReference{Kind: "Thing", Name: "friend", UID: "2"})
	p.Annotations = map[string]string{"note": "mine"}
	before := p.DeepCopy()
	at := time.Date(2026, 11, 27, 14, 0, 0, 0, time.UTC)
	long := strings.Repeat("a", 62) + "-" + strings.Repeat("b", 100)
	got := Kept(p, Keeping{From: manifest.Ref{Group: "apps", Kind: "Deployment", Name: long}, Run: "7QK2", At: at})
	want := p.DeepCopy()
	want.OwnerReferences = want.OwnerReferences[1:]
	want.Labels = map[string]string{KeptFromLabel: strings.Repeat("a", 62)}
	want.Annotations[KeptLabelsAnnotation] = `{"app":"web","team":"shop"}`
	want.Annotations[KeptRunAnnotation] = "7QK2 of deployment/" + long + " at 2026-11-27T14:00:00Z"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, p); diff != "" {
		t.Errorf("the pod that was given is changed: %s", diff)
	}
}
