package manifest

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// stages is the order in which kinds are applied. Its principle: what is referred to comes before what refers to it,
// so that no pod waits for an object of its own release, and what sends traffic or load comes after what bears it.
//
// The rows follow Helm's InstallOrder (helm.sh/helm, pkg/release/util/kind_sorter.go) with three differences: custom
// resources come before the workloads instead of last, because certificates and external secrets make the Secrets
// that pods mount; workloads keep the order in which they are written, because a Job before a Deployment is a
// migration and one after it is a test; and webhooks come last of all, because one that calls a Service of the same
// release would refuse the very pods that are to answer it.
var stages = [][]schema.GroupKind{
	{{Kind: "Namespace"}},
	{{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}},
	{
		{Group: "scheduling.k8s.io", Kind: "PriorityClass"}, {Group: "node.k8s.io", Kind: "RuntimeClass"},
		{Group: "storage.k8s.io", Kind: "StorageClass"}, {Group: "storage.k8s.io", Kind: "CSIDriver"},
		{Group: "networking.k8s.io", Kind: "IngressClass"},
	},
	{{Kind: "ResourceQuota"}, {Kind: "LimitRange"}},
	{{Group: "networking.k8s.io", Kind: "NetworkPolicy"}},
	{{Group: "policy", Kind: "PodDisruptionBudget"}},
	{{Kind: "ServiceAccount"}},
	{{Group: rbac, Kind: "ClusterRole"}, {Group: rbac, Kind: "Role"}},
	{{Group: rbac, Kind: "ClusterRoleBinding"}, {Group: rbac, Kind: "RoleBinding"}},
	{{Kind: "Secret"}, {Kind: "ConfigMap"}},
	{{Kind: "PersistentVolume"}},
	{{Kind: "PersistentVolumeClaim"}},
	{{Kind: "Service"}},
	{anyOther},
	{
		{Group: "apps", Kind: "Deployment"}, {Group: "apps", Kind: "StatefulSet"}, {Group: "apps", Kind: "DaemonSet"},
		{Group: "apps", Kind: "ReplicaSet"}, {Kind: "ReplicationController"}, {Kind: "Pod"},
		{Group: "batch", Kind: "Job"}, {Group: "batch", Kind: "CronJob"}, {Group: "argoproj.io", Kind: "Rollout"},
	},
	{
		{Group: "autoscaling", Kind: "HorizontalPodAutoscaler"}, {Group: "keda.sh", Kind: "ScaledObject"},
		{Group: "autoscaling.k8s.io", Kind: "VerticalPodAutoscaler"},
	},
	{
		{Group: "networking.k8s.io", Kind: "Ingress"}, {Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"},
		{Group: "gateway.networking.k8s.io", Kind: "GRPCRoute"}, {Group: "gateway.networking.k8s.io", Kind: "TLSRoute"},
		{Group: "gateway.networking.k8s.io", Kind: "TCPRoute"}, {Group: "gateway.networking.k8s.io", Kind: "UDPRoute"},
	},
	{{Group: "apiregistration.k8s.io", Kind: "APIService"}},
	{
		{Group: admission, Kind: "ValidatingAdmissionPolicy"}, {Group: admission, Kind: "ValidatingAdmissionPolicyBinding"},
		{Group: admission, Kind: "MutatingWebhookConfiguration"}, {Group: admission, Kind: "ValidatingWebhookConfiguration"},
	},
}

const (
	rbac      = "rbac.authorization.k8s.io"
	admission = "admissionregistration.k8s.io"
)

// anyOther marks the stage of the kinds that no row names.
var anyOther = schema.GroupKind{Group: "*", Kind: "*"}

// Order returns the objects in the order in which they are to be applied; undoing takes them backwards. Objects of
// one stage keep the order in which they were given.
func Order(objects []Object) []Object {
	ordered := slices.Clone(objects)
	slices.SortStableFunc(ordered, Compare)
	return ordered
}

// Compare is negative when the kind of a is applied before that of b, positive when after it, and 0 when the order in
// which the two are written counts.
func Compare(a, b Object) int { return stage(a.Ref().GroupKind()) - stage(b.Ref().GroupKind()) }

// stage is the row of a kind.
func stage(kind schema.GroupKind) int {
	other := 0
	for i, kinds := range stages {
		if slices.Contains(kinds, kind) {
			return i
		}
		if slices.Contains(kinds, anyOther) {
			other = i
		}
	}
	return other
}
