package diagnosis

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

var rulePullTime = Rule{Family: "Image pull time", Find: explainPulling, Causes: []Cause{
	{Code: "ImagePullSlow", class: atTimeout("image", LayerCluster, ScopeEnv),
		Meaning: "A node is still pulling the image. Nothing failed; it is big, the registry or the network is slow, or the node pulls others first.",
		Signals: "The pod's event \"Pulling\" is older than a minute and no event \"Pulled\" followed; what other pods' \"Pulled\" events say of size and time stands next to it.",
		Remedy:  "Raise --timeout, make the image smaller, or have it on the nodes before the rollout. serializeImagePulls on the kubelet makes images wait for each other."},
}}

// explainPulling tells, when the time is up, of images that are still on their way: ImagePullSlow.
func explainPulling(s *facts) []Finding {
	if !s.TimedOut || s.Status.Phase == rollout.Complete {
		return nil
	}
	var found []Finding
	for _, c := range s.containers {
		if f, ok := s.pulling(c); ok {
			found = append(found, f)
		}
	}
	return found
}

// pulling is a container whose image has been on its way for a minute.
func (s *facts) pulling(c container) (Finding, bool) {
	if reason, _ := c.waiting(); reason != "ContainerCreating" && reason != "PodInitializing" {
		return Finding{}, false
	}
	started, done := s.eventsAbout(c, "Pulling", ""), s.eventsAbout(c, "Pulled", "")
	if len(started) == 0 || len(done) > 0 {
		return Finding{}, false
	}
	first := started[len(started)-1]
	took := s.now.Sub(first.Time)
	if took < time.Minute {
		return Finding{}, false
	}
	f := s.in(c, "ImagePullSlow")
	f.FieldPath, f.Detail, f.FirstSeen = s.field(c, "image"), c.spec.Image, first.Time
	f.Cause = fmt.Sprintf("node %s has been pulling image %s for %s and is not done", c.pod.Spec.NodeName, c.spec.Image, short(took))
	f.Evidence = []Proof{first.proof()}
	f.Fix = []string{"raise --timeout", "make the image smaller, or have it on the nodes before"}
	s.otherPulls(&f, c)
	return f, true
}

// pulled is how the kubelet reports a pull (pkg/kubelet/images/image_manager.go); the size is there since 1.30.
var pulled = regexp.MustCompile(`^Successfully pulled image "([^"]+)" in ([0-9.a-zµ]+)(?: \(([0-9.a-zµ]+) including waiting\))?(?:\. Image size: (\d+) bytes)?`)

// otherPulls adds what pods that did get an image of the same repository say of its size and the time, the slowest first.
func (s *facts) otherPulls(f *Finding, c container) {
	var slowest time.Duration
	var from Event
	var words string
	for _, e := range s.Events {
		m := pulled.FindStringSubmatch(e.Message)
		if e.Reason != "Pulled" || m == nil || repositoryOf(m[1]) != repositoryOf(c.spec.Image) {
			continue
		}
		took, err := time.ParseDuration(m[2])
		if err != nil || took < slowest || took == slowest && from.Time.Before(e.Time) && words != "" {
			continue
		}
		slowest, from, words = took, e, short(took)
		if size, err := strconv.ParseInt(m[4], 10, 64); err == nil && size > 0 {
			words += fmt.Sprintf(" for %d MB", (size+999999)/1000000)
		}
		if m[1] != c.spec.Image {
			words += " of " + m[1]
		}
	}
	if words != "" {
		f.Cause += fmt.Sprintf("; %s needed %s", from.Object, words)
		f.Evidence = append(f.Evidence, from.proof())
	}
}

// repositoryOf is an image without its tag and digest.
func repositoryOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if i := strings.LastIndex(image, ":"); i > strings.LastIndex(image, "/") {
		image = image[:i]
	}
	return image
}
