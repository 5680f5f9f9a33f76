package diagnosis

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Need is what else is worth reading before Explain is asked for the last time.
type Need struct {
	// Logs are those of the containers that the findings are about, of up to three pods for a cause.
	Logs []LogTarget
	// Names are kinds of which the names that exist help, and Keys the ConfigMaps of which the keys do.
	Names []string // ConfigMap, PriorityClass
	Keys  []manifest.Ref
}

// LogTarget is one container whose log would help to explain. Where the API has no such log any more, the other one of
// the same container (Previous or not) helps as well.
type LogTarget struct {
	Pod, Container string
	Previous       bool // of the attempt before the current one
	// Ended is when the attempt ended whose log is wanted; zero when it runs. Lines that are newer are of an attempt that
	// the status does not show yet.
	Ended time.Time
}

const (
	// maxLogs is how many logs are read altogether: the first causes matter.
	maxLogs = 9
	// logPods is of how many pods of one cause a log is read: they usually say the same, and where not, that is worth
	// knowing.
	logPods = 3
)

// Needs says what else is worth reading to explain this evidence.
func (c *Catalogue) Needs(ev Evidence) Need {
	s := c.newFacts(ev)
	var n Need
	for _, f := range c.Explain(ev) {
		cause := c.cause(f.Code)
		n.Names = append(n.Names, cause.LooksUp...)
		if cause.LooksUpKeys {
			n.Keys = append(n.Keys, s.configMaps()...)
		}
		if cause.ReadsLogs && f.Object.Kind == "Pod" {
			n.Logs = s.logTargets(n.Logs, f)
		}
	}
	slices.Sort(n.Names)
	n.Names = slices.Compact(n.Names)
	n.Logs = n.Logs[:min(len(n.Logs), maxLogs)]
	return n
}

// logTargets adds the containers that a finding is about.
func (s *facts) logTargets(targets []LogTarget, f Finding) []LogTarget {
	pods := union([]string{f.Object.Name}, f.pods)
	for _, name := range pods[:min(len(pods), logPods)] {
		for _, c := range append(s.containers, s.failedContainers()...) {
			started := c.terminated() != nil || c.status.State.Running != nil
			wanted := f.Container == c.spec.Name || f.Container == "" && !c.initial
			if c.pod.Name != name || !started || !wanted {
				continue
			}
			t := LogTarget{Pod: name, Container: c.spec.Name, Previous: cameBack(c) && !runs(f)}
			if end := c.terminated(); end != nil && c.status.State.Running == nil {
				t.Ended = end.FinishedAt.Time
			}
			if !slices.ContainsFunc(targets, t.sameContainer) {
				targets = append(targets, t)
			}
		}
	}
	return targets
}

// runs reports whether a finding is about the attempt that runs, as a probe's is; why a program ended is in the log of
// the attempt that did.
func runs(f Finding) bool { return f.Stage == "probe" || f.Code == "InitContainerWaiting" }

func (t LogTarget) sameContainer(o LogTarget) bool {
	return t.Pod == o.Pod && t.Container == o.Container
}

// unproven is how long something missing may be missing when nobody could look whether it is there by now: the kubelet
// and the controllers try again less and less often, and say the old thing until they do.
const unproven = time.Minute

// arrived gives findings about missing objects their due patience: an object that exists by now is only waited for.
func (s *facts) arrived(found []Finding) {
	for i := range found {
		f := &found[i]
		cause := s.catalogue.cause(f.Code)
		if !cause.MayArrive {
			continue
		}
		kind, name, qualified := strings.Cut(f.Detail, "/")
		if !qualified && len(cause.LooksUp) > 0 {
			kind, name = cause.LooksUp[0], f.Detail
		}
		name, key, keyed := strings.Cut(name, "#")
		names, read := s.Names[kind]
		if keyed {
			name = key
			names, read = s.keys(kind, f.Detail)
		}
		switch {
		case slices.Contains(names, name):
			f.Terminal = TerminalTimeout
			f.Cause += "; it exists by now, and will be tried again"
			f.Evidence = append(f.Evidence, Proof{Type: "object", Text: f.Detail + " exists"})
		case !read && cause.TriedSeldom && f.Terminal == TerminalAfter:
			f.After = max(f.After, unproven)
		}
	}
}

// keys are those of the object of which one is missing, if they were read.
func (s *facts) keys(kind, detail string) (keys []string, read bool) {
	name, _, _ := strings.Cut(strings.TrimPrefix(detail, kind+"/"), "#")
	keys, read = s.Keys[manifest.Ref{Kind: kind, Namespace: s.w.Ref.Namespace, Name: name}]
	return keys, read
}

// configMaps are those that the new pods read.
func (s *facts) configMaps() []manifest.Ref {
	if s.template == nil {
		return nil
	}
	var refs []manifest.Ref
	add := func(name string) {
		ref := manifest.Ref{Kind: "ConfigMap", Namespace: s.w.Ref.Namespace, Name: name}
		if !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	pod := s.template.Spec
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil {
				add(e.ConfigMapRef.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.ConfigMapKeyRef != nil {
				add(e.ValueFrom.ConfigMapKeyRef.Name)
			}
		}
	}
	for _, v := range pod.Volumes {
		for _, name := range configVolumes(v) {
			add(name)
		}
	}
	return refs
}

// configVolumes are the ConfigMaps that a volume shows, projected ones too.
func configVolumes(v corev1.Volume) []string {
	var names []string
	if v.ConfigMap != nil {
		names = append(names, v.ConfigMap.Name)
	}
	if v.Projected != nil {
		for _, source := range v.Projected.Sources {
			if source.ConfigMap != nil {
				names = append(names, source.ConfigMap.Name)
			}
		}
	}
	return names
}
