package diagnosis

import (
	"cmp"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// forget is how long a finding may be absent before its clock starts anew. Crash loops alternate between running and
// waiting, and a pod that is replaced takes a moment to fail like the one before it.
const forget = 20 * time.Second

// Sightings remembers which findings were seen since when, so that one odd observation does not decide. The zero value
// is ready. One Sightings sees every observation of one or more workloads, all of them each time.
type Sightings struct {
	seen map[sightingKey]*sighting
}

type sightingKey struct {
	code, container string
	workload        manifest.Ref
}

type sighting struct {
	first, last time.Time
	// gone is since when it was absent; zero while it is there. An observation stands for the time until the next one,
	// because the caller observes when something changes.
	gone         time.Time
	observations int
	// signature is how the last attempt ended, and since the attempt number from which on it was always the same.
	signature string
	since     int
}

// Confirm takes one observation's findings and returns the first that has lasted long enough to end the gate, if there
// is one. Otherwise recheck says after how much time to look again even if nothing changes in the cluster; it is 0
// when only a change can decide.
func (s *Sightings) Confirm(findings []Finding, now time.Time, p Patience) (deciding *Finding, recheck time.Duration) {
	if s.seen == nil {
		s.seen = map[sightingKey]*sighting{}
	}
	for i := range findings {
		f := &findings[i]
		seen := s.note(f, now)
		wait, ok := due(f, seen, now, p)
		switch {
		case !ok:
		case wait > 0:
			recheck = cmp.Or(min(recheck, wait), wait)
		case deciding == nil:
			deciding = f
		}
	}
	for key, seen := range s.seen {
		switch {
		case seen.last.Equal(now):
		case seen.gone.IsZero():
			seen.gone = now
		case now.Sub(seen.gone) > forget:
			delete(s.seen, key)
		}
	}
	if deciding != nil {
		return deciding, 0
	}
	return nil, recheck
}

// note records that a finding was seen.
func (s *Sightings) note(f *Finding, now time.Time) *sighting {
	key := sightingKey{f.Code, f.Container, f.Workload}
	seen := s.seen[key]
	if seen == nil || !seen.gone.IsZero() && now.Sub(seen.gone) > forget {
		seen = &sighting{first: now, signature: f.Signature, since: f.Count}
		s.seen[key] = seen
	}
	if f.Signature != seen.signature {
		seen.signature, seen.since = f.Signature, f.Count
	}
	seen.last, seen.gone = now, time.Time{}
	seen.observations++
	return seen
}

// due says how much longer a finding must last; ok is false when time alone does not make it decide.
func due(f *Finding, seen *sighting, now time.Time, p Patience) (wait time.Duration, ok bool) {
	if p.NoFailFast["all"] || p.NoFailFast[f.Code] {
		return 0, false
	}
	patience := f.After
	grace, tuned := p.Grace[f.Code]
	switch {
	case tuned:
		patience = grace
	case !f.Decides():
		return 0, false
	}
	if f.Terminal == TerminalContext || !f.broad() {
		return 0, false
	}
	wait = max(0, seen.first.Add(patience).Sub(now))
	if f.Terminal != TerminalTimeout && !seen.enough(f) {
		// Some attempts show only as time that went by; do not depend on an event to notice the next one.
		return max(wait, confirm), true
	}
	if wait == 0 && seen.observations < 2 && patience > 0 {
		wait = min(confirm, patience)
	}
	return wait, true
}

// enough reports whether there were enough attempts. One fewer will do when the last ones ended alike.
func (s *sighting) enough(f *Finding) bool {
	needed := f.Attempts
	if f.Signature != "" && f.Count > s.since {
		needed--
	}
	return f.Count >= needed
}

// broad reports whether enough pods show the finding for what it blames.
func (f Finding) broad() bool {
	if f.PodsTotal == 0 || len(f.pods) == 0 && f.PodsAffected == 0 {
		return true
	}
	switch f.Scope {
	case ScopeApp:
		return f.PodsReady == 0 || 2*f.PodsAffected >= f.PodsTotal
	case ScopeNode:
		return len(f.Nodes) >= 2 || f.PodsAffected >= f.PodsTotal
	}
	return true
}
