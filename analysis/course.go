package analysis

// Course is the value over time of a part of what a criterion is about. It decides nothing.
type Course struct {
	// Version is ScopeNew or ScopeOld; empty for a group of all versions.
	Version Scope `json:"version,omitempty"`
	// Group are the labels of the group, as in [Result]; empty for a version.
	Group string   `json:"group,omitempty"`
	Plot  []Moment `json:"plot"`
}
