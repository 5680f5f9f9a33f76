package analysis

// View is what a criterion is asked about, where that is something else than what the others are asked about. Its fields
// are those of [Session].
type View struct {
	Pods    func() Pods
	AllPods string
	Seen    func() []string
	Vars    func() Vars
}

// of is the run as one criterion sees it. What the criteria share they still share.
func (r *run) of(c Criterion) *run {
	v, own := r.Views[c.Name]
	if !own {
		return r
	}
	seen := *r
	seen.Pods, seen.AllPods, seen.Seen, seen.Vars = v.Pods, v.AllPods, v.Seen, v.Vars
	return &seen
}
