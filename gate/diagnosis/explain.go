package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Explain says why a rollout is bad, the most likely cause first. Symptoms of a cause that is listed are left out, and
// the same cause on several pods is one finding. No findings mean that nothing is known to be wrong.
func (c *Catalogue) Explain(ev Evidence) []Finding {
	s := c.newFacts(ev)
	var found []Finding
	for _, r := range c.rules {
		found = append(found, s.apply(r)...)
	}
	s.arrived(found)
	s.relate(found)
	found = suppress(order(merge(found), ev.TimedOut))
	if ev.TimedOut && !slices.ContainsFunc(found, Finding.causes) {
		found = suppress(order(append(found, s.unexplained()...), true))
	}
	found = s.circumstances(s.undoing(found))
	found = s.quiet(found)
	for i := range found {
		s.finish(&found[i])
	}
	return found
}

// apply asks one rule. One that panics has nothing to say, except that it did: a bug must not leave a bad rollout in
// place.
func (s *facts) apply(r Rule) (found []Finding) {
	if r.Find == nil {
		return nil
	}
	if !s.catalogue.strict {
		defer func() {
			if problem := recover(); problem != nil {
				f := s.finding("RuleFailed")
				f.Detail = quote(fmt.Sprint(problem))
				f.Cause = "a rule of the diagnosis failed, so that what it knows is missing here: " + f.Detail
				f.Fix = []string{"report it with the report.json of this run"}
				found = []Finding{f}
			}
		}()
	}
	return r.Find(s)
}

// Blames reports whether a finding can be a headline.
func (f Finding) Blames() bool { return f.Terminal != TerminalContext }

// causes reports whether a finding explains something; symptoms only say that something is wrong.
func (f Finding) causes() bool { return f.Blames() && !f.failsAt("symptom") }

// failsAt reports whether the cause belongs to one of these stages.
func (f Finding) failsAt(stages ...string) bool {
	return f.entry != nil && slices.Contains(stages, f.entry.stage)
}

// merge makes one finding of the same cause in the same container of several pods. How a program ends or answers may
// differ a little from pod to pod; what it lacks (an image, a key) makes another cause.
func merge(found []Finding) []Finding {
	type key struct{ code, container, detail string }
	type affected struct {
		key
		pod string
	}
	at, counted := map[key]int{}, map[affected]bool{}
	var merged []Finding
	for _, f := range found {
		k := key{f.Code, f.Container, f.Detail}
		if f.failsAt("init", "run", "probe") {
			k.detail = ""
		}
		var pods []string
		for _, p := range f.pods {
			if !counted[affected{k, p}] {
				counted[affected{k, p}] = true
				pods = append(pods, p)
			}
		}
		f.pods = pods
		if i, seen := at[k]; seen {
			merged[i] = join(merged[i], f)
			continue
		}
		at[k] = len(merged)
		merged = append(merged, f)
	}
	for i := range merged {
		if len(merged[i].pods) > 0 {
			merged[i].PodsAffected = len(merged[i].pods)
		}
	}
	return merged
}

// join is one finding for two pods. The words are those of the pod that is further in its failure, or whose log was
// read.
func join(a, b Finding) Finding {
	words := a
	if b.Decides() && !a.Decides() || a.Decides() == b.Decides() && hasLog(b) && !hasLog(a) {
		words = b
	}
	words.pods = append(a.pods, b.pods...)
	words.Nodes = union(a.Nodes, b.Nodes)
	words.served = a.served && b.served
	words.Count, words.Signature = a.Count, a.Signature
	if b.Count > a.Count {
		words.Count, words.Signature = b.Count, b.Signature
	}
	words.FirstSeen = a.FirstSeen
	if b.FirstSeen.Before(a.FirstSeen) {
		words.FirstSeen = b.FirstSeen
	}
	return words
}

func hasLog(f Finding) bool {
	return slices.ContainsFunc(f.Evidence, func(p Proof) bool { return p.Type == "log" })
}

// Decides reports whether a finding can end the gate before its time is up.
func (f Finding) Decides() bool {
	return f.Terminal == TerminalNow || f.Terminal == TerminalAfter || f.Terminal == TerminalDeadlock
}

// order puts causes first: what can decide before what must wait, unless the time is up; then the stage at which a pod
// fails, then how sure, how many pods and how long. What this rollout changed comes before what was so already: causes
// that are left side by side do not explain each other.
func order(found []Finding, timedOut bool) []Finding {
	weight := func(f Finding) int {
		switch {
		case f.Terminal == TerminalContext:
			return 2
		case timedOut || f.Decides():
			return 0
		}
		return 1
	}
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(weight(a), weight(b)),
			cmp.Compare(touched(b), touched(a)),
			cmp.Compare(a.rank(), b.rank()),
			cmp.Compare(sureness(b.Confidence), sureness(a.Confidence)),
			cmp.Compare(b.PodsAffected, a.PodsAffected),
			a.FirstSeen.Compare(b.FirstSeen),
		)
	})
	return found
}

