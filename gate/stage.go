package gate

import (
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// Stage is a part of a run that is written, watched and judged before the next one is begun. A plain run has one. What
// all stages so far have written is what an undo takes back.
type Stage struct {
	Name string
	// Writes are the objects of the stage, in the order of writing. Those that are as they should be are among them:
	// they are watched, too.
	Writes []patch.Write
	// Judge says that the criteria are asked when the stage is complete, and that the stage passes when they hold.
	// While a stage is going on they are asked in any case.
	Judge bool
}

// Planner makes stages out of a plan. It is pure: what it needs to know of the cluster is in the plan.
type Planner struct {
	Name string
	// Stages are the stages of this plan; none when the planner has nothing to say about it.
	Stages func(patch.Plan) []Stage
}

// planners are asked in this order, and the first that answers decides. The last one always does.
func planners() []Planner {
	return []Planner{plain}
}

// plain writes everything at once.
var plain = Planner{Name: "plain", Stages: func(p patch.Plan) []Stage {
	return []Stage{{Name: "all", Writes: p.Writes, Judge: p.Changes()}}
}}

// stagesOf asks the planners.
func stagesOf(p patch.Plan, planners []Planner) []Stage {
	for _, planner := range planners {
		if stages := planner.Stages(p); len(stages) > 0 {
			return stages
		}
	}
	return nil
}
