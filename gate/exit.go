package gate

// Outcome is a way for a run to end. Codes are an interface: they are never renumbered.
type Outcome struct {
	Code    int
	Name    string
	Meaning string
}

// The outcomes, in the order of their codes.
var (
	Passed        = Outcome{0, "passed", "healthy and criteria met, or nothing to change"}
	Internal      = Outcome{1, "internal", "a bug in rolloutgate"}
	Invalid       = Outcome{2, "invalid", "flags, config, manifests or criteria are wrong; cluster untouched"}
	Refused       = Outcome{3, "refused", "the cluster or the preflight said no before anything changed"}
	RolloutFailed = Outcome{10, "failed", "rollout failed; previous state restored and verified"}
	TimedOut      = Outcome{11, "timeout", "rollout did not finish in time; restored and verified"}
	CriteriaFail  = Outcome{12, "criteria", "success criteria violated; restored and verified"}
	Inconclusive  = Outcome{13, "inconclusive", "could not judge (no data, Prometheus unreachable); release kept, unless told otherwise"}
	UndoBroken    = Outcome{20, "undo-failed", "failed, and the undo failed, is partial or is unverified: a person must look"}
	NotUndone     = Outcome{21, "not-undone", "failed, and nothing was undone"}
	Overtaken     = Outcome{30, "superseded", "another deploy took over the workload; left alone"}
	Retry         = Outcome{75, "retry", "transient trouble before any change; safe to retry"}
	Denied        = Outcome{77, "denied", "credentials or permissions; nothing changed"}
	Interrupted   = Outcome{130, "cancelled", "SIGINT; the report says what state was left"}
	Terminated    = Outcome{143, "cancelled", "SIGTERM; the report says what state was left"}
)

// Outcomes lists all outcomes, for documentation and for the test that holds it to the code.
func Outcomes() []Outcome {
	return []Outcome{Passed, Internal, Invalid, Refused, RolloutFailed, TimedOut, CriteriaFail, Inconclusive, UndoBroken,
		NotUndone, Overtaken, Retry, Denied, Interrupted, Terminated}
}

func (o Outcome) exit(state string) Exit { return Exit{Code: o.Code, Name: o.Name, State: state} }
