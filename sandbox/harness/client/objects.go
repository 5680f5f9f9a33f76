package client

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resources are those that the harnesses know, by their kind in small letters.
var Resources = map[string]schema.GroupVersionResource{
	"deployment":            {Group: "apps", Version: "v1", Resource: "deployments"},
	"statefulset":           {Group: "apps", Version: "v1", Resource: "statefulsets"},
	"daemonset":             {Group: "apps", Version: "v1", Resource: "daemonsets"},
	"replicaset":            {Group: "apps", Version: "v1", Resource: "replicasets"},
	"controllerrevision":    {Group: "apps", Version: "v1", Resource: "controllerrevisions"},
	"job":                   {Group: "batch", Version: "v1", Resource: "jobs"},
	"cronjob":               {Group: "batch", Version: "v1", Resource: "cronjobs"},
	"pod":                   {Version: "v1", Resource: "pods"},
	"service":               {Version: "v1", Resource: "services"},
	"configmap":             {Version: "v1", Resource: "configmaps"},
	"secret":                {Version: "v1", Resource: "secrets"},
	"persistentvolumeclaim": {Version: "v1", Resource: "persistentvolumeclaims"},
	"node":                  {Version: "v1", Resource: "nodes"},
	"event":                 {Version: "v1", Resource: "events"},
	"serviceaccount":        {Version: "v1", Resource: "serviceaccounts"},
	"endpointslice":         {Group: "discovery.k8s.io", Version: "v1", Resource: "endpointslices"},
	"lease":                 {Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
	"namespace":             {Version: "v1", Resource: "namespaces"},
	"logs":                  {Group: "kwok.x-k8s.io", Version: "v1alpha1", Resource: "logs"},
}

// Complete tells whether all pods of a workload are ready and no others are left, and else what is missing. It asks the
// status instead of `kubectl rollout status`, which refuses some update strategies.
func Complete(kind string, object *unstructured.Unstructured) error {
	number := func(fields ...string) int64 {
		n, _, _ := unstructured.NestedInt64(object.Object, fields...)
		return n
	}
	wanted, have := number("spec", "replicas"), number("status", "availableReplicas")
	if kind == "daemonset" {
		wanted, have = number("status", "desiredNumberScheduled"), number("status", "numberAvailable")
	}
	if number("status", "observedGeneration") < object.GetGeneration() || have < wanted || have < 1 && wanted > 0 {
		return fmt.Errorf("%d of %d pods are available", have, wanted)
	}
	return nil
}
