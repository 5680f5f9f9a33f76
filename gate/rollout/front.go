package rollout

import "k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

// Front is one revision of a workload, and what stands before its pods.
type Front struct {
	// Revision is the value of the kind's revision label; empty when the controller has not made it yet.
	Revision string
	// Ready and Pods count the pods of the revision that do not end and have not ended, Others those of the workload's other revisions, and
	// Wanted is how many it is to have.
	Ready, Pods, Others, Wanted int32
	// Services are those that select pods of the revision, with whatever they are pinned to. Of a revision without pods
	// they are those that select its template.
	Services []*unstructured.Unstructured
	// Shared are the names of those that select pods of other workloads as well.
	Shared []string
}
