package main

import (
	"strings"
	"testing"
)

func names(all []planned) string {
	var b strings.Builder
	for _, p := range all {
		b.WriteString(p.name() + " ")
	}
	return b.String()
}

func TestTrials(t *testing.T) {
	o := options{runs: 2, healthy: 5, argo: "controller", only: []string{"crash/canary-1-of-4", "error-burst/argo-limit-0/2", "healthy", "noisy/argo-limit-3", "noisy/argo-limit-0"}}
	past := []result{{Fault: "crash", Way: "canary-1-of-4", Number: 1}, {Fault: "crash", Way: "canary-1-of-4", Number: 2, Error: "no node"}}
	got, err := o.trials(past)
	if want := "error-burst/argo-limit-0/2 crash/canary-1-of-4/2 healthy/canary-1-of-4/1 healthy/canary-1-of-4/2 noisy/argo-limit-3/1 noisy/argo-limit-0/1 "; err != nil || names(got) != want {
		t.Errorf("got %s, want %s, %v", names(got), want, err)
	}
	o.argo, o.only = "", nil
	if got, err := o.trials(nil); err != nil || len(got) != 2*len(faults())*4+5 || strings.Contains(names(got), "argo") {
		t.Errorf("without Argo Rollouts: %s, %v", names(got), err)
	}
	o.only = []string{"crash/canary"}
	if _, err := o.trials(nil); err == nil || !strings.Contains(err.Error(), "no trial crash/canary") {
		t.Errorf("got %v", err)
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--runs 1 --healthy 0", ""},
		{"--argo a --argo-kinds b", ""},
		{"--argo a", "belong together"},
		{"--runs -1", "0 or more"},
		{"--only crash --out x.md", "cannot be written with --only"},
	} {
		_, err := parse(strings.Fields(c.args))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.args, err)
		}
	}
}
