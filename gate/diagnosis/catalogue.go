package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// stages in the order in which a pod passes them. What fails earlier explains what fails later.
var stages = []string{"apply", "controller", "create", "schedule", "volume", "unbound", "image", "start", "init", "run", "probe", "traffic", "forecast", "symptom"}

// class is what all findings of one code have in common.
type class struct {
	stage    string
	layer    Layer
	scope    Scope
	terminal Terminal
	attempts int
	after    time.Duration
}

// now, after, deadlock, atTimeout and remark build classes; the table below reads like one.
func now(stage string, l Layer, s Scope) class { return class{stage, l, s, TerminalNow, 1, confirm} }
func after(stage string, l Layer, s Scope, attempts int, d time.Duration) class {
	return class{stage, l, s, TerminalAfter, attempts, d}
}
func atTimeout(stage string, l Layer, s Scope) class {
	return class{stage, l, s, TerminalTimeout, 1, 0}
}
func remark(stage string, l Layer, s Scope) class { return class{stage, l, s, TerminalContext, 1, 0} }

// confirm is how long a finding that cannot heal must last, so that one odd read decides nothing.
const confirm = 5 * time.Second

// Cause is what is known of a code, whatever the rollout: the reference of docs/causes.md.
type Cause struct {
	Code string
	class
	// Family groups causes for a reader. Meaning says what is wrong, Signals where that is read, Remedy what usually
	// helps; each is one sentence or two.
	Family, Meaning, Signals, Remedy string

	// By is how the cause decides when that is not a matter of how long and how often it was seen; zero for most.
	By Decision

	// The rest is what other places must know of the cause.

	// ReadsLogs: the log of the container helps to explain it.
	ReadsLogs bool
	// LooksUp are the kinds of which the existing names help, to tell a typo from an omission, and LooksUpKeys that the
	// keys of the pods' ConfigMaps do.
	LooksUp     []string
	LooksUpKeys bool
	// MayArrive: something is missing that may be there by the time of the verdict. Detail names it: a name of the first
	// kind of LooksUp, or Kind/name, or Kind/name#key.
	MayArrive bool
	// TriedSeldom: who misses it tries again less and less often and says the old thing until then. The kubelet waits up
	// to two minutes before it mounts again (pkg/kubelet/volumemanager), and a controller as long as its back-off has
	// grown. A container's environment is tried every few seconds, and the scheduler hears of a new claim at once.
	TriedSeldom bool
	// InUndo is the code of what the cause means when it strikes the pods of an undo; empty when it means nothing else.
	InUndo string
	// Background: every cluster has some of it, so that it is told only when something is wrong.
	Background bool
	// Refusal is what a refused write with this cause calls for.
	Refusal Refusal
}

// Refusal says who has to act when the API server refused a write.
type Refusal string

const (
	// RefusedByCluster: the object or the cluster has to change.
	RefusedByCluster Refusal = ""
	// RefusedAsInvalid: the manifest is wrong in every cluster.
	RefusedAsInvalid Refusal = "invalid"
	// RefusedToAccount: the account needs a permission.
	RefusedToAccount Refusal = "denied"
	// RefusedForNow: the same write may go through later.
	RefusedForNow Refusal = "retry"
)

// Rule is one family of causes and the function that finds them. Rules are pure: no clock, no network. Find is nil where
// another rule, or Explain itself, finds the causes.
type Rule struct {
	Family string
	Find   func(*facts) []Finding
	Causes []Cause
}

// rules are all of them, in the order in which a rollout meets what they look for. A rule may be more patient than the
// default of its cause where its evidence is weaker. Of two findings that are the same cause in the same place, the words
// of the rule that comes first are taken.
var rules = []Rule{
	ruleApply, ruleController, ruleCircumstances, ruleDrift, ruleAutoscaling, ruleCreate,
	ruleScheduling, ruleDisruption, ruleNode, ruleClaim, ruleVolume, ruleSandbox,
	ruleImage, rulePullTime, ruleConfig, ruleStart, ruleInit, ruleExit,
	ruleStartupProbe, ruleProbe, ruleFlapping, ruleReadinessGate, ruleService, ruleServicePin, ruleNetworkPolicy, ruleTraffic, ruleTrafficSkew,
	ruleDaemonset, ruleStatefulset, ruleJob, ruleOldPods, ruleTimeout,
	ruleGitOps, ruleCriterion, ruleApproval, ruleStage, ruleCommand, ruleUndo, ruleOwn, ruleUnexplained, ruleItself,
}

