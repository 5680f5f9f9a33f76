package analysis

// Action is what follows from a verdict.
type Action string

// The actions.
const (
	ActionUndo Action = "undo" // put the previous version back and fail
	ActionStop Action = "stop" // keep the release and fail, so that the pipeline stops
	ActionPass Action = "pass" // keep the release and pass
)

// Policy says what follows from each verdict that is not a pass. An empty action stands for its default: a release
// that fails is undone; one that could not be judged is kept, and not called good either.
type Policy struct{ Fail, Inconclusive, Error Action }

// For returns the action for a verdict.
func (p Policy) For(v Verdict) Action {
	chosen, otherwise := p.Error, ActionStop // also for a word that is not ours
	switch v {
	case Pass:
		chosen = ActionPass
	case Fail:
		chosen, otherwise = p.Fail, ActionUndo
	case Inconclusive:
		chosen, otherwise = p.Inconclusive, ActionStop
	}
	if chosen == "" {
		return otherwise
	}
	return chosen
}

func (p *Policy) keys() []key {
	return []key{
		{"fail", choiceKey("on.fail", &p.Fail, ActionUndo, ActionStop, ActionPass)},
		{"inconclusive", choiceKey("on.inconclusive", &p.Inconclusive, ActionUndo, ActionStop, ActionPass)},
		{"error", choiceKey("on.error", &p.Error, ActionUndo, ActionStop, ActionPass)},
	}
}

// Decide returns the verdict that decides and what follows from it: of the results that count, the one with the
// strictest action, and among those the worst.
func (p Policy) Decide(results []Result) (Verdict, Action) {
	strictness := map[Action]int{ActionPass: 0, ActionStop: 1, ActionUndo: 2}
	verdict, action := Pass, ActionPass
	for _, r := range results {
		if r.ReportOnly {
			continue
		}
		next := p.For(r.Verdict)
		stricter := strictness[next] - strictness[action]
		if stricter > 0 || stricter == 0 && r.Verdict.severity() > verdict.severity() {
			verdict, action = r.Verdict, next
		}
	}
	return verdict, action
}
