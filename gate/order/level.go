package order

import (
	"slices"
	"strings"
)

// wait is one object waiting for another, by indices.
type wait struct {
	who, on int
	by      int // who has the rule
	rule    rule
}

// setLevels follows kapp's rules. Among objects of one phase and number it gives each a level above all that it waits
// for. Between others a rule can only agree with the phases and numbers: where it does not, somebody is wrong.
func setLevels(all []placed) error {
	waits, err := waitsOf(all)
	if err != nil {
		return err
	}
	of := make([][]wait, len(all))
	for _, w := range waits {
		switch order := compare(all[w.on], all[w.who]); {
		case order > 0:
			return contradiction(all, w)
		case order == 0:
			of[w.who] = append(of[w.who], w)
		}
	}
	walk := levelWalk{all: all, waits: of, done: make([]bool, len(all))}
	for i := range all {
		if err := walk.visit(i); err != nil {
			return err
		}
	}
	return nil
}

// waitsOf turns the rules into pairs. An object with a stage of our own has no rules, but others may have one about it.
func waitsOf(all []placed) ([]wait, error) {
	members := map[string][]int{}
	for i, p := range all {
		groups, err := groupsOf(p.Object.Object)
		if err != nil {
			return nil, err
		}
		for _, group := range groups {
			members[group] = append(members[group], i)
		}
	}
	var waits []wait
	for i := range all {
		if all[i].fixed {
			continue
		}
		rules, err := rulesOf(all[i].Object.Object)
		if err != nil {
			return nil, err
		}
		for _, r := range rules {
			if len(members[r.group]) == 0 { // kapp allows that: what is in the group may have been removed
				all[i].note("no object of this run is in the group of its change rule \"" + r.text + "\"")
			}
			for _, other := range members[r.group] {
				w := wait{who: i, on: other, by: i, rule: r}
				if !r.after {
					w.who, w.on = other, i
				}
				waits = append(waits, w)
			}
		}
	}
	return waits, nil
}

func contradiction(all []placed, w wait) error {
	who, on := named(all[w.who].Object.Object), named(all[w.on].Object.Object)
	return fail(all[w.by].Object.Object, w.rule.key,
		"take the rule out, or give one of them another place with "+StageAnnotation,
		"(%q) has %s wait for %s, but other annotations put %s into %q and %s into %q",
		w.rule.text, who, on, who, placeName(all[w.who:w.who+1]), on, placeName(all[w.on:w.on+1]))
}

// levelWalk visits objects in depth, those waited for first.
type levelWalk struct {
	all   []placed
	waits [][]wait // by the object that waits
	done  []bool
	path  []wait // how the visit came to the object that it is at
}

func (v *levelWalk) visit(i int) error {
	if v.done[i] {
		return nil
	}
	for _, w := range v.waits[i] {
		start := slices.IndexFunc(v.path, func(earlier wait) bool { return earlier.who == w.on })
		v.path = append(v.path, w)
		if start >= 0 || w.on == i {
			return v.cycle(max(start, 0), w)
		}
		if err := v.visit(w.on); err != nil {
			return err
		}
		v.path = v.path[:len(v.path)-1]
		v.all[i].level = max(v.all[i].level, v.all[w.on].level+1)
	}
	v.done[i] = true
	return nil
}

// cycle names the objects of a circle, which closes with the last wait of the path.
func (v *levelWalk) cycle(start int, closing wait) error {
	circle := v.path[start:]
	if closing.who == closing.on {
		circle = []wait{closing}
	}
	names := []string{named(v.all[circle[0].who].Object.Object)}
	for _, w := range circle {
		names = append(names, named(v.all[w.on].Object.Object))
	}
	return fail(v.all[closing.by].Object.Object, closing.rule.key, "take one of the rules out",
		"(%q) closes a circle, in which each waits for the next: %s", closing.rule.text, strings.Join(names, ", "))
}
