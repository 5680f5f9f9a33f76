package main

import (
	"slices"
	"strings"
	"testing"
)

func TestMomentsMeetEveryFollower(t *testing.T) {
	s, ok := scenarioOf("deployment-bad")
	if !ok {
		t.Fatal("there is no deployment-bad")
	}
	all := moments(s, 3, followers(), 0, false)
	if want := len(ends()) * 3 * 2; len(all) != want {
		t.Errorf("%d cases and not %d", len(all), want)
	}
	met := map[string]map[string]bool{}
	names := map[string]bool{}
	for _, m := range all {
		if met[m.end.name] == nil {
			met[m.end.name] = map[string]bool{}
		}
		met[m.end.name][m.follower.name] = true
		names[m.String()] = true
	}
	for _, e := range ends() {
		if len(met[e.name]) != len(followers()) {
			t.Errorf("%s meets %v only", e.name, met[e.name])
		}
	}
	if len(names) != len(all) || !names["deployment-bad/SIGKILL/before-1/undo"] || !names["deployment-bad/SIGKILL/after-1/run-good"] {
		t.Errorf("names are not as they should be: %v", all[0])
	}
	for i, m := range moments(s, 3, followers(), 1, false) {
		if m.at != all[i].at || m.follower.name == all[i].follower.name {
			t.Errorf("another seed gives %s after %s", m, all[i])
		}
	}
	if each := moments(s, 3, followers(), 0, true); len(each) != len(all)*len(followers()) {
		t.Errorf("%d cases with every follower", len(each))
	}
}

func TestChosenCases(t *testing.T) {
	s, _ := scenarioOf("job")
	var all []prepared
	for _, m := range moments(s, 2, followers(), 0, true) {
		all = append(all, prepared{moment: m})
	}
	for only, want := range map[string]int{
		"":                               len(all),
		"job":                            len(all),
		"job/SIGKILL/after-2/undo":       1,
		"job/SIGKILL/after-2":            len(followers()),
		"job/SIGKILL,job/SIGINT/after-1": 4*len(followers()) + len(followers()),
		"job/SIG":                        0,
		"deployment":                     0,
	} {
		got := chosen(all, slices.DeleteFunc(strings.Split(only, ","), func(s string) bool { return s == "" }))
		if len(got) != want {
			t.Errorf("%q: %d cases and not %d", only, len(got), want)
		}
	}
	if !s.needed([]string{"job/SIGKILL"}) || s.needed([]string{"job-bad"}) || !s.needed(nil) {
		t.Error("a scenario is not needed when it is, or is when it is not")
	}
	if _, err := chosenFollowers([]string{"nobody"}); err == nil {
		t.Error("there is a follower that is not there")
	}
}

// TestScenarios: no version is like another, and all placeholders are filled in.
func TestScenarios(t *testing.T) {
	for _, s := range scenarios() {
		seen := map[string]bool{}
		for _, v := range []version{first, good, bad} {
			text, err := s.manifest(v)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(text, "${") || seen[text] {
				t.Errorf("%s %s:\n%s", s.name, v, text)
			}
			seen[text] = true
			if unfit := strings.Contains(text, ":missing") || strings.Contains(text, "kubernetes.io/os"); unfit != (v == bad) {
				t.Errorf("%s %s has an image that is missing or pods that find no room, or has not", s.name, v)
			}
		}
	}
}

func TestPlayed(t *testing.T) {
	past := played([]result{{Name: "a", Right: true}, {Name: "b", Error: "it was not played"}, {Name: "c"}})
	if len(past) != 2 || past[0].Name != "a" || past[1].Name != "c" {
		t.Errorf("%+v", past)
	}
}
