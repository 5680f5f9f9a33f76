package diagnosis

import (
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var web = manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}

// seen is a finding of a code as the rules would make it, on all of one pod.
func seen(code string, count int, signature string) Finding {
	c := standard.cause(code)
	return Finding{
		Code: code, Container: "app", Workload: web, Scope: c.scope, Terminal: c.terminal, Attempts: c.attempts, After: c.after,
		Count: count, Signature: signature, PodsAffected: 1, PodsTotal: 1, pods: []string{"web-1"}, Nodes: []string{"node-1"},
	}
}

// step is one observation: when, and what was found.
type step struct {
	at    time.Duration
	found []Finding
}

// decided plays observations and returns when which code ended the gate; zero when none did.
func decided(t *testing.T, p Patience, steps ...step) (string, time.Duration) {
	t.Helper()
	var s Confirmer
	start := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	for _, st := range steps {
		if f, _ := s.Confirm(st.found, start.Add(st.at), p); f != nil {
			return f.Code, st.at
		}
	}
	return "", 0
}

func every(d, until time.Duration, found ...Finding) []step {
	var steps []step
	for at := time.Duration(0); at <= until; at += d {
		steps = append(steps, step{at, found})
	}
	return steps
}

func TestConfirm(t *testing.T) {
	sec := time.Second
	minority := seen("AppCrash", 9, "x")
	minority.PodsTotal, minority.PodsReady = 4, 3
	half := minority
	half.PodsAffected = 2
	oneNode := seen("ImageNeverPull", 3, "")
	oneNode.PodsTotal = 3
	twoNodes := oneNode
	twoNodes.Nodes = []string{"node-1", "node-2"}
	running := seen("AppCrash", 2, "1/boom")
	running.Terminal = TerminalTimeout

	for name, c := range map[string]struct {
		patience Patience
		steps    []step
		want     string
		at       time.Duration
	}{
		"what cannot heal decides when it is seen again five seconds later": {
			steps: every(sec, 20*sec, seen("ImageNameInvalid", 1, "")), want: "ImageNameInvalid", at: 5 * sec},
		"one look decides nothing, however late the next one sees something else": {
			steps: []step{{0, []Finding{seen("ImageNameInvalid", 1, "")}}, {60 * sec, nil}}},
		"a missing image needs two attempts and half a minute": {
			steps: append(every(5*sec, 60*sec, seen("ImageNotFound", 1, "")), step{65 * sec, []Finding{seen("ImageNotFound", 2, "")}}), want: "ImageNotFound", at: 65 * sec},
		"a missing image with enough attempts still needs half a minute": {
			steps: every(5*sec, 60*sec, seen("ImageNotFound", 2, "")), want: "ImageNotFound", at: 30 * sec},
		"two crashes and then well: the app waited for its database": {
			steps: []step{
				{0, []Finding{seen("AppCrash", 1, "1/refused")}}, {10 * sec, []Finding{running}}, {12 * sec, []Finding{seen("AppCrash", 2, "1/refused")}},
				{32 * sec, []Finding{running}}, {60 * sec, nil}, {120 * sec, nil}}},
		"three crashes that end alike decide": {
			steps: []step{
				{0, []Finding{seen("AppCrash", 1, "1/boom")}}, {11 * sec, []Finding{running}}, {12 * sec, []Finding{seen("AppCrash", 2, "1/boom")}},
				{32 * sec, []Finding{running}}, {33 * sec, []Finding{seen("AppCrash", 3, "1/boom")}}}, want: "AppCrash", at: 33 * sec},
		"three crashes that end differently do not, the fourth does": {
			steps: []step{
				{0, []Finding{seen("AppCrash", 1, "1/a")}}, {12 * sec, []Finding{seen("AppCrash", 2, "2/b")}}, {33 * sec, []Finding{seen("AppCrash", 3, "3/c")}},
				{60 * sec, []Finding{seen("AppCrash", 3, "3/c")}}, {75 * sec, []Finding{seen("AppCrash", 4, "4/d")}}}, want: "AppCrash", at: 75 * sec},
		"a second out-of-memory kill decides": {
			steps: append(every(2*sec, 12*sec, seen("OomKilled", 1, "")), step{14 * sec, []Finding{seen("OomKilled", 2, "")}}), want: "OomKilled", at: 14 * sec},
		"what was away for long starts anew": {
			steps: []step{{0, []Finding{seen("ConfigMapNotFound", 1, "")}}, {25 * sec, nil}, {50 * sec, []Finding{seen("ConfigMapNotFound", 1, "")}}, {70 * sec, []Finding{seen("ConfigMapNotFound", 1, "")}}}},
		"a short absence is forgiven": {
			steps: []step{{0, []Finding{seen("ConfigMapNotFound", 1, "")}}, {10 * sec, nil}, {15 * sec, []Finding{seen("ConfigMapNotFound", 1, "")}}, {31 * sec, []Finding{seen("ConfigMapNotFound", 1, "")}}}, want: "ConfigMapNotFound", at: 31 * sec},
		"a program that works elsewhere does not decide":   {steps: every(5*sec, 300*sec, minority)},
		"half of the new pods do":                          {steps: every(5*sec, 60*sec, half), want: "AppCrash", at: 10 * sec},
		"one node of several does not decide":              {steps: every(5*sec, 300*sec, oneNode)},
		"two nodes do":                                     {steps: every(5*sec, 60*sec, twoNodes), want: "ImageNeverPull", at: 5 * sec},
		"readiness waits for the timeout":                  {steps: every(5*sec, 600*sec, seen("ReadinessProbeFailing", 99, ""))},
		"context never decides, even with a grace":         {patience: Patience{Grace: map[string]time.Duration{"RestartedThenReady": 0}}, steps: every(5*sec, 60*sec, seen("RestartedThenReady", 9, ""))},
		"a grace makes patient":                            {patience: Patience{Grace: map[string]time.Duration{"ImageNotFound": 3 * time.Minute}}, steps: every(5*sec, 300*sec, seen("ImageNotFound", 9, "")), want: "ImageNotFound", at: 180 * sec},
		"a grace makes early what waits for the timeout":   {patience: Patience{Grace: map[string]time.Duration{"ReadinessProbeFailing": time.Minute}}, steps: every(5*sec, 300*sec, seen("ReadinessProbeFailing", 9, "")), want: "ReadinessProbeFailing", at: 60 * sec},
		"a code may be told never to decide":               {patience: Patience{NoFailFast: map[string]bool{"OomKilled": true}}, steps: every(5*sec, 300*sec, seen("OomKilled", 9, ""))},
		"all codes may be told never to decide":            {patience: Patience{NoFailFast: map[string]bool{"all": true}}, steps: every(5*sec, 300*sec, seen("OomKilled", 9, ""))},
		"the first in rank decides when two are due":       {steps: every(5*sec, 60*sec, seen("RunAsNonRootViolation", 1, ""), seen("OomKilled", 3, "")), want: "RunAsNonRootViolation", at: 10 * sec},
		"a finding that is due does not wait for a slower": {steps: every(5*sec, 60*sec, seen("ConfigMapNotFound", 1, ""), seen("OomKilled", 3, "")), want: "OomKilled", at: 10 * sec},
	} {
		t.Run(name, func(t *testing.T) {
			code, at := decided(t, c.patience, c.steps...)
			if code != c.want || at != c.at {
				t.Errorf("decided %q at %s, want %q at %s", code, at, c.want, c.at)
			}
		})
	}
}

