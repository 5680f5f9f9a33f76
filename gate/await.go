package gate

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// came tells whether the version is there that is awaited of a target, and makes it what is judged. What ran before says
// nothing of it, and nobody looks at that.
func (f *follower) came(i int) bool {
	s, t := &f.states[i], &f.targets[i]
	if !s.awaits {
		return true
	}
	live := f.w.Workload(i).Live
	if live == nil || !rollout.Runs(live, t.Awaited) {
		if status := awaiting(*t, live); status != s.status {
			f.changed(i, status)
		}
		return false
	}
	s.awaits, s.best, s.since = false, 0, time.Now()
	if t.Applied == nil || t.Applied.GetUID() != live.GetUID() || t.Applied.GetGeneration() != live.GetGeneration() {
		t.Applied, t.Since, s.renewed = live, rollout.LastWrite(live), true
		s.patience = f.r.patienceFor(*t)
	}
	return true
}

// awaiting is the status of a target whose version has not come.
func awaiting(t rollout.Target, live rollout.Object) rollout.Status {
	s := rollout.Status{Ref: t.Ref, Phase: rollout.Progressing, Reason: rollout.ReasonAwaited, Watched: true}
	if live == nil {
		s.Message = "waiting for it to appear, with " + strings.Join(t.Awaited, " and ")
		return s
	}
	s.Desired = rollout.Replicas(live)
	s.Message = "waiting for " + strings.Join(t.Awaited, " and ") + "; its pod template has " + strings.Join(rollout.Images(live), ", ")
	return s
}

// awaits tells whether the version of any target has not come yet.
func (f *follower) awaits() bool {
	return slices.ContainsFunc(f.states, func(s state) bool { return s.awaits })
}

// known is what is known of a target, with the version that was awaited as the one that is judged.
func (f *follower) known(i int) rollout.Workload {
	w := f.w.Workload(i)
	if f.states[i].renewed {
		w.Applied, w.Since = f.targets[i].Applied, f.targets[i].Since
	}
	return w
}

// measureWhenCome begins to ask the criteria, once every version is there that they are about.
func (f *follower) measureWhenCome(ctx context.Context) {
	if f.asking != NotAsked || len(f.r.criteria.Criteria) == 0 || f.awaits() {
		return
	}
	if slices.ContainsFunc(f.targets, func(t rollout.Target) bool { return len(t.Awaited) > 0 }) {
		f.r.criteria.Began(time.Now())
		f.r.report.Marks.Applied = now()
	}
	f.measure(ctx)
}

// notCome says of which targets the version has not come, and who was to bring it.
func (f *follower) notCome() []diagnosis.Finding {
	var findings []diagnosis.Finding
	for i, t := range f.targets {
		if !f.states[i].awaits || !f.w.Synced(i) {
			continue
		}
		live := f.w.Workload(i).Live
		object, wanted, found := diagnosis.Subject{Ref: t.Ref}, t.Awaited, []string(nil)
		if live != nil {
			object.UID, found = string(live.GetUID()), append([]string{}, rollout.Images(live)...)
			wanted = slices.DeleteFunc(slices.Clone(wanted), func(image string) bool { return rollout.HasImage(live, image) })
		}
		keeper := ""
		if t.Applied != nil { // which has all of its records
			live = t.Applied
		}
		if k, kept := diagnosis.KeeperOf(live); kept {
			keeper = k.String()
		}
		findings = append(findings, diagnosis.AwaitedImageMissing(object, wanted, found, keeper))
	}
	return findings
}
