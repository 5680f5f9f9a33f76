package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// The checks of pods, of the program in them and of the traffic to them.

// reach is how far a container came, in the order in which the kubelet works (pkg/kubelet/kuberuntime, startContainer):
// image, configuration, creation, start.
type reach int

const (
	reachedNothing reach = iota
	reachedImage
	reachedConfig
	reachedStart
)

// came says how far a container came, and whether it is stuck there.
func came(c container) (at reach, stuck bool) {
	reason, _ := c.waiting()
	switch {
	case imageReasons[reason]:
		return reachedNothing, true
	case reason == "CreateContainerConfigError":
		return reachedImage, true
	case ran(c.status):
		return reachedStart, false
	case reason == "CreateContainerError" || reason == "RunContainerError" || c.terminated() != nil || reason == "CrashLoopBackOff":
		return reachedConfig, true
	case c.status.ImageID != "":
		return reachedImage, false
	}
	return reachedNothing, false
}

// ran reports whether a container ever ran. One that cannot be started has a start time of 1970 or none, or a reason
// that says so.
func ran(c corev1.ContainerStatus) bool {
	if c.State.Running != nil {
		return true
	}
	for _, t := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if t != nil && t.StartedAt.Unix() > 0 && t.Reason != "StartError" && t.Reason != "ContainerCannotRun" {
			return true
		}
	}
	return false
}

// passed counts the containers that came past a step, those that are stuck at it, and all.
func (v checker) passed(s reach) (n, stuck, all int) {
	for _, p := range slices.Concat(v.pods, v.failed) {
		all += len(p.Spec.InitContainers) + len(p.Spec.Containers)
	}
	for _, c := range v.everyContainer() {
		switch at, is := came(c); {
		case at >= s:
			n++
		case is && at == s-1:
			stuck++
		}
	}
	return n, stuck, max(all, n+stuck)
}

// everyContainer has those of failed pods too.
func (v checker) everyContainer() []container {
	return append(slices.Clip(v.containers), v.failedContainers()...)
}

func (v checker) imagesPulled() checkResult {
	if s, missing := v.noPods(); missing {
		return s
	}
	n, stuck, all := v.passed(reachedImage)
	return tally(n, stuck, all, "images of %d of %d containers pulled", "no container was asked for its image yet")
}

func (v checker) configFound() checkResult {
	if _, missing := v.noPods(); missing || !v.refers() {
		return checkResult{}
	}
	n, stuck, all := v.passed(reachedConfig)
	return tally(n, stuck, all, "ConfigMaps and Secrets of %d of %d containers found", "no container was configured yet")
}

// refers reports whether a container takes its environment out of ConfigMaps or Secrets.
func (v checker) refers() bool {
	return slices.ContainsFunc(v.everyContainer(), func(c container) bool {
		return len(c.spec.EnvFrom) > 0 || slices.ContainsFunc(c.spec.Env, func(e corev1.EnvVar) bool {
			return e.ValueFrom != nil && (e.ValueFrom.ConfigMapKeyRef != nil || e.ValueFrom.SecretKeyRef != nil)
		})
	})
}

func (v checker) initDone() checkResult {
	done, all := 0, 0
	for _, p := range v.pods {
		if len(p.Spec.InitContainers) == 0 {
			continue
		}
		all++
		if c := rollout.PodCondition(p, corev1.PodInitialized); c != nil && c.Status == corev1.ConditionTrue {
			done++
		}
	}
	if all == 0 {
		return checkResult{}
	}
	return tally(done, 0, all, "init containers of %d of %d new pods done", "init containers are not done in any new pod")
}

func (v checker) started() checkResult {
	if _, missing := v.noPods(); missing {
		return checkResult{}
	}
	n, stuck, all := v.passed(reachedStart)
	return tally(n, stuck, all, "%d of %d containers started", "no container has started")
}