// touched is 1 for a cause whose field this rollout changed.
func touched(f Finding) int {
	if f.changed && f.causes() {
		return 1
	}
	return 0
}

func sureness(c Confidence) int { return slices.Index([]Confidence{Suspected, Likely, Proven}, c) }

// suppress drops findings that an earlier failure of the same pods explains.
func suppress(found []Finding) []Finding {
	hidden := make([]bool, len(found))
	for i := range found {
		pods := map[string]bool{}
		for _, p := range found[i].pods {
			pods[p] = true
		}
		for j := range found {
			if i != j && !hidden[i] && !hidden[j] && explains(found[i], found[j], pods) {
				hidden[j] = true
				if !slices.Contains(found[i].Suppresses, found[j].Code) {
					found[i].Suppresses = append(found[i].Suppresses, found[j].Code)
				}
			}
		}
	}
	var kept []Finding
	for i, f := range found {
		if !hidden[i] {
			kept = append(kept, f)
		}
	}
	return kept
}

// explains reports whether a, which affects these pods, is reason enough for b.
func explains(a, b Finding, pods map[string]bool) bool {
	if !a.Blames() || a.rank() >= b.rank() {
		return false
	}
	if len(b.pods) == 0 {
		return b.failsAt("symptom", "forecast")
	}
	for _, p := range b.pods {
		if !pods[p] {
			return false
		}
	}
	return a.Container == "" || b.Container == "" || a.Container == b.Container || a.initial
}

// in starts a finding of a code about one container.
func (s *facts) in(c container, code string) Finding {
	f := s.on(c.pod, code)
	f.Container = c.spec.Name
	f.FieldPath = s.field(c, "")
	f.initial = c.initial && !c.sidecar
	f.injected = c.injected
	f.served = c.served()
	return f
}

// on starts a finding of a code about one pod.
func (s *facts) on(p *corev1.Pod, code string) Finding {
	f := s.finding(code)
	f.Object = s.subject(p)
	f.pods = []string{p.Name}
	f.PodsAffected = 1
	if p.Spec.NodeName != "" {
		f.Nodes = []string{p.Spec.NodeName}
	}
	f.FieldPath = s.podPath
	if t := p.CreationTimestamp.Time; !t.IsZero() {
		f.FirstSeen = later(t, s.w.Since)
	}
	return f
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// field is the path of a field of a container. An injected container is not in the manifest; the annotations and
// labels that asked for it usually are.
func (s *facts) field(c container, field string) string {
	if c.injected {
		return s.metaPath()
	}
	list := "containers"
	if c.initial {
		list = "initContainers"
	}
	path := fmt.Sprintf("%s.%s[name=%s]", s.podPath, list, c.spec.Name)
	if field != "" {
		path += "." + field
	}
	return path
}

// finish fills in what does not depend on the rule: patience of special pods, the place in the manifest, how to tune.
func (s *facts) finish(f *Finding) {
	s.fold(f)
	if f.injected {
		f.Cause += fmt.Sprintf(" (container %s is not in the manifest: it was injected)", f.Container)
	}
	if f.doubled() != "" {
		f.After *= 2
		if f.Attempts > 1 {
			f.Attempts++
		}
	}
	if f.Terminal == TerminalAfter || f.Terminal == TerminalNow {
		f.After = max(f.After, confirm)
	}
	if s.Manifest != nil && f.FieldPath != "" && f.Object.Kind != "Service" && f.Object.Kind != "NetworkPolicy" {
		line, _ := s.Manifest.Locate(f.FieldPath)
		f.File, f.Line = s.Manifest.Source.Path, line
	}
	if f.Evidence == nil {
		f.Evidence = []Proof{}
	}
	f.Rule = f.Code + " " + patience(f.Terminal, f.Attempts, f.After) + f.doubled()
	f.Knob = knob(f.Code, f.Terminal, f.After)
	if f.entry != nil && f.entry.By.Rule != "" {
		f.Rule, f.Knob = f.entry.By.Rule, f.entry.By.Knob
	}
}

// doubled says why a finding has twice the patience of its cause; empty when it has not. What worked a moment ago is more
// likely to work again; a mesh's sidecar often restarts while the mesh settles.
func (f Finding) doubled() string {
	switch {
	case f.Terminal != TerminalAfter:
		return ""
	case f.served:
		return " (twice the usual time: the container was in service before)"
	case f.injected:
		return " (twice the usual time: the container was injected)"
	}
	return ""
}

func union(a, b []string) []string {
	for _, v := range b {
		if !slices.Contains(a, v) {
			a = append(slices.Clip(a), v)
		}
	}
	return a
}
