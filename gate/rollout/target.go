package rollout

import (
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Target is one object to watch.
type Target struct {
	Ref      manifest.Ref
	Resource manifest.Resource
	// Applied is the object as written; see Workload.
	Applied Object
	// Previous is the object before; nil when there was none.
	Previous Object
	// Restored says that the write took another one back.
	Restored bool
	// Goal is how many pods are to be of the new revision, beside the old ones; zero: all of them, and no old one.
	Goal int32
	// OldPods says that the pods of old revisions are to be followed, too.
	OldPods bool
	// Ends says that the object is to run to its end. A Job does so anyway, a Pod may do either.
	Ends bool
	// Own says how far the object is instead of its kind; nil: its kind does.
	Own *Own
	// OwnTime says that the object has a time limit of its own, so that one of its controller does not decide.
	OwnTime bool
	// Awaited are images that its pod template is to have before anything is judged; empty: it is judged as it is. Applied
	// may then be nil, for an object that is not there yet.
	Awaited []string
	// Since is the API server's time of the write that began the rollout.
	Since time.Time
	// Manifest is where it was written; nil when it was not this run's.
	Manifest *manifest.Object
	// Warnings are what the API server warned of when it was asked what the write would do.
	Warnings []string
}

// Typed turns an object of a kind that has rules here into its Go type; others come back as they are, nil as plain nil.
func Typed(u *unstructured.Unstructured) Object { return typed(u) }
