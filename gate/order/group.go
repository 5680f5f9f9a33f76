package order

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// groups makes groups of placed objects.
func groups(all []placed) []Group {
	rest := slices.Clone(all)
	slices.SortStableFunc(rest, inOrder)
	var made []Group
	var steps [][]placed // of each group
	for len(rest) > 0 {
		var place []placed
		place, rest = take(rest, compare)
		of := stepsOf(place)
		for i := range of {
			name := placeName(place)
			if len(of) > 1 {
				name += fmt.Sprintf(" (%d of %d)", i+1, len(of))
			}
			made = append(made, Group{Name: name, Test: place[0].phase == test})
		}
		steps = append(steps, of...)
	}
	for i, step := range steps {
		for _, p := range step {
			for j := range steps[i:] {
				if steps[i+j][0].phase <= p.until {
					p.Until = i + j
				}
			}
			made[i].Objects = append(made[i].Objects, p.Object)
		}
	}
	return made
}

// inOrder is the order of writing: by place, then by kind. Helm's hooks are also sorted by name, with those that it waits
// for behind the others of their rank (helm.sh/docs/topics/charts_hooks: by weight, by kind, by name).
func inOrder(a, b placed) int {
	order := cmp.Or(compare(a, b), cmp.Compare(a.level, b.level), manifest.Compare(a.Object.Object, b.Object.Object))
	if order != 0 || !a.helm && !b.helm {
		return order
	}
	return cmp.Or(falseFirst(a.helm, b.helm), falseFirst(helmWaits(a.Object.Object), helmWaits(b.Object.Object)),
		cmp.Compare(a.GetName(), b.GetName()), cmp.Compare(a.GetKind(), b.GetKind()))
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// take splits off the beginning of a sorted list, as far as it is equal.
func take(list []placed, compare func(a, b placed) int) (same, rest []placed) {
	end := slices.IndexFunc(list, func(p placed) bool { return compare(p, list[0]) != 0 })
	if end < 0 {
		end = len(list)
	}
	return list[:end], list[end:]
}

// stepsOf splits objects of one place, which are sorted, where something is waited for. By kapp's rules that is between
// levels. By Helm it is behind each of its hooks that is a Job or a Pod, even when the next one has the same weight; what
// is no Helm hook is written with the first of these.
func stepsOf(place []placed) [][]placed {
	var steps [][]placed
	for len(place) > 0 {
		var level []placed
		level, place = take(place, func(a, b placed) int { return cmp.Compare(a.level, b.level) })
		first, waiting := len(steps), false
		steps = append(steps, nil)
		for _, p := range level {
			step := first
			if p.helm {
				if waiting {
					steps = append(steps, nil)
				}
				step, waiting = len(steps)-1, helmWaits(p.Object.Object)
			}
			steps[step] = append(steps[step], p)
		}
	}
	return steps
}

// placeName names the place of objects that share one.
func placeName(same []placed) string {
	var labels []string
	for _, p := range same {
		if !slices.Contains(labels, p.label) {
			labels = append(labels, p.label)
		}
	}
	slices.Sort(labels)
	number := ""
	if n := same[0].number; n != 0 {
		number = fmt.Sprintf(" %d", n)
	}
	switch same[0].phase {
	case before:
		return "before: " + strings.Join(labels, ", ") + number
	case after:
		return "after: " + strings.Join(labels, ", ") + number
	case test:
		return "test" + number
	}
	if number == "" {
		return "main"
	}
	return labels[0] + number // "stage" before "wave"
}
