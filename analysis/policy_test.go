package analysis

import (
	"slices"
	"testing"
)

func TestPolicyDecide(t *testing.T) {
	result := func(v Verdict) Result { return Result{Verdict: v} }
	reported := Result{Verdict: Fail, ReportOnly: true}
	for name, tt := range map[string]struct {
		policy  Policy
		results []Result
		verdict Verdict
		action  Action
	}{
		"nothing asked":          {Policy{}, nil, Pass, ActionPass},
		"all pass":               {Policy{}, []Result{result(Pass), result(Pass)}, Pass, ActionPass},
		"fail is undone":         {Policy{}, []Result{result(Pass), result(Fail), result(Error)}, Fail, ActionUndo},
		"unknown stops":          {Policy{}, []Result{result(Pass), result(Inconclusive)}, Inconclusive, ActionStop},
		"error outranks unknown": {Policy{}, []Result{result(Inconclusive), result(Error)}, Error, ActionStop},
		"only reported":          {Policy{}, []Result{result(Pass), reported}, Pass, ActionPass},
		"fail may stop":          {Policy{Fail: ActionStop}, []Result{result(Fail), result(Inconclusive)}, Fail, ActionStop},
		"the stricter decides":   {Policy{Fail: ActionPass, Inconclusive: ActionUndo}, []Result{result(Fail), result(Inconclusive)}, Inconclusive, ActionUndo},
		"all may pass":           {Policy{ActionPass, ActionPass, ActionPass}, []Result{result(Error), result(Fail), result(Inconclusive)}, Fail, ActionPass},
		"no verdict is no pass":  {Policy{}, []Result{result("")}, "", ActionStop},
	} {
		verdict, action := tt.policy.Decide(tt.results)
		if verdict != tt.verdict || action != tt.action {
			t.Errorf("%s: got %s, %s, want %s, %s", name, verdict, action, tt.verdict, tt.action)
		}
		if len(tt.results) > 1 {
			slices.Reverse(tt.results)
			if again, _ := tt.policy.Decide(tt.results); again != verdict {
				t.Errorf("%s: in another order it is %s", name, again)
			}
		}
	}
}
