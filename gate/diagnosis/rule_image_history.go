package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

// newRegistry decides sooner when this rollout moved the image to a registry whose name nobody knows or that nobody
// listens at: that does not heal as an outage does.
func (s *facts) newRegistry(f *Finding, p pull, words string) {
	host := messages.Registry(p.image)
	if s.previous == nil || !nobodyThere.MatchString(words) {
		return
	}
	for _, c := range append(s.previous.Spec.InitContainers, s.previous.Spec.Containers...) {
		if messages.Registry(c.Image) == host {
			return
		}
	}
	f.Terminal, f.Attempts, f.After = TerminalAfter, 2, time.Minute
	f.Cause += "; no image of the version before came from there"
}

var nobodyThere = regexp.MustCompile(`no such host|connection refused|no route to host`)

// pullFacts are what else is known of the pull: since when, who else needs the image, what ran before.
func (s *facts) pullFacts(p pull, f Finding) []Proof {
	var facts []Proof
	if since := s.now.Sub(f.FirstSeen); len(p.failed) > 0 && since > 0 {
		facts = append(facts, Proof{Type: "status", Text: fmt.Sprintf("first failed %s ago, %s", short(since), plural(f.Count, "attempt")), Ref: p.ref()})
	}
	var others []string
	for _, c := range s.containersOf(p.pod) {
		if c.spec.Name != p.spec.Name && c.spec.Image == p.image {
			others = append(others, c.spec.Name)
		}
	}
	if len(others) > 0 {
		facts = append(facts, Proof{Type: "object", Text: fmt.Sprintf("%s %s %s the same image", noun(len(others), "container"), list(others), map[bool]string{true: "has", false: "have"}[len(others) == 1]), Ref: podRef(p.pod).String()})
	}
	return facts
}

// onlyTag tells whether the image differs from that of the version before in nothing but its tag.
func (s *facts) onlyTag(p pull) (now, was string, only bool) {
	old := s.before(p.container)
	if old == nil || p.volume != nil || old.Image == p.image {
		return "", "", false
	}
	repository, now := splitImage(p.image)
	before, was := splitImage(old.Image)
	return now, was, repository == before && !strings.Contains(p.image, "@")
}

// splitImage parts an image name from its tag; a port is none.
func splitImage(image string) (repository, tag string) {
	name, _, _ := strings.Cut(image, "@")
	if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
		return name[:i], name[i+1:]
	}
	return name, "latest"
}
