package cluster

import (
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// crashing is a Deployment of which all new pods end again and again, and the warnings about them.
func crashing(pods int) (rollout.Workload, *eventLog) {
	began := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	replicas, controller := int32(2*pods), true
	app := map[string]string{"app": "web"}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: app}, Spec: corev1.PodSpec{Containers: []corev1.Container{{
		Name: "app", Image: "app:2", ReadinessProbe: &corev1.Probe{}, Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}},
	}}}}
	live := &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "d", Generation: 2},
		Spec:       appsv1.DeploymentSpec{Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: app}, Template: template},
		Status:     appsv1.DeploymentStatus{ObservedGeneration: 2, Replicas: 2 * replicas, UpdatedReplicas: int32(pods), ReadyReplicas: replicas, AvailableReplicas: replicas},
	}
	of := map[string]string{"app": "web", "pod-template-hash": "5d4f8c7b6d"}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-5d4f8c7b6d", Namespace: "shop", UID: "r", Labels: of,
		OwnerReferences: []metav1.OwnerReference{{Kind: "Deployment", Name: "web", UID: "d", Controller: &controller}}}, Spec: appsv1.ReplicaSetSpec{Template: template}}
	w := rollout.Workload{
		Ref:  manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"},
		Live: live, ReplicaSets: []*appsv1.ReplicaSet{set}, PodsKnown: true, Since: began, Now: began.Add(time.Minute),
	}
	log := &eventLog{events: map[string]diagnosis.Event{}}
	for i := range pods {
		name, uid := fmt.Sprintf("%s-%05d", set.Name, i), fmt.Sprintf("p%d", i)
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "shop", UID: types.UID(uid), Labels: of, CreationTimestamp: metav1.NewTime(began),
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: set.Name, UID: "r", Controller: &controller}}}, Spec: *template.Spec.DeepCopy()}
		p.Spec.NodeName = fmt.Sprintf("node-%d", i%20)
		ended := &corev1.ContainerStateTerminated{ExitCode: 1, Reason: "Error", StartedAt: metav1.NewTime(began), FinishedAt: metav1.NewTime(began.Add(time.Second))}
		p.Status = corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", RestartCount: 2, LastTerminationState: corev1.ContainerState{Terminated: ended},
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 20s restarting failed container"}},
		}}}
		w.Pods = append(w.Pods, p)
		if len(log.events) < maxEvents {
			log.events[name] = diagnosis.Event{Warning: true, Reason: "BackOff", UID: uid, Message: "Back-off restarting failed container app in pod " + name, Count: 2,
				Object: manifest.Ref{Kind: "Pod", Namespace: "shop", Name: name}, Container: "app", First: began.Add(time.Second), Time: began.Add(2 * time.Second)}
		}
	}
	return w, log
}

// BenchmarkLookAtCrash is one look at a large Deployment that crashes: what it costs for each pod must not depend on how many
// there are.
func BenchmarkLookAtCrash(b *testing.B) {
	for _, pods := range []int{250, 500, 1000, 2500, 5000} {
		w, log := crashing(pods)
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			for b.Loop() {
				ev := diagnosis.Evidence{Workload: w, Status: rollout.Evaluate(w), Events: log.about(w)}
				if len(diagnosis.Explain(ev)) == 0 {
					b.Fatal("nothing was found")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(pods), "ns/pod")
		})
	}
}
