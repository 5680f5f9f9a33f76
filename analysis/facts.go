package analysis

import (
	"fmt"
	"time"
)

// Facts are what the preflight found out about the server and its data, and what a run builds on. The zero value
// knows nothing: usual names and the usual scrape interval are assumed then.
type Facts struct {
	// Skew is how far the server's clock is ahead of ours.
	Skew time.Duration `json:"skew,omitempty"`
	// Backend is what the server calls itself; "" when it does not say.
	Backend string `json:"backend,omitempty"`
	// Scrape is the time between two samples of the slowest criterion's series, and Lag how old the newest of them was
	// beyond that. Zero: not known.
	Scrape time.Duration `json:"scrape,omitempty"`
	Lag    time.Duration `json:"lag,omitempty"`
	// Criteria has an entry for each criterion, in their order.
	Criteria []CriterionFacts `json:"criteria,omitempty"`
}

// CriterionFacts are those about one criterion.
type CriterionFacts struct {
	Name string `json:"name"`
	// Naming are the labels of its series for pod and namespace.
	Naming Naming `json:"naming,omitzero"`
	// Gateway is set when its series do not tell pods apart, so that the versions are told apart by time.
	Gateway bool `json:"gateway,omitempty"`
	// Native is set when its histogram is a native one.
	Native bool `json:"native,omitempty"`
	// Before is the value of the running version; nil when there was none.
	Before *Number `json:"before,omitempty"`
	// State is what the criterion says about the running version, and Problem why it could not be judged.
	State   State  `json:"state,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Notes are remarks for the reader.
	Notes []string `json:"notes,omitempty"`

	reference *reference
	inspected bool // its series were
}

// about returns the facts about criterion i.
func (f Facts) about(i int) CriterionFacts {
	if i < len(f.Criteria) {
		return f.Criteria[i]
	}
	return CriterionFacts{Naming: usualNaming}
}

// promSeconds prints a duration for a range selector, which may not be empty.
func promSeconds(d time.Duration) string {
	return fmt.Sprintf("%ds", int(max(d.Round(time.Second), time.Second)/time.Second))
}