// asked reports whether any container of the application ran, so that the program could be asked.
func (v checker) asked() (s checkResult, ok bool) {
	if s, missing := v.noPods(); missing {
		if s.unreached != "" {
			s.unreached = "no new pod runs, so the program was not asked"
		}
		return s, false
	}
	if !slices.ContainsFunc(v.everyContainer(), func(c container) bool { return !c.initial && ran(c.status) }) {
		return checkResult{unreached: "no new pod runs yet, so the program was not asked"}, false
	}
	return checkResult{}, true
}

func (v checker) containersReady() checkResult {
	s, ok := v.asked()
	if !ok || v.isJob() {
		return s
	}
	ready, all := 0, 0
	for _, c := range v.containers {
		if c.initial && !c.sidecar {
			continue
		}
		all++
		if c.status.Ready {
			ready++
		}
	}
	if all == 0 {
		return checkResult{}
	}
	return tally(ready, all-ready, all, "%d of %d containers ready", "")
}

func (v checker) restarts() checkResult {
	if _, ok := v.asked(); !ok {
		return checkResult{}
	}
	n := 0
	for _, c := range v.everyContainer() {
		n += int(c.status.RestartCount)
	}
	if n > 0 {
		return checkResult{affected: plural(n, "restart")}
	}
	return checkResult{well: "0 restarts"}
}

func (v checker) exits() checkResult {
	if _, ok := v.asked(); !ok {
		return checkResult{}
	}
	n := 0
	for _, c := range v.everyContainer() {
		if t := c.terminated(); t != nil && t.ExitCode != 0 {
			n++
		}
	}
	if n > 0 {
		return checkResult{affected: fmt.Sprintf("%s ended with an error", plural(n, "container"))}
	}
	return checkResult{well: "no error exit"}
}

// traffic says which Services send to the new pods, and whether anybody is still served by the old ones.
func (v checker) traffic() checkResult {
	services, unread := v.selecting()
	switch {
	case !v.runsPods():
		return checkResult{none: "this kind runs no pods"}
	case v.isJob():
		return checkResult{none: "a job gets no traffic"}
	case unread != "":
		return checkResult{unread: unread}
	case len(services) == 0:
		return checkResult{none: "no Service selects the new pods"}
	}
	var good, bad []string
	for _, service := range services {
		serving, now := endpoints(service), 0
		for _, p := range v.pods {
			if serving[p.Name] {
				now++
			}
		}
		words := fmt.Sprintf("service %s sends traffic to %d of %s", service.Name, now, plural(v.ready, "ready new pod"))
		if v.ready == 0 {
			words = fmt.Sprintf("no new pod is ready; service %s sends traffic to %s", service.Name, others(len(serving)-now))
		}
		if v.ready > 0 && now >= v.ready {
			good = append(good, words)
		} else {
			bad = append(bad, words)
		}
	}
	switch {
	case v.ready == 0:
		return checkResult{unreached: strings.Join(bad, "; ")}
	case len(bad) > 0:
		return checkResult{affected: strings.Join(bad, "; ")}
	}
	return checkResult{well: strings.Join(good, "; ")}
}

func others(n int) string {
	if n <= 0 {
		return "no pod at all"
	}
	return plural(n, "other pod")
}

// selecting are the Services that select the new pods, with their EndpointSlices, or why these are not known.
func (v checker) selecting() (services []rollout.Service, unread string) {
	if v.w.ServicesKnown && (len(v.w.Services) > 0 || v.Services == nil) {
		return v.w.Services, v.denied("services")
	}
	switch {
	case v.Services == nil:
		return nil, cmp.Or(v.denied("services"), "the Services")
	case v.template == nil:
		return nil, "the labels of the pods"
	}
	for _, s := range v.Services {
		if len(s.Spec.Selector) == 0 || !labels.SelectorFromSet(s.Spec.Selector).Matches(labels.Set(v.template.Labels)) {
			continue
		}
		service := rollout.Service{Name: s.Name}
		for _, slice := range v.Slices {
			if slice.Labels["kubernetes.io/service-name"] == s.Name {
				service.Slices = append(service.Slices, slice)
			}
		}
		services = append(services, service)
	}
	if len(services) > 0 && v.Slices == nil {
		return nil, cmp.Or(v.denied("endpointslices"), "the EndpointSlices")
	}
	return services, ""
}