// TestDecidingRule: the rule of what decided says what was enough here, not what would have been.
func TestDecidingRule(t *testing.T) {
	sec := time.Second
	crash := func(count int, signature string) Finding {
		f := seen("AppCrash", count, signature)
		f.Rule = "AppCrash fails after 4 attempts and 10s"
		return f
	}
	early := Patience{Grace: map[string]time.Duration{"AppCrash": 5 * sec}}
	annotated := Patience{Grace: early.Grace, GraceBy: map[string]string{"AppCrash": "the annotation rolloutgate.dev/grace"}}
	served := crash(3, "1/a")
	served.served = true
	for name, c := range map[string]struct {
		patience Patience
		steps    []step
		want     string
	}{
		"as often as it takes": {steps: []step{{0, []Finding{crash(1, "1/a")}}, {20 * sec, []Finding{crash(2, "1/b")}}, {40 * sec, []Finding{crash(4, "1/c")}}},
			want: "AppCrash fails after 4 attempts and 10s"},
		"always the same way": {steps: []step{{0, []Finding{crash(1, "1/a")}}, {40 * sec, []Finding{crash(3, "1/a")}}},
			want: "AppCrash fails after 3 attempts that ended the same way and 10s"},
		"the same way in the end": {steps: []step{{0, []Finding{crash(1, "1/a")}}, {12 * sec, []Finding{crash(2, "1/b")}}, {40 * sec, []Finding{crash(3, "1/b")}}},
			want: "AppCrash fails after 3 attempts, the last 2 of which ended the same way, and 10s"},
		"in service before": {steps: []step{{0, []Finding{crash(1, "1/a")}}, {40 * sec, []Finding{served}}},
			want: "AppCrash fails after 3 attempts that ended the same way and 10s (twice the usual time: the container was in service before)"},
		"by a flag": {patience: early, steps: []step{{0, []Finding{crash(1, "1/a")}}, {6 * sec, []Finding{crash(4, "1/b")}}},
			want: "AppCrash fails after 4 attempts and 10s; here after 5s, by --grace"},
		"by an annotation": {patience: annotated, steps: []step{{0, []Finding{crash(1, "1/a")}}, {6 * sec, []Finding{crash(3, "1/a")}}},
			want: "AppCrash fails after 3 attempts that ended the same way and 10s; here after 5s, by the annotation rolloutgate.dev/grace"},
	} {
		var confirmer Confirmer
		got := "nothing decided"
		for _, s := range c.steps {
			if f, _ := confirmer.Confirm(s.found, start.Add(s.at), c.patience); f != nil {
				got = f.Rule
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// TestRecheck follows only the times that Confirm asks for: no event of the cluster is needed for a verdict.
func TestRecheck(t *testing.T) {
	var s Confirmer
	now := time.Date(2026, 5, 4, 10, 0, 0, 0, time.UTC)
	start := now
	for range 20 {
		f, wait := s.Confirm([]Finding{seen("ConfigMapNotFound", 1, "")}, now, Patience{})
		if f != nil {
			if got := now.Sub(start); got != 30*time.Second {
				t.Errorf("decided after %s, want 30s", got)
			}
			return
		}
		if wait <= 0 {
			t.Fatal("nobody asks again, although time decides")
		}
		now = now.Add(wait)
	}
	t.Fatal("never decided")
}

func TestRecheckNothing(t *testing.T) {
	var s Confirmer
	if f, wait := s.Confirm([]Finding{seen("ReadinessProbeFailing", 1, "")}, time.Now(), Patience{}); f != nil || wait != 0 {
		t.Errorf("got %v, %s: only the timeout decides", f, wait)
	}
	if f, wait := s.Confirm(nil, time.Now(), Patience{}); f != nil || wait != 0 {
		t.Errorf("got %v, %s for nothing", f, wait)
	}
}
