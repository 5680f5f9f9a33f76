package diagnosis

var ruleItself = Rule{Family: "The diagnosis itself", Causes: []Cause{
	{Code: "RuleFailed", class: remark("symptom", LayerWorkload, ScopeEnv),
		Meaning: "One of the rules that look for causes has a bug and failed; the verdict comes from the others.",
		Signals: "A panic inside rolloutgate, caught where the rule was asked.",
		Remedy:  "Report it with the report.json of the run; the rollout itself is judged as usual."},
}}
