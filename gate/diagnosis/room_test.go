package diagnosis

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// TestRoom: what keeps new pods from running beside the old ones, with the figures.
func TestRoom(t *testing.T) {
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	quota := func(hard, used string, scopes ...corev1.ResourceQuotaScope) Room {
		list := func(text string) corev1.ResourceList {
			return corev1.ResourceList{"requests.cpu": resource.MustParse(text), "pods": resource.MustParse("20"), "count/secrets": resource.MustParse("0")}
		}
		q := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "team"}, Spec: corev1.ResourceQuotaSpec{Scopes: scopes}, Status: corev1.ResourceQuotaStatus{Hard: list(hard), Used: list(used)}}
		q.Status.Used["pods"] = resource.MustParse("4")
		return Room{Quotas: []*corev1.ResourceQuota{q}}
	}
	claim := func(modes ...corev1.PersistentVolumeAccessMode) Room {
		return Room{Claims: []*corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{AccessModes: modes}}}}
	}
	nodes := func(r Room, ready, cordoned int) Room {
		for range ready {
			r.Nodes = append(r.Nodes, &corev1.Node{})
		}
		for range cordoned {
			r.Nodes = append(r.Nodes, &corev1.Node{Spec: corev1.NodeSpec{Unschedulable: true}})
		}
		return r
	}
	plain := corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("500m")}}}}}
	mounts, port := *plain.DeepCopy(), *plain.DeepCopy()
	mounts.Volumes = []corev1.Volume{{Name: "a"}, {Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}}}
	port.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80}, {ContainerPort: 8080, HostPort: 80}}
	const beside = "new pods of deployment/web cannot run beside the old ones: "
	for name, c := range map[string]struct {
		room Room
		spec corev1.PodSpec
		more int32
		want string
	}{
		"nothing known":           {Room{}, plain, 4, ""},
		"quota with room":         {quota("4", "2"), plain, 4, ""},
		"quota without":           {quota("3", "2"), plain, 4, "quota team leaves no room for 4 new pods beside the old ones: requests.cpu 2 of 3 used, 2 more needed"},
		"a quota of pods":         {quota("100", "2"), plain, 17, "quota team leaves no room for 17 new pods beside the old ones: pods 4 of 20 used, 17 more needed"},
		"quota of some pods only": {quota("3", "2", corev1.ResourceQuotaScopeBestEffort), plain, 4, ""},
		"claim for one node":      {nodes(claim(corev1.ReadWriteOnce), 2, 0), mounts, 1, beside + "claim data is ReadWriteOnce, so pods of one node alone can have it"},
		"there is only that node": {nodes(claim(corev1.ReadWriteOnce), 1, 1), mounts, 1, ""},
		"claim for one pod":       {claim(corev1.ReadWriteOncePod), mounts, 1, beside + "claim data is ReadWriteOncePod, so one pod alone can have it"},
		"claim for all":           {claim(corev1.ReadWriteOnce, corev1.ReadWriteMany), mounts, 1, ""},
		"another's claim":         {claim(corev1.ReadWriteOnce), plain, 1, ""},
		"a port of the nodes":     {nodes(Room{}, 5, 1), port, 2, "2 new pods of deployment/web cannot run beside 4 old ones: each needs port 80 of its node, and there are 5 nodes"},
		"enough nodes":            {nodes(Room{}, 6, 0), port, 2, ""},
	} {
		extras := []Extra{{Of: web, Template: &corev1.PodTemplateSpec{Spec: c.spec}, Have: 4, New: c.more}, {Of: manifest.Ref{Kind: "Deployment", Namespace: "other"}, Template: &corev1.PodTemplateSpec{Spec: plain}, New: 100}}
		if got := c.room.Lacks(extras); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, c.want)
		}
	}
}
