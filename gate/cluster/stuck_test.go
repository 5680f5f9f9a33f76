package cluster

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

// TestFreeStuck: pods of the revision that goes are deleted as they were seen, not ready; one that becomes ready between
// the look and the delete stays, and is not spoken of.
func TestFreeStuck(t *testing.T) {
	controls, one := true, int32(3)
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "db", Namespace: "shop", UID: "set", Generation: 2}, Spec: appsv1.StatefulSetSpec{Replicas: &one}}
	set.Status.ObservedGeneration, set.Status.UpdateRevision = 2, "old"
	pod := func(name, revision string, ready bool) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "shop", UID: types.UID("uid-" + name), ResourceVersion: "7", Labels: map[string]string{appsv1.ControllerRevisionHashLabelKey: revision},
			OwnerReferences: []metav1.OwnerReference{{Kind: "StatefulSet", Name: "db", UID: "set", Controller: &controls}},
		}}
		if ready {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}
		return p
	}
	api := fake.NewClientset(pod("db-0", "old", false), pod("db-1", "bad", false), pod("db-2", "bad", true), pod("db-3", "bad", false))
	changed := "db-3" // becomes ready meanwhile
	api.PrependReactor("delete", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		d := a.(clienttesting.DeleteActionImpl)
		seen := d.DeleteOptions.Preconditions
		if seen == nil || seen.UID == nil || string(*seen.UID) != "uid-"+d.Name || seen.ResourceVersion == nil || *seen.ResourceVersion != "7" {
			t.Errorf("pod %s is deleted whatever it has become: %+v", d.Name, seen)
		}
		if d.Name == changed {
			return true, nil, apierrors.NewConflict(corev1.Resource("pods"), d.Name, nil)
		}
		return false, nil, nil
	})
	c := &Client{typed: api}
	freed, err := c.FreeStuck(t.Context(), set, "bad")
	if err != nil || !slices.Equal(freed, []string{"db-1"}) {
		t.Errorf("freed %v, %v", freed, err)
	}
	left, err := api.CoreV1().Pods("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range left.Items {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "db-0 db-2 db-3" {
		t.Errorf("left %s", got)
	}
	if freed, err = c.FreeStuck(t.Context(), set, "old"); len(freed) > 0 || err != nil {
		t.Errorf("what the controller makes is deleted: %v, %v", freed, err)
	}
}
