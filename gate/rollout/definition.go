package rollout

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var definitionKind = Kind{
	GroupKind: schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"},
	Resource:  manifest.Resource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"},
	Evaluate:  definition,
}

// An APIService says whether another server answers for a group, in the form of every other condition.
var apiServiceKind = Kind{
	GroupKind: schema.GroupKind{Group: "apiregistration.k8s.io", Kind: "APIService"},
	Resource:  manifest.Resource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"},
	Evaluate:  generic,
}

// definition judges a CustomResourceDefinition: objects of the kind can be applied once it is established.
func definition(w Workload) Status {
	o, ok := toUnstructured(w.Live)
	if !ok {
		return wrongType(w)
	}
	var s Status
	conditions := readConditions(o, Workload{})
	if c := conditions["NamesAccepted"]; c.status == string(metav1.ConditionFalse) {
		s.Phase, s.Reason, s.Message = Failed, orElse(c.reason, "NamesNotAccepted"), c.message
		return s
	}
	if conditions["Established"].isTrue() {
		return complete(s, "", "")
	}
	return progressing(s, "NotEstablished", "waiting for the API server to serve the new kind")
}
