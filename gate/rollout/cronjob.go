package rollout

import (
	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// A CronJob is applied, and what it will start is not waited for.
var cronJobKind = Kind{
	GroupKind: schema.GroupKind{Group: "batch", Kind: "CronJob"},
	Resource:  manifest.Resource{Group: "batch", Version: "v1", Resource: "cronjobs", Namespaced: true},
	Type:      (*batchv1.CronJob)(nil),
	Spec: func(o Object) Spec {
		return Spec{Template: &o.(*batchv1.CronJob).Spec.JobTemplate.Spec.Template, Observed: true}
	},
	Template: "spec.jobTemplate.spec.template",
	Ends:     true,
}
