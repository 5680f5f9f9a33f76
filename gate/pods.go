package gate

import (
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Pods is how many pods a workload has from a moment on. New are those of the version that this run brings, also while
// it is taken back.
type Pods struct {
	Time     time.Time    `json:"time"`
	Object   manifest.Ref `json:"object"`
	New      int32        `json:"new"`
	NewReady int32        `json:"newReady"`
	Old      int32        `json:"old"`
	OldReady int32        `json:"oldReady"`
	Desired  int32        `json:"desired,omitempty"`
}

// maxPods bounds the counts in a report.
const maxPods = 500

// count takes how many pods a workload has into the report, if that is news.
func (f *follower) count(w rollout.Workload, s rollout.Status) {
	if !s.Watched || s.Reason == rollout.ReasonNotObserved { // the counts are older than the change
		return
	}
	c := rollout.CountVersions(w, s)
	p := Pods{
		Time: now(), Object: s.Ref, Desired: s.Desired,
		New: c.New, NewReady: c.NewReady, Old: c.Old, OldReady: c.OldReady,
	}
	if f.undone != nil {
		p.New, p.NewReady, p.Old, p.OldReady = p.Old, p.OldReady, p.New, p.NewReady
	}
	f.r.report.Pods = withPods(f.r.report.Pods, p, maxPods)
}

// atOnce is how close together two counts are one: what several watches tell of one change comes in parts.
const atOnce = 100 * time.Millisecond

// withPods adds a count, unless it says what the last one of that object says. Of more than most counts every second one
// of each object is dropped, but for the last one.
func withPods(all []Pods, p Pods, most int) []Pods {
	i := lastOf(all, p.Object)
	if i >= 0 && p.Time.Sub(all[i].Time) < atOnce {
		p.Time = all[i].Time
		all = slices.Delete(all, i, i+1)
		i = lastOf(all, p.Object)
	}
	if i >= 0 {
		same := p
		if same.Time = all[i].Time; same == all[i] {
			return all
		}
	} else if p.New+p.Old+p.Desired == 0 {
		return all // a kind without pods
	}
	at := len(all)
	for at > 0 && all[at-1].Time.After(p.Time) {
		at--
	}
	all = slices.Insert(all, at, p)
	if len(all) <= most {
		return all
	}
	seen, last := map[manifest.Ref]int{}, map[manifest.Ref]int{}
	for i, c := range all {
		last[c.Object] = i
	}
	kept := all[:0]
	for i, c := range all {
		seen[c.Object]++
		if seen[c.Object]%2 == 1 || i == last[c.Object] {
			kept = append(kept, c)
		}
	}
	if len(kept) > most { // there is one of each
		kept = slices.DeleteFunc(kept, func(c Pods) bool { return c == p })
	}
	return kept
}

func lastOf(all []Pods, object manifest.Ref) int {
	for i, c := range slices.Backward(all) {
		if c.Object == object {
			return i
		}
	}
	return -1
}