// Catalogue is a set of rules and every cause that they can find.
type Catalogue struct {
	rules  []Rule
	causes map[string]*Cause
	// strict lets a rule with a bug end the program: tests want that.
	strict bool
}

// NewCatalogue makes a catalogue of rules. No code may be declared twice.
func NewCatalogue(rules []Rule) *Catalogue {
	c := &Catalogue{rules: rules, causes: map[string]*Cause{}}
	for _, r := range rules {
		for _, cause := range r.Causes {
			cause.Family = r.Family
			c.causes[cause.Code] = &cause
		}
	}
	return c
}

// standard is the catalogue of all rules, which the functions of this package use.
var standard = NewCatalogue(rules)

// Explain is Catalogue.Explain with all rules.
func Explain(ev Evidence) []Finding { return standard.Explain(ev) }

// Needs is Catalogue.Needs with all rules.
func Needs(ev Evidence) Need { return standard.Needs(ev) }

// Causes lists what is known of every code, by family in the order in which a rollout meets them.
func Causes() []Cause { return standard.Causes() }

// Codes lists every code, sorted.
func Codes() []string { return standard.Codes() }

// ParsePatience is Catalogue.ParsePatience with all rules.
func ParsePatience(grace, noFailFast string) (Patience, error) {
	return standard.ParsePatience(grace, noFailFast)
}

// crashes is how often a program must end before that decides: three restarts. Two restarts do when it always ended
// the same way; Confirmer knows.
const crashes = 4

// Codes lists every code, sorted, for flags that name one.
func (c *Catalogue) Codes() []string { return slices.Sorted(maps.Keys(c.causes)) }

// patience puts the three numbers of a verdict into words.
func patience(t Terminal, attempts int, d time.Duration) string {
	switch t {
	case TerminalNow:
		return "fails when it was seen for " + short(d)
	case TerminalDeadlock:
		return "fails when the proof stood for " + short(d)
	case TerminalAfter:
		if attempts > 1 {
			return fmt.Sprintf("fails after %d attempts and %s", attempts, short(d))
		}
		return "fails after " + short(d)
	case TerminalTimeout:
		return "is the cause only when the time is up"
	}
	return "never decides"
}

// knob says how to tune a finding's patience.
func knob(code string, t Terminal, d time.Duration) string {
	switch t {
	case TerminalNow, TerminalAfter, TerminalDeadlock:
		return fmt.Sprintf("--grace %s=%s or --no-fail-fast=%s", code, short(max(2*d, time.Minute).Round(time.Second)), code)
	case TerminalTimeout:
		return fmt.Sprintf("--grace %s=2m fails earlier", code)
	}
	return ""
}

// cause is a code's entry. That of an unknown code is empty but for the code, and the last in every order.
func (c *Catalogue) cause(code string) *Cause {
	if known, ok := c.causes[code]; ok {
		return known
	}
	return &Cause{Code: code}
}

// become makes a finding one of another code, with that code's patience.
func (s *facts) become(f *Finding, code string) {
	c := s.catalogue.cause(code)
	f.Code, f.Layer, f.Scope, f.Stage, f.Terminal, f.Attempts, f.After, f.entry = c.Code, c.layer, c.scope, c.Stage(), c.terminal, c.attempts, c.after, c
}

// finding starts a finding of a code about the whole workload.
func (s *facts) finding(code string) Finding {
	c := s.catalogue.cause(code)
	return Finding{
		Code: code, Layer: c.layer, Scope: c.scope, Stage: c.Stage(), Terminal: c.terminal, Attempts: c.attempts,
		After: c.after, Confidence: Likely, Object: s.whole(), Workload: s.w.Ref, Count: 1,
		PodsTotal: len(s.pods) + len(s.failed), PodsReady: s.ready, FirstSeen: s.now, entry: c,
	}
}

// shownStage is the stage that a reader is told. Some stages exist only to order findings.
func shownStage(stage string) string {
	switch stage {
	case "forecast":
		return "probe"
	case "symptom":
		return "controller"
	case "unbound":
		return "volume"
	}
	return stage
}

// rank orders findings by the stage in which they fail.
func (f Finding) rank() int {
	if f.entry != nil {
		if i := slices.Index(stages, f.entry.stage); i >= 0 {
			return i
		}
	}
	return len(stages)
}
