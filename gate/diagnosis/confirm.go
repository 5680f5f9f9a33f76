package diagnosis

import (
	"cmp"
	"fmt"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// forget is how long a finding may be absent before its clock starts anew. Crash loops alternate between running and
// waiting, and a pod that is replaced takes a moment to fail like the one before it.
const forget = 20 * time.Second

// Confirmer remembers which findings were seen since when, so that one odd observation does not decide. The zero value
// is ready. One Confirmer sees every observation of one or more workloads, all of them each time.
type Confirmer struct {
	seen map[recordKey]*record
}

type recordKey struct {
	code, container string
	workload        manifest.Ref
}

// record is what is remembered of one finding.
type record struct {
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
// is one; its Rule says what decided in this case. Otherwise recheck says after how much time to look again even if
// nothing changes in the cluster; it is 0 when only a change can decide.
func (c *Confirmer) Confirm(findings []Finding, now time.Time, p Patience) (deciding *Finding, recheck time.Duration) {
	if c.seen == nil {
		c.seen = map[recordKey]*record{}
	}
	for _, f := range findings {
		seen := c.note(&f, now)
		wait, ok := due(&f, seen, now, p)
		switch {
		case !ok:
		case wait > 0:
			recheck = cmp.Or(min(recheck, wait), wait)
		case deciding == nil:
			f.Rule = seen.rule(f, p)
			deciding = &f
		}
	}
	for key, seen := range c.seen {
		switch {
		case seen.last.Equal(now):
		case seen.gone.IsZero():
			seen.gone = now
		case now.Sub(seen.gone) > forget:
			delete(c.seen, key)
		}
	}
	if deciding != nil {
		return deciding, 0
	}
	return nil, recheck
}

// note records that a finding was seen.
func (c *Confirmer) note(f *Finding, now time.Time) *record {
	key := recordKey{f.Code, f.Container, f.Workload}
	seen := c.seen[key]
	if seen == nil || !seen.gone.IsZero() && now.Sub(seen.gone) > forget {
		seen = &record{first: now, signature: f.Signature, since: f.Count}
		c.seen[key] = seen
	}
	if f.Signature != seen.signature {
		seen.signature, seen.since = f.Signature, f.Count
	}
	seen.last, seen.gone = now, time.Time{}
	seen.observations++
	return seen
}

// due says how much longer a finding must last; ok is false when time alone does not make it decide.
func due(f *Finding, seen *record, now time.Time, p Patience) (wait time.Duration, ok bool) {
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
func (r *record) enough(f *Finding) bool {
	needed := f.Attempts
	if f.Signature != "" && f.Count > r.since {
		needed--
	}
	return f.Count >= needed
}

// rule is the text of a finding's rule once it has decided: with the attempts and the time that were enough here.
func (r *record) rule(f Finding, p Patience) string {
	text := f.Rule
	if f.Terminal == TerminalAfter && f.Count < f.Attempts && f.Attempts > 1 {
		attempts := plural(f.Count, "attempt")
		if alike := f.Count - r.since + 1; alike < f.Count {
			attempts += fmt.Sprintf(", the last %d of which ended the same way,", alike)
		} else {
			attempts += " that ended the same way"
		}
		text = fmt.Sprintf("%s fails after %s and %s%s", f.Code, attempts, short(f.After), f.doubled())
	}
	if grace, tuned := p.Grace[f.Code]; tuned {
		text += fmt.Sprintf("; here after %s, by %s", short(grace), cmp.Or(p.GraceBy[f.Code], "--grace"))
	}
	return text
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
