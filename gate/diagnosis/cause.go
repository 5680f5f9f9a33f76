package diagnosis

import (
	"cmp"
	"slices"
	"strings"
)

// Causes lists what is known of every code, by family in the order in which a rollout meets them.
func (c *Catalogue) Causes() []Cause {
	rank := func(c *Cause) int { return slices.Index(stages, c.stage) }
	first := map[string]int{} // stage of the family's earliest cause
	for _, cause := range c.causes {
		if at, seen := first[cause.Family]; !seen || rank(cause) < at {
			first[cause.Family] = rank(cause)
		}
	}
	var all []Cause
	for _, code := range c.Codes() {
		all = append(all, *c.causes[code])
	}
	slices.SortStableFunc(all, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(first[a.Family], first[b.Family]), strings.Compare(a.Family, b.Family))
	})
	return all
}

// Layer is the part of the system that the cause blames.
func (c Cause) Layer() Layer { return c.layer }

// Scope says on how many pods the cause must show before it decides.
func (c Cause) Scope() Scope { return c.scope }

// Stage is where a rollout fails by this cause.
func (c Cause) Stage() string { return shownStage(c.stage) }

// Terminal says what the cause means for the verdict, unless a rule is more patient.
func (c Cause) Terminal() Terminal { return c.terminal }

// Patience says in one line when the cause decides by default.
func (c Cause) Patience() string {
	if c.stage == "apply" && c.terminal == TerminalNow { // nobody waits for what was refused
		return "ends the run at once"
	}
	if c.By.When != "" {
		return c.By.When
	}
	return patience(c.terminal, c.attempts, c.after)
}

// Knob says how to tune that; empty for a cause that waits for nothing or never decides.
func (c Cause) Knob() string {
	switch {
	case c.stage == "apply":
		return ""
	case c.By.Knob != "":
		return c.By.Knob
	}
	return knob(c.Code, c.terminal, c.after)
}
