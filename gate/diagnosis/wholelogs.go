package diagnosis

import (
	"slices"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// WholeLogs are the containers of new pods whose whole logs are worth keeping when these pods are about to go: those that
// the findings blame, in their order, then those that have failed in pods that are not Ready, and with all, for a version
// that is bad although its pods are well, the others too. A container is there for the instance that runs or ran last, and right after that, marked as
// Previous, for the one before it where the API still has both.
func WholeLogs(ev Evidence, found []Finding, all bool) []LogTarget {
	return standard.WholeLogs(ev, found, all)
}

// WholeLogs is the function of that name, with the causes of this catalogue.
func (c *Catalogue) WholeLogs(ev Evidence, found []Finding, all bool) []LogTarget {
	s := c.newFacts(ev)
	containers := append(slices.Clone(s.containers), s.failedContainers()...)
	var chosen []container
	choose := func(wanted func(container) bool) {
		for _, c := range containers {
			known := slices.ContainsFunc(chosen, c.same)
			if c.hasLog() && !known && wanted(c) {
				chosen = append(chosen, c)
			}
		}
	}
	for _, f := range found {
		pods := union([]string{f.Object.Name}, f.pods)
		pods = pods[:min(len(pods), logPods)]
		if f.Blames() && f.Object.Kind == "Pod" {
			choose(func(c container) bool {
				return slices.Contains(pods, c.pod.Name) && (f.Container == c.spec.Name || f.Container == "" && c.failed())
			})
		}
	}
	choose(func(c container) bool { return !rollout.IsReady(c.pod) && c.failed() })
	if all {
		choose(func(c container) bool { return !c.initial || c.sidecar })
	}
	var targets []LogTarget
	for _, c := range chosen {
		targets = append(targets, LogTarget{Pod: c.pod.Name, Container: c.spec.Name})
		// While a container waits, the API has the log of the attempt that ended last under both names.
		if c.status.LastTerminationState.Terminated != nil && c.status.State.Waiting == nil {
			targets = append(targets, LogTarget{Pod: c.pod.Name, Container: c.spec.Name, Previous: true})
		}
	}
	return targets
}

func (c container) same(o container) bool {
	return c.pod.Name == o.pod.Name && c.spec.Name == o.spec.Name
}

// hasLog reports whether the container has started at least once.
func (c container) hasLog() bool { return c.status.State.Running != nil || c.terminated() != nil }

// failed reports whether a container is not as it should be: it is not ready, or it has ended badly. An init container
// that has done its work is.
func (c container) failed() bool {
	if end := c.terminated(); end != nil && end.ExitCode != 0 {
		return true
	}
	return !c.status.Ready && (!c.initial || c.status.State.Running != nil)
}
