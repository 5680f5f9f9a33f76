package patch

import (
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// PinManager is the field manager that pins Services whose manifests are not written in the same run.
const PinManager = "rolloutgate-pin"

// PinPath is the field by which a Service is pinned: existing pods of a Deployment have that label, so nothing restarts.
const PinPath = "spec.selector." + appsv1.DefaultDeploymentUniqueLabelKey

// Pin makes a Service send traffic to the pods of one revision of a workload.
type Pin struct {
	Of manifest.Ref `json:"of"` // the workload
	// Old is the revision that had the traffic before the run; empty for a Service that had none to keep.
	Old string `json:"old,omitempty"`
	// Passing says that Old is the version of a run that did not come to its end, and whose old pods are gone: an undo goes
	// back behind it.
	Passing bool `json:"passing,omitempty"`
	// To is the revision that this step gives the traffic to; empty while it is not there yet.
	To string `json:"to,omitempty"`
}

// unmade stands for a revision that is not there yet, where the API server is asked whether it would take a pin to it.
const unmade = "not-made-yet"

// PinnedTo is a write as a step that pins its Service to a revision; an empty one is that of the new pods, which is not
// known before they are there. While the old pods have the traffic, the Service selects and reaches them as before: what the
// manifest says of that is about the new ones.
func (w Write) PinnedTo(step int, revision string) (Write, error) {
	value := revision
	if value == "" {
		value = unmade
	}
	var fields []Set
	origin := w.Origin()
	if w.Pin.Passing {
		origin = w.Before
	}
	if revision != "" && revision == w.Pin.Old && !w.Added && origin != nil {
		for _, path := range []string{"spec.selector", "spec.ports"} {
			if was, there, _ := unstructured.NestedFieldNoCopy(origin.Object, strings.Split(path, ".")...); there {
				fields = append(fields, Set{Path: path, Value: was})
			}
		}
	}
	out, err := w.AsStep(step, []string{PinPath}, append(fields, Set{Path: PinPath, Value: value})...)
	pin := *w.Pin
	pin.To = revision
	out.Pin = &pin
	return out, err
}

// Unpinned is a write as the step that leaves its Service as the manifest has it.
func (w Write) Unpinned(step int) (Write, error) {
	var fields []Set
	if w.Added { // it is planned as it was found
		fields = []Set{{Path: PinPath}}
	}
	out, err := w.AsStep(step, []string{PinPath}, fields...)
	if err == nil && w.Added { // in a patch only null takes something away
		err = unstructured.SetNestedField(out.Sent.Object, nil, strings.Split(PinPath, ".")...)
	}
	out.Pin = nil
	return out, err
}

// Pinned tells whether the Service was pinned when the write was planned.
func (w Write) Pinned() bool {
	if w.Before == nil {
		return false
	}
	_, pinned, _ := unstructured.NestedString(w.Before.Object, strings.Split(PinPath, ".")...)
	return pinned
}
