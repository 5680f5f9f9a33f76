package diagnosis

import (
	"fmt"
	"maps"
	"slices"
	"strings"
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
}

// rule looks for one family of causes.
type rule func(*scene) []Finding

// catalogue holds every cause by its code, and every rule. The files of the families fill it before main runs; nobody
// writes to it afterwards.
var catalogue = struct {
	causes   map[string]Cause
	families []string
	rules    []rule
}{causes: map[string]Cause{}}

// family declares one family: its rule and its causes with their default patience. A rule may be more patient than that
// where its evidence is weaker, and says so. The rule is nil where another family's finds the causes. The order of
// families means nothing: Explain ranks what their rules find.
func family(name string, r rule, causes ...Cause) struct{} {
	catalogue.families = append(catalogue.families, name)
	if r != nil {
		catalogue.rules = append(catalogue.rules, r)
	}
	for _, c := range causes {
		if _, taken := catalogue.causes[c.Code]; taken || slices.Index(stages, c.stage) < 0 {
			panic("diagnosis: code " + c.Code + " is declared twice, or its stage " + c.stage + " does not exist")
		}
		c.Family = name
		catalogue.causes[c.Code] = c
	}
	return struct{}{}
}

// crashes is how often a program must end before that decides: three restarts. Two restarts do when it always ended
// the same way; Sightings knows.
const crashes = 4

// Codes lists every code, sorted, for flags that name one.
func Codes() []string { return slices.Sorted(maps.Keys(catalogue.causes)) }

// Describe says in one line when findings of a code decide by default. It is empty for an unknown code.
func Describe(code string) string {
	c, ok := catalogue.causes[code]
	if !ok {
		return ""
	}
	return patience(c.terminal, c.attempts, c.after)
}

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

// finding starts a finding of a code about the whole workload.
func (s *scene) finding(code string) Finding {
	c := catalogue.causes[code]
	return Finding{
		Code: code, Layer: c.layer, Scope: c.scope, Stage: shownStage(c.stage), Terminal: c.terminal, Attempts: c.attempts,
		After: c.after, Confidence: Likely, Object: s.whole(), Workload: s.w.Ref, Count: 1,
		PodsTotal: len(s.pods) + len(s.failed), PodsReady: s.ready, FirstSeen: s.now,
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

// rank orders codes by the stage in which they fail.
func rank(code string) int {
	c, ok := catalogue.causes[code]
	if !ok {
		return len(stages)
	}
	return slices.Index(stages, c.stage)
}

// short prints a duration without its zero parts: 1m30s, 2m, 45s.
func short(d time.Duration) string {
	text := d.Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
