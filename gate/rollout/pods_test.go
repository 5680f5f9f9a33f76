package rollout

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

func TestAccessors(t *testing.T) {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	two := int32(2)
	tests := []struct {
		name     string
		object   Object
		replicas int32
		selector string
		template bool
	}{
		{"deployment", &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Selector: selector}}, 1, "app=web", true},
		{"statefulset", &appsv1.StatefulSet{Spec: appsv1.StatefulSetSpec{Selector: selector, Replicas: &two}}, 2, "app=web", true},
		{"daemonset", &appsv1.DaemonSet{Status: appsv1.DaemonSetStatus{DesiredNumberScheduled: 4}}, 4, "", true},
		{"replicaset", &appsv1.ReplicaSet{Spec: appsv1.ReplicaSetSpec{Selector: &metav1.LabelSelector{}}}, 1, "", true},
		{"replicationcontroller", &corev1.ReplicationController{
			Spec: corev1.ReplicationControllerSpec{Selector: map[string]string{"app": "web"}},
		}, 1, "app=web", false},
		{"job", &batchv1.Job{Spec: batchv1.JobSpec{Completions: &two, Selector: selector}}, 2, "app=web", true},
		{"cronjob", &batchv1.CronJob{}, 0, "", true},
		{"pod", &corev1.Pod{}, 1, "", true},
		{"configmap", &corev1.ConfigMap{}, 0, "", false},
		{"unstructured", &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment",
			"spec": map[string]any{"replicas": int64(3), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}},
		}}, 3, "app=web", true},
		{"nil unstructured", (*unstructured.Unstructured)(nil), 0, "", false},
		{"nil", nil, 0, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := Replicas(test.object); got != test.replicas {
				t.Errorf("Replicas: got %d, want %d", got, test.replicas)
			}
			got, ok := PodSelector(test.object)
			if ok != (test.selector != "") || ok && got.String() != test.selector {
				t.Errorf("PodSelector: got %v, %v, want %q", got, ok, test.selector)
			}
			if got := PodTemplate(test.object) != nil; got != test.template {
				t.Errorf("PodTemplate: got %v, want %v", got, test.template)
			}
		})
	}
}

func TestWatched(t *testing.T) {
	tests := map[schema.GroupKind]bool{
		{Group: "apps", Kind: "Deployment"}:                               true,
		{Kind: "Pod"}:                                                     true,
		{Kind: "ConfigMap"}:                                               false,
		{Kind: "Service"}:                                                 false,
		{Group: "batch", Kind: "CronJob"}:                                 false,
		{Group: "networking.k8s.io", Kind: "Ingress"}:                     false,
		{Group: "example.com", Kind: "Widget"}:                            true,
		{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}:           true,
		{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: true,
	}
	for gk, want := range tests {
		if got := Watched(gk); got != want {
			t.Errorf("%s: got %v, want %v", gk, got, want)
		}
	}
}

// TestPodNames holds the patterns to what the controllers and the API server make of long names.
func TestPodNames(t *testing.T) {
	long := func(n int) string { return strings.Repeat("n", n) }
	// generateName is the API server's (k8s.io/apiserver, pkg/storage/names, simpleNameGenerator).
	generateName := func(base string) string { return base[:min(58, len(base))] + "x2x4z" }
	deployment := func(name, hash string) string { return generateName(name + "-" + hash + "-") }
	indexed := func(name, index string) string { // k8s.io/kubernetes, pkg/controller/job, podGenerateNameWithIndex
		prefix := name + "-" + index + "-"
		if len(prefix) > 58 {
			prefix = prefix[:58-len(index)-2] + "-" + index + "-"
		}
		return generateName(prefix)
	}
	type names struct {
		name     string
		yes, not []string
	}
	for kind, c := range map[string][]names{
		"Deployment": {
			{"web", []string{"web-7c9f8d5b46-x2x4z", "web-6-x2x4z"}, []string{"web-x2x4z", "web-migrate-x2x4z", "web-7c9f8d5b46", "web-cache-7c9f8d5b46-x2x4z", "webs-7c9f8d5b46-x2x4z", "my-web-7c9f8d5b46-x2x4z"}},
			{"web.v1", []string{"web.v1-7c9f8d-abcde"}, []string{"web-v1-7c9f8d-abcde"}},
		},
		"StatefulSet":           {{"db", []string{"db-0", "db-12"}, []string{"db-a", "db-", "db-0-1", "other-db-0"}}, {long(60), []string{long(60) + "-0"}, nil}},
		"DaemonSet":             {{"agent", []string{"agent-x2x4z"}, []string{"agent-7c9f8d-abcde", "agent-0"}}, {long(62), []string{generateName(long(62) + "-")}, nil}},
		"ReplicaSet":            {{"web", []string{"web-x2x4z"}, []string{"web"}}},
		"ReplicationController": {{"web", []string{"web-x2x4z"}, []string{"web"}}},
		"Pod":                   {{"a.b", []string{"a.b"}, []string{"aab", "a.b-x2x4z"}}},
		"Job":                   {{"mail", []string{"mail-x2x4z", "mail-3-x2x4z", "mail-99999-x2x4z"}, []string{"mail-a-x2x4z", "mail"}}},
	} {
		if kind == "Deployment" {
			for n := 40; n <= 62; n++ {
				for _, hash := range []string{"6", "b94c5", "7c9f8d5b4", "7c9f8d5b46"} {
					c = append(c, names{long(n), []string{deployment(long(n), hash)}, []string{long(n) + "-x2x4zx2"}})
				}
			}
		}
		if kind == "Job" {
			for n := 40; n <= 63; n++ {
				for _, index := range []string{"0", "42", "99999"} {
					c = append(c, names{long(n), []string{generateName(long(n) + "-"), indexed(long(n), index)}, nil})
				}
			}
		}
		k := Kinds[slices.IndexFunc(Kinds, func(k Kind) bool { return k.Kind == kind })]
		for _, w := range c {
			pattern := PodNames(manifest.Ref{Group: k.Group, Kind: kind, Name: w.name})
			re := regexp.MustCompile("^(?:" + pattern + ")$")
			for _, pod := range w.yes {
				if !re.MatchString(pod) {
					t.Errorf("%s %s: %s does not match %s", kind, w.name, pod, pattern)
				}
			}
			for _, pod := range w.not {
				if re.MatchString(pod) {
					t.Errorf("%s %s: %s matches %s", kind, w.name, pod, pattern)
				}
			}
		}
	}
	if got := PodNames(manifest.Ref{Kind: "ConfigMap", Name: "settings"}); got != "" {
		t.Errorf("a ConfigMap has no pods: %s", got)
	}
}

// TestEvaluateEmpty feeds every kind the least that can be known of it: nothing, and an object without any content, both
// of the kind and of another one.
func TestEvaluateEmpty(t *testing.T) {
	for _, k := range Kinds {
		gk := k.GroupKind
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(gk.WithVersion("v1"))
		for _, live := range []Object{nil, (*unstructured.Unstructured)(nil), u, &corev1.ConfigMap{}} {
			w := Workload{Ref: manifest.Ref{Group: gk.Group, Kind: gk.Kind, Name: "a"}, Live: live, Applied: live, Pods: []*corev1.Pod{{}}}
			if s := Evaluate(w); s.Phase == "" || s.Watched != (k.Evaluate != nil && s.Reason != ReasonNoStatus) {
				t.Errorf("%s of %T: %+v", gk, live, s)
			}
			NewPods(w)
			OldPods(w)
			NeedsServices(w)
		}
	}
}
