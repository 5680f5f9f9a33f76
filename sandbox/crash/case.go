package main

import (
	"fmt"
	"slices"
	"strings"
)

// moment is one case: what is rolled out, what happens to it where, and what comes after.
type moment struct {
	scenario scenario
	end      end
	at       point
	follower follower
}

func (m moment) String() string {
	return fmt.Sprintf("%s/%s/%s/%s", m.scenario.name, m.end.name, m.at, m.follower.name)
}

// idle tells whether a case mostly waits.
func (m moment) idle(short bool) bool {
	return m.end.leads == sleeps || m.end.name == "stall" || m.follower.later && !short
}

// moments are all cases of a scenario whose run makes so many writes. Unless every follower is asked for, they take
// turns: each end meets each of them, and another seed gives each point another one.
func moments(s scenario, writes int, with []follower, seed uint64, each bool) []moment {
	var all []moment
	for e, end := range ends() {
		for n := range 2 * writes {
			at := point{write: n/2 + 1, after: n%2 == 1}
			turn := (uint64(e+n) + seed) % uint64(len(with))
			for i, f := range with {
				if each || uint64(i) == turn {
					all = append(all, moment{s, end, at, f})
				}
			}
		}
	}
	return all
}

// chosen keeps the cases whose names begin with one of these, part by part; all when there are none.
func chosen(all []prepared, only []string) []prepared {
	if len(only) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(p prepared) bool { return !begins(p.moment.String(), only) })
}

// begins tells whether a name is one of these or is below one of these.
func begins(name string, only []string) bool {
	return slices.ContainsFunc(only, func(o string) bool { return name == o || strings.HasPrefix(name, o+"/") })
}

// needed tells whether some of the cases of a scenario are asked for.
func (s scenario) needed(only []string) bool {
	return len(only) == 0 || slices.ContainsFunc(only, func(o string) bool {
		name, _, _ := strings.Cut(o, "/")
		return name == s.name
	})
}

// chosenFollowers are those with these names; all when there are none.
func chosenFollowers(names []string) ([]follower, error) {
	all := followers()
	if len(names) == 0 {
		return all, nil
	}
	var some []follower
	for _, name := range names {
		i := slices.IndexFunc(all, func(f follower) bool { return f.name == name })
		if i < 0 {
			return nil, fmt.Errorf("reading --followers: there is no %q", name)
		}
		some = append(some, all[i])
	}
	return some, nil
}
