package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// testObjects are the Jobs and Pods by which stages are tested, as hooks. Where several stages have one of a name, all but
// the first have the number of their stage behind it: they are objects of one run.
func (r *run) testObjects(ctx context.Context) ([]manifest.Object, error) {
	var all []manifest.Object
	taken := map[manifest.Ref]bool{}
	for n, part := range r.g.Delivery.Parts {
		if part.Test == nil || len(part.Test.Objects) == 0 {
			continue
		}
		located, err := r.g.Cluster.Locate(ctx, part.Test.Objects)
		if err != nil {
			return nil, err
		}
		for _, o := range located {
			o.Hook, o.Replace, o.Test = true, o.GetName() != "", n+1
			giveName(&o)
			if taken[o.Ref()] {
				o.Unstructured = o.DeepCopy()
				o.SetName(numbered(o.GetName(), n+1))
			}
			taken[o.Ref()] = true
			all = append(all, o)
		}
	}
	return all, nil
}

// numbered is a name with a number behind it, no longer than that of a Job may be.
func numbered(name string, n int) string {
	const most = 63
	suffix := fmt.Sprintf("-%d", n)
	return strings.TrimRight(name[:min(len(name), most-len(suffix))], "-.") + suffix
}

// withoutTests takes what tests stages out of a plan.
func withoutTests(p patch.Plan) (patch.Plan, []patch.Write) {
	var tests []patch.Write
	writes := p.Writes
	p.Writes = nil
	for _, w := range writes {
		if w.Test > 0 {
			tests = append(tests, w)
		} else {
			p.Writes = append(p.Writes, w)
		}
	}
	return p, tests
}

// testedByJobs gives each stage that is tested by Jobs another one behind it, which writes them, waits for them, and is then
// held in its place. They are deleted when they have passed.
func (r *run) testedByJobs(stages []Stage, tests []patch.Write) ([]Stage, error) {
	var all []Stage
	testedBy := map[int]string{} // part: the stage that has its Jobs
	for _, s := range stages {
		part := slices.IndexFunc(r.g.Delivery.Parts, func(p Part) bool { return p.Test != nil && p.Test == s.Test }) + 1
		if s.Test == nil || len(s.Test.Command) > 0 || part == 0 {
			all = append(all, s)
			continue
		}
		if other, twice := testedBy[part]; twice {
			return nil, fmt.Errorf("stages %s and %s are tested by the same Jobs of %s, and an object is written once in a run\n  hint: test by a command, or deploy what waits for the other in a run of its own", other, s.Name, s.Test.Job)
		}
		testedBy[part] = s.Name
		test := Stage{Name: "test of " + s.Name, Goals: s.Goals, Hold: s.Hold, Approval: s.Approval, Judge: s.Judge, Service: s.Service, Hooks: slices.Clone(s.Hooks), Deletes: slices.Clone(s.Deletes)}
		for _, w := range tests {
			if w.Test == part {
				test.Writes = append(test.Writes, w)
				test.Hooks = append(test.Hooks, w.Ref)
				test.Deletes = append(test.Deletes, w.Ref)
				r.planned(w)
			}
		}
		if len(test.Writes) == 0 {
			return nil, fmt.Errorf("the Jobs of %s, by which stage %s is tested, are not on record\n  hint: run again with the manifests: that takes the other run over", s.Test.Job, s.Name)
		}
		s.Test, s.Hold, s.Approval, s.Judge, s.Deletes = nil, 0, nil, false, nil
		all = append(all, s, test)
	}
	return all, nil
}

// withJobs fills in the Jobs of stages on record.
func (d Delivery) withJobs(found record.Record) {
	for _, s := range found.Stages {
		for _, w := range s.Writes {
			if w.Test == 0 || w.Test > len(d.Parts) || d.Parts[w.Test-1].Test == nil || w.Sent == nil {
				continue
			}
			t := d.Parts[w.Test-1].Test
			t.Objects = append(t.Objects, manifest.Object{Unstructured: w.Sent.DeepCopy(), Source: w.Source})
		}
	}
}
