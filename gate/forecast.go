package gate

import (
	"fmt"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// forecast tells in which stages a run would go, and how long it holds them.
func (r *run) forecast(stages []Stage) {
	if len(stages) < 2 {
		return
	}
	var held time.Duration
	var texts []string
	for _, s := range stages {
		held += s.Hold
		texts = append(texts, s.text())
	}
	text := fmt.Sprintf("it goes out in %d stages: %s", len(stages), strings.Join(texts, "; "))
	if held > 0 {
		text += "; they are held for " + wording.Duration(held) + " altogether"
	}
	r.note("%s", text)
}

// text is a stage in words: how many pods of what become new, and how long that goes on.
func (s Stage) text() string {
	var pods []string
	for _, ref := range s.goals() {
		pods = append(pods, fmt.Sprintf("%d of %s", s.Goals[ref], ref))
	}
	text := s.Name
	if len(s.Hooks) > 0 {
		var hooks []string
		for _, ref := range s.Hooks {
			hooks = append(hooks, ref.String())
		}
		text += " (" + strings.Join(hooks, ", ") + ")"
	}
	if len(pods) > 0 {
		text += ": new pods " + strings.Join(pods, ", ")
	}
	for n, ref := range s.routes() {
		if n == 0 {
			text += " of the requests by " + ref.String()
			continue
		}
		text += ", " + ref.String()
	}
	if s.Test != nil {
		text += ", tested by " + s.Test.name()
	}
	if s.Hold > 0 {
		text += ", held for " + wording.Duration(s.Hold)
	}
	return text
}

// goals are the workloads of which only a part becomes new, in the order of writing.
func (s Stage) goals() []manifest.Ref {
	var refs []manifest.Ref
	for _, w := range s.Writes {
		if s.Goals[w.Ref] > 0 {
			refs = append(refs, w.Ref)
		}
	}
	return refs
}
