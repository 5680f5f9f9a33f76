package rollout

import (
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// services holds back a complete workload until each of its Services sends traffic to the new pods. A pod counts as
// available before the EndpointSlice controller has taken it up, and a metric window that begins in between judges
// the old pods.
func services(w Workload, s Status) Status {
	switch s.Reason {
	case ReasonZeroReplicas, ReasonOnDelete, ReasonSucceeded:
		return s // no new pods to find
	}
	if !w.ServicesKnown {
		return progressing(s, ReasonCheckingServices, "reading the Services of the new pods")
	}
	for _, service := range w.Services {
		have, want := endpoints(w, s, service)
		if have < want {
			return progressing(s, ReasonEndpoints, "service %s sends traffic to %d of %d new %s",
				service.Name, have, want, plural(want, "pod"))
		}
	}
	return s
}

// endpoints counts the new pods that a Service sends traffic to, and how many there must be. A Deployment's new pods
// are known by the name of their ReplicaSet, if it is not so long that it is cut; those of other kinds by what was read of
// them, or else the pods of all revisions are counted together.
func endpoints(w Workload, s Status, service Service) (have, want int32) {
	targets := readyTargets(service.Slices)
	if !namesTell(w) && w.PodsKnown && len(NewPods(w)) > 0 { // none are known if revisions may not be read
		for _, p := range NewPods(w) {
			// A StatefulSet's new pod has the name of the old one, so the name alone does not do.
			if uid, found := targets[p.Name]; found && (uid == p.UID || uid == "") {
				have++
			}
		}
		return have, min(s.Updated, s.Available)
	}
	named := newPodNames(w)
	for name := range targets {
		if named.MatchString(name) {
			have++
		}
	}
	return have, s.Available
}

// readyTargets is the set of pods that get traffic, with their UIDs. A dual-stack Service names each pod twice. Unset
// conditions mean ready, serving and not terminating (k8s.io/api/discovery/v1, EndpointConditions).
func readyTargets(slices []*discoveryv1.EndpointSlice) map[string]types.UID {
	targets := map[string]types.UID{}
	for _, slice := range slices {
		for _, e := range slice.Endpoints {
			c := e.Conditions
			if e.TargetRef == nil || e.TargetRef.Kind != "Pod" || !value(c.Ready, true) || !value(c.Serving, true) ||
				value(c.Terminating, false) {
				continue
			}
			targets[e.TargetRef.Name] = e.TargetRef.UID
		}
	}
	return targets
}

func value(b *bool, unset bool) bool {
	if b == nil {
		return unset
	}
	return *b
}
