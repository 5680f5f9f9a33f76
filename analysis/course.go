package analysis

import (
	"cmp"
	"context"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
)

// Course is the value over time of a part of what a criterion is about. It decides nothing.
type Course struct {
	// Version is ScopeNew or ScopeOld; empty for a group of all versions.
	Version Scope `json:"version,omitempty"`
	// Group are the labels of the group, as in [Result]; empty for a version.
	Group string   `json:"group,omitempty"`
	Plot  []Moment `json:"plot"`
}

const (
	mostInCourse = 120 // points
	mostGroups   = 5   // of one criterion: the worst
)

// courses reads the parts of a plot: the versions, where they can be told apart, and the groups.
func (r *run) courses(ctx context.Context, c Criterion, f CriterionFacts, at Range) []Course {
	var out []Course
	together := c
	together.Each = nil
	if together.Reduce == "" && len(c.Each) > 0 {
		together.Reduce = "max"
	}
	for _, v := range r.versions(c, f) {
		for _, one := range r.parts(ctx, together, f, at, v.matchers) {
			one.Version = v.version
			out = append(out, one)
		}
	}
	if len(c.Each) > 0 {
		var matchers []*labels.Matcher
		if c.scope() != ScopeAll && !f.Gateway {
			matchers = f.Naming.allVersionsMatchers(r.vars().Namespace, r.AllPods)
		}
		out = append(out, worstGroups(r.parts(ctx, c, f, at, matchers), c.Op)...)
	}
	return out
}

// version selects the series of one version.
type version struct {
	version  Scope
	matchers []*labels.Matcher
}

// versions select the series of the new pods, and of all others of the workloads. There are none where the names of pods
// do not tell the versions apart.
func (r *run) versions(c Criterion, f CriterionFacts) []version {
	if c.scope() == ScopeAll || f.Gateway || f.Naming.Pod == "" || r.Pods == nil || r.AllPods == "" {
		return nil
	}
	pods := r.Pods().New
	if slices.ContainsFunc(pods, func(p Pod) bool { return p.Reused }) {
		return nil
	}
	seen := names(pods)
	if r.Seen != nil {
		seen = r.Seen()
	}
	if len(seen) == 0 {
		return nil
	}
	namespace := r.vars().Namespace
	others, err := labels.NewMatcher(labels.MatchNotRegexp, f.Naming.Pod, podPattern(slices.Clone(seen)))
	if err != nil {
		return nil
	}
	return []version{
		{ScopeNew, f.Naming.matchers(namespace, seen)},
		{ScopeOld, append(f.Naming.allVersionsMatchers(namespace, r.AllPods), others)},
	}
}

// parts are the courses of a criterion over the series that the matchers select, one for each group. What cannot be read
// is left out.
func (r *run) parts(ctx context.Context, c Criterion, f CriterionFacts, at Range, matchers []*labels.Matcher) []Course {
	var out []Course
	if c.Counts != nil {
		shares, err := r.sharesOf(ctx, c, f, at, max(at.Step, 2*r.scrape()), matchers)
		if err != nil {
			return nil
		}
		for _, s := range shares {
			out = append(out, s.Course)
		}
		return out
	}
	query, err := r.queryOf(c, f, matchers)
	if err != nil {
		return nil
	}
	answer, err := r.askRange(ctx, query, at)
	if err != nil || len(c.Each) == 0 && len(answer.Samples) > 1 {
		return nil
	}
	for _, s := range answer.Samples {
		one := Course{Group: groupOf(s.Labels, c.Each), Plot: slices.DeleteFunc(s.Moments, Moment.odd)}
		twice := slices.ContainsFunc(out, func(c Course) bool { return c.Group == one.Group })
		if !s.Histogram && len(one.Plot) > 0 && !twice {
			out = append(out, one)
		}
	}
	return out
}

// worstGroups are the groups that came nearest to the limit, or furthest beyond it, the worst first.
func worstGroups(all []Course, op Op) []Course {
	worst := func(c Course) Number {
		most := c.Plot[0].Value
		for _, m := range c.Plot {
			if op == Greater || op == GreaterEqual {
				most = min(most, m.Value)
			} else {
				most = max(most, m.Value)
			}
		}
		return most
	}
	slices.SortStableFunc(all, func(a, b Course) int {
		if op == Greater || op == GreaterEqual {
			a, b = b, a
		}
		return cmp.Compare(worst(b), worst(a))
	})
	return all[:min(len(all), mostGroups)]
}
